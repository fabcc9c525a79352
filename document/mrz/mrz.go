// Package mrz parses the machine-readable zones of ICAO Doc 9303 travel documents and
// checks them: cards (TD1, TD2), passports (TD3) and visas (MRV-A, MRV-B).
//
// A zone is two or three lines of fixed length over the alphabet A-Z, 0-9 and the filler
// '<'. Some fields are followed by a check digit, and most formats end with a composite
// one over all of them. [Parse] judges every digit and keeps the verdicts apart, so that a
// caller can say which one is wrong. A record is valid only if all of them hold. Names,
// issuer, nationality and sex have no digit: only their alphabet can be checked.
//
// Nothing is repaired silently: [Repair] replaces a character only where the field's
// alphabet forbids it and the digit then fits, and says which.
//
// Functions here are pure and safe for concurrent use; no input makes them panic.
package mrz

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrFormat means that lines have the shape of no known format, or a character outside
// the alphabet.
var ErrFormat = errors.New("not a machine-readable zone")

// A Format is a size of document and the layout that goes with it.
type Format string

// The formats of Doc 9303 parts 4 to 7.
const (
	TD1  Format = "td1"  // 3 lines of 30: identity cards
	TD2  Format = "td2"  // 2 lines of 36
	TD3  Format = "td3"  // 2 lines of 44: passports
	MRVA Format = "mrva" // 2 lines of 44: visas
	MRVB Format = "mrvb" // 2 lines of 36: small visas
)

// Shape is the number of lines of a format and their length; zero for an unknown one.
func (f Format) Shape() (lines, length int) {
	switch f {
	case TD1:
		return 3, 30
	case TD2, MRVB:
		return 2, 36
	case TD3, MRVA:
		return 2, 44
	}
	return 0, 0
}

// The names of the checks, in the order in which a Record has them.
const (
	CheckAlphabet  = "alphabet" // every field has only characters it may have
	CheckNumber    = "document_number"
	CheckBirth     = "birth_date"
	CheckExpiry    = "expiry_date"
	CheckOptional  = "optional_data" // TD3 only
	CheckComposite = "composite"     // not on visas
)

// A Check is the verdict on one check digit and the field before it. A date that is no
// date does not pass, whatever its digit.
type Check struct {
	Name   string `json:"name"`
	Passed bool   `json:"passed"`
}

// A Record is a parsed zone. Fields are without fillers, and empty where the zone says
// nothing.
type Record struct {
	Format      Format
	Lines       []string
	Code        string // one or two characters: P passport, V visa, I, A or C card
	Issuer      string // as printed: three letters, or "D" for Germany
	Nationality string
	Number      string
	Surname     string // primary identifier, words separated by spaces
	Given       string // secondary identifier
	Truncated   bool   // the name fills its field to the end, so that more may have been cut off
	Sex         string // "M", "F", or "" where not specified
	Birth       ShortDate
	Expiry      ShortDate
	Optional    []string // what is left of the optional fields: one, or two for TD1
	Checks      []Check
}

// Valid reports whether every check passed. A record without checks is not valid.
func (r *Record) Valid() bool {
	for _, c := range r.Checks {
		if !c.Passed {
			return false
		}
	}
	return len(r.Checks) > 0
}

// A ShortDate is a date with a year of two digits as the zone prints it. Known is false
// where it is no date; a birth date may lack its day, or month and day, which are then 0.
type ShortDate struct {
	Year, Month, Day int
	Known            bool
}

// Birth is the full date: this century unless that is after the day at, then the last.
func (d ShortDate) Birth(at time.Time) Date {
	if !d.Known {
		return Date{}
	}
	full := Date{2000 + d.Year, d.Month, d.Day}
	if y, m, day := at.Date(); full.after(Date{y, int(m), day}) {
		full.Year -= 100
	}
	return full
}

// Expiry is the full date, always in this century.
func (d ShortDate) Expiry() Date {
	if !d.Known {
		return Date{}
	}
	return Date{2000 + d.Year, d.Month, d.Day}
}

// A Date is a day of the calendar. The zero value is no date; Day, or Month and Day, are 0
// where they are not known.
type Date struct{ Year, Month, Day int }

// IsZero reports whether there is no date.
func (d Date) IsZero() bool { return d == Date{} }

// String is the date as ISO 8601 writes it, shorter where parts are not known, and empty
// for no date.
func (d Date) String() string {
	switch {
	case d.IsZero():
		return ""
	case d.Month == 0:
		return fmt.Sprintf("%04d", d.Year)
	case d.Day == 0:
		return fmt.Sprintf("%04d-%02d", d.Year, d.Month)
	}
	return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day)
}

// MarshalText is String.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// Before reports whether the date lies before the day at has in its own time zone.
func (d Date) Before(at time.Time) bool {
	y, m, day := at.Date()
	return Date{y, int(m), day}.after(d)
}

func (d Date) after(o Date) bool {
	if d.Year != o.Year {
		return d.Year > o.Year
	}
	if d.Month != o.Month {
		return d.Month > o.Month
	}
	return d.Day > o.Day
}

// Real reports whether the calendar has the date.
func (d Date) Real() bool {
	t := time.Date(d.Year, time.Month(d.Month), d.Day, 0, 0, 0, 0, time.UTC)
	return d.Year > 0 && t.Year() == d.Year && int(t.Month()) == d.Month && t.Day() == d.Day
}

// Parse reads a zone's lines. The format follows from their number and length, and from
// the V that begins a visa. An error wraps ErrFormat; a wrong check digit is no error but
// a failed check of the record.
func Parse(lines []string) (*Record, error) {
	format, err := formatOf(lines)
	if err != nil {
		return nil, err
	}
	r := &Record{Format: format, Lines: append([]string(nil), lines...)}
	l := layoutOf(format)
	get := func(s span) string { return lines[s.line][s.from:s.to] }

	r.Code, r.Issuer, r.Nationality = trim(get(l.code)), trim(get(l.issuer)), trim(get(l.nationality))
	r.Surname, r.Given, r.Truncated = names(get(l.name))
	if sex := get(l.sex); sex != "<" {
		r.Sex = sex
	}
	r.Birth, r.Expiry = shortDate(get(l.birth)), shortDate(get(l.expiry))
	number, optional, numberHolds := splitNumber(get(l.number), get(l.numberCheck), get(l.optional))
	r.Number = number
	r.Optional = []string{trim(optional)}
	if format == TD1 {
		r.Optional = append(r.Optional, trim(get(l.optional2)))
	}
	r.Checks = []Check{
		{CheckAlphabet, alphabetHolds(lines, l)},
		{CheckNumber, numberHolds},
		{CheckBirth, r.Birth.Known && holds(get(l.birth), get(l.birthCheck))},
		{CheckExpiry, r.Expiry.Known && r.Expiry.Day != 0 && holds(get(l.expiry), get(l.expiryCheck))},
	}
	if format == TD3 {
		data, digit := get(l.optional), get(l.optionalCheck)
		empty := trim(data) == "" && (digit == "<" || digit == "0")
		r.Checks = append(r.Checks, Check{CheckOptional, empty || holds(data, digit)})
	}
	if len(l.composite) > 0 {
		var all strings.Builder
		for _, s := range l.composite {
			all.WriteString(get(s))
		}
		r.Checks = append(r.Checks, Check{CheckComposite, holds(all.String(), get(l.compositeCheck))})
	}
	return r, nil
}

func formatOf(lines []string) (Format, error) {
	if len(lines) == 0 {
		return "", fmt.Errorf("%w: no lines", ErrFormat)
	}
	for i, line := range lines {
		if len(line) != len(lines[0]) {
			return "", fmt.Errorf("%w: lines of different length", ErrFormat)
		}
		for k := range len(line) {
			if !in(line[k], alnum) {
				return "", fmt.Errorf("%w: character %d of line %d is none of A-Z, 0-9 and <", ErrFormat, k+1, i+1)
			}
		}
	}
	for _, f := range []Format{TD1, TD2, TD3} {
		n, length := f.Shape()
		if n != len(lines) || length != len(lines[0]) {
			continue
		}
		switch visa := lines[0][0] == 'V'; {
		case visa && f == TD3:
			return MRVA, nil
		case visa && f == TD2:
			return MRVB, nil
		}
		return f, nil
	}
	return "", fmt.Errorf("%w: %d lines of %d characters", ErrFormat, len(lines), len(lines[0]))
}

// splitNumber joins a number that continues in the optional field, where '<' stands in
// place of its check digit, and returns what is left of that field and whether the digit holds.
func splitNumber(number, digit, optional string) (string, string, bool) {
	if digit == "<" {
		rest, after, found := strings.Cut(optional, "<")
		if len(rest) >= 2 && found && !strings.Contains(number, "<") {
			whole, d := number+rest[:len(rest)-1], rest[len(rest)-1:]
			return whole, after, holds(whole, d)
		}
		return trim(number), optional, false
	}
	return trim(number), optional, trim(number) != "" && holds(number, digit)
}

// names splits a name field at the double filler between primary and secondary identifier.
func names(field string) (surname, given string, full bool) {
	surname, given, _ = strings.Cut(field, "<<")
	return trim(surname), trim(given), field[len(field)-1] != '<'
}

// trim takes fillers off both ends and makes those between words spaces.
func trim(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(c rune) bool { return c == '<' }), " ")
}

// shortDate reads yymmdd; day, or month and day, may be fillers.
func shortDate(s string) ShortDate {
	number := func(s string) (int, bool) {
		if s == "<<" {
			return 0, true
		}
		if !in(s[0], digits) || !in(s[1], digits) {
			return 0, false
		}
		return int(s[0]-'0')*10 + int(s[1]-'0'), true
	}
	y, okY := number(s[:2])
	m, okM := number(s[2:4])
	d, okD := number(s[4:])
	if !okY || !okM || !okD || s[:2] == "<<" {
		return ShortDate{}
	}
	unknownMonth, unknownDay := s[2:4] == "<<", s[4:] == "<<"
	// The year 2000 has a 29th of February; 1900 had none, but nobody living was born on it.
	switch {
	case unknownMonth && unknownDay:
	case unknownMonth:
		return ShortDate{}
	case unknownDay && (m < 1 || m > 12):
		return ShortDate{}
	case !unknownDay && !(Date{2000 + y, m, d}).Real() && !(Date{1900 + y, m, d}).Real():
		return ShortDate{}
	}
	return ShortDate{Year: y, Month: m, Day: d, Known: true}
}

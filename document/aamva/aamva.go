// Package aamva parses the text that the PDF417 barcode on the back of North American
// driving licences and identity cards holds, after the AAMVA Card Design Standard.
//
// The text is a header, which names the issuing authority and the version of the standard,
// and then elements: three characters that say what follows, and the value up to the end of
// the line. Issuers take liberties with the subfile table, so elements are found by their
// lines and not by the table's offsets. Nothing in the text can be checked against
// anything else; [Parse] only tells whether what must be there is there.
//
// Functions here are pure and safe for concurrent use; no input makes them panic.
package aamva

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"facegate/document/mrz"
)

// ErrFormat means that a text does not begin with an AAMVA header.
var ErrFormat = errors.New("not an AAMVA text")

// MaxLen is the longest text that is looked at, in bytes; a PDF417 holds less than half.
const MaxLen = 8 << 10

// A Record is a parsed text. Values are trimmed, and empty where the text lacks them or
// says that there is none.
type Record struct {
	Issuer  string // identification number, six digits
	Version string // of the standard, two digits
	Type    string // of the first subfile: "DL" licence, "ID" card, "EN" enhanced licence

	Family, First, Middle, Suffix string
	Number, Class                 string
	Sex                           string // "M", "F", or "" where not specified
	Eyes, Hair                    string // in words
	Height                        string // inches without a unit, else with it
	Weight                        string // pounds without a unit, else with it
	Street, City, State, Zip      string
	Country                       string // "USA" or "CAN"
	Birth, Expiry, Issued         mrz.Date

	Elements map[string]string // all of them, as they were
}

// What must hold of a text, in the order of Checks.
const (
	CheckNumber = "document_number" // there is one
	CheckName   = "name"            // there is a family name, or a first one alone
	CheckBirth  = "birth_date"      // there is one, and it is a date
	CheckExpiry = "expiry_date"     // likewise
)

// Checks is what was looked at and whether it holds.
func (r *Record) Checks() []mrz.Check {
	return []mrz.Check{
		{Name: CheckNumber, Passed: r.Number != ""},
		{Name: CheckName, Passed: r.Family != "" || r.First != ""},
		{Name: CheckBirth, Passed: r.Birth.Real()},
		{Name: CheckExpiry, Passed: r.Expiry.Real()},
	}
}

// Valid reports whether every check holds.
func (r *Record) Valid() bool {
	for _, c := range r.Checks() {
		if !c.Passed {
			return false
		}
	}
	return true
}

// Parse reads a barcode's text. An error wraps ErrFormat.
func Parse(text string) (*Record, error) {
	if len(text) > MaxLen {
		return nil, fmt.Errorf("%w: it has %d bytes", ErrFormat, len(text))
	}
	rest, ok := strings.CutPrefix(strings.TrimLeft(text, " \r\n\x1e"), "@")
	if !ok {
		return nil, fmt.Errorf("%w: it does not begin with @", ErrFormat)
	}
	rest = strings.TrimLeft(rest, " \r\n\x1c\x1e")
	rest, ok = strings.CutPrefix(rest, "ANSI ")
	if !ok {
		if rest, ok = strings.CutPrefix(rest, "AAMVA"); !ok { // the standard of 2000
			return nil, fmt.Errorf("%w: the file type is not ANSI", ErrFormat)
		}
	}
	digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
	if digits < 8 {
		return nil, fmt.Errorf("%w: issuer and version are not numbers", ErrFormat)
	}
	r := &Record{Issuer: rest[:6], Version: rest[6:8], Elements: map[string]string{}}
	r.elements(rest[digits:])
	r.interpret()
	return r, nil
}

// elements collects the elements of what follows the header's numbers: the table of
// subfiles, each two letters and eight digits, and the subfiles themselves.
func (r *Record) elements(rest string) {
	var types []string
	for len(rest) >= 10 && number(rest[2:10]) {
		types = append(types, rest[:2])
		rest = rest[10:]
	}
	if len(types) > 0 {
		r.Type = types[0]
	}
	for _, line := range strings.FieldsFunc(rest, func(c rune) bool { return c == '\n' || c == '\r' || c == 0x1e }) {
		for _, t := range types {
			if after, ok := strings.CutPrefix(line, t); ok && isElement(after) {
				line = after
				break
			}
		}
		if !isElement(line) {
			continue
		}
		if _, twice := r.Elements[line[:3]]; !twice {
			r.Elements[line[:3]] = line[3:]
		}
	}
}

func isElement(s string) bool {
	if len(s) < 3 || s[0] != 'D' && s[0] != 'P' && s[0] != 'Z' {
		return false
	}
	for i := 1; i < 3; i++ {
		if (s[i] < 'A' || s[i] > 'Z') && (s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return true
}

func number(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func (r *Record) interpret() {
	get := func(ids ...string) string {
		for _, id := range ids {
			v := strings.TrimSpace(r.Elements[id])
			switch strings.ToUpper(v) {
			case "", "NONE", "UNAVL", "UNAVAIL", "N/A":
				continue
			}
			return v
		}
		return ""
	}
	r.Family, r.First, r.Middle, r.Suffix = get("DCS", "DAB"), strings.Trim(get("DAC"), ", "), get("DAD"), get("DCU", "DAE")
	if given := get("DCT"); r.First == "" && given != "" { // versions 2 and 3: all given names
		r.First, r.Middle = cutName(given)
	}
	if whole := get("DAA"); r.Family == "" && whole != "" { // version 1: family, first, middle
		parts := strings.SplitN(whole, ",", 3)
		r.Family = strings.TrimSpace(parts[0])
		if len(parts) > 1 {
			r.First = strings.TrimSpace(parts[1])
		}
		if len(parts) > 2 {
			r.Middle = strings.TrimSpace(parts[2])
		}
	}
	r.Number, r.Class = get("DAQ"), get("DCA", "DAR")
	switch strings.ToUpper(get("DBC")) {
	case "1", "M":
		r.Sex = "M"
	case "2", "F":
		r.Sex = "F"
	}
	r.Eyes, r.Hair = colour(get("DAY")), colour(get("DAZ"))
	r.Height, r.Weight = measure(get("DAU"), "IN"), measure(get("DAW"), "LB")
	if r.Weight == "" {
		if kg := measure(get("DAX"), ""); kg != "" {
			r.Weight = kg + " kg"
		}
	}
	r.Street, r.City, r.State, r.Zip = get("DAG", "DAL"), get("DAI", "DAN"), get("DAJ", "DAO"), zip(get("DAK", "DAP"))
	if more := get("DAH"); more != "" && r.Street != "" {
		r.Street += ", " + more
	}
	r.Country = strings.ToUpper(get("DCG"))
	r.Birth, r.Expiry, r.Issued = date(get("DBB")), date(get("DBA")), date(get("DBD"))
}

// cutName parts first from further names, which issuers separate by commas or spaces.
func cutName(s string) (first, rest string) {
	i := strings.IndexAny(s, ", ")
	if i < 0 {
		return s, ""
	}
	return s[:i], strings.Trim(s[i:], ", ")
}

// date reads MMDDCCYY, as the United States write it, and CCYYMMDD, as Canada and the
// first version do. No date of this or the last century can be read both ways.
func date(s string) mrz.Date {
	if len(s) != 8 || !number(s) {
		return mrz.Date{}
	}
	n := func(s string) int {
		v, _ := strconv.Atoi(s) // it is all digits
		return v
	}
	for _, d := range []mrz.Date{
		{Year: n(s[4:]), Month: n(s[:2]), Day: n(s[2:4])},
		{Year: n(s[:4]), Month: n(s[4:6]), Day: n(s[6:])},
	} {
		if d.Year >= 1900 && d.Year < 2100 && d.Real() {
			return d
		}
	}
	return mrz.Date{}
}

// measure drops leading zeros and the usual unit.
func measure(s, usual string) string {
	n := len(s) - len(strings.TrimLeft(s, "0123456789"))
	value, unit := strings.TrimLeft(s[:n], "0"), strings.TrimSpace(s[n:])
	if value == "" {
		return ""
	}
	if unit == "" || strings.HasPrefix(strings.ToUpper(unit), usual) && usual != "" {
		return value
	}
	return value + " " + strings.ToLower(unit)
}

// zip writes nine digits with a hyphen, and five where the others are zeros.
func zip(s string) string {
	if len(s) != 9 || !number(s) {
		return s
	}
	if s[5:] == "0000" {
		return s[:5]
	}
	return s[:5] + "-" + s[5:]
}

// colour spells out the three-letter codes of ANSI D20.
func colour(code string) string {
	words := map[string]string{
		"BAL": "BALD", "BLK": "BLACK", "BLN": "BLONDE", "BLU": "BLUE", "BRO": "BROWN", "DIC": "DICHROMATIC", "GRN": "GREEN",
		"GRY": "GRAY", "HAZ": "HAZEL", "MAR": "MAROON", "PNK": "PINK", "SDY": "SANDY", "UNK": "", "WHI": "WHITE",
	}
	if w, ok := words[strings.ToUpper(code)]; ok {
		return w
	}
	return strings.ToUpper(code)
}

// Package document reads identity documents from pictures: the machine-readable zone of
// cards, passports and visas (ICAO Doc 9303) and the PDF417 barcode of North American
// licences (AAMVA).
//
// A [Reader] looks for both in a picture of any orientation and returns a [Document]: what
// kind it is, its fields, and the checks with their verdicts. It reads nothing else of the
// card: a document without zone and barcode is [ErrNotRecognized]. A document is valid
// when its own check digits hold and every character was read without doubt; that says
// that it was read correctly, not that it is genuine.
//
// Subpackages do the parts: mrz and aamva parse, ocrb finds and recognises characters.
package document

import (
	"errors"
	"strings"
	"time"

	"facegate/access"
	"facegate/document/aamva"
	"facegate/document/mrz"
)

// What Read can fail with, beside its context's end.
var (
	// ErrNotRecognized means that a picture has neither a machine-readable zone nor a
	// barcode that could be read.
	ErrNotRecognized = errors.New("document not recognized")

	// ErrEngine means that reading broke down: nothing is known about the picture.
	ErrEngine = errors.New("document reader failed")
)

// A Kind is what a document was read from.
type Kind string

// The kinds of documents; cards are TD1, TD2 and PDF417, passports TD3.
const (
	None   Kind = "none"
	TD1    Kind = "td1"
	TD2    Kind = "td2"
	TD3    Kind = "td3"
	MRVA   Kind = "mrva"
	MRVB   Kind = "mrvb"
	PDF417 Kind = "pdf417"
)

// Fields is what a document says. A field it lacks is empty. Dates are in the Document's
// methods and ISO 8601.
type Fields struct {
	Code        string `json:"code"` // as printed in the zone, "P" or "ID"; of a licence its subfile type, "DL"
	Number      string `json:"number"`
	Surname     string `json:"surname"`
	Given       string `json:"given"`  // first and further names
	First       string `json:"first"`  // AAMVA only
	Middle      string `json:"middle"` // AAMVA only
	Suffix      string `json:"suffix"` // AAMVA only
	Sex         string `json:"sex"`    // "M", "F" or empty
	Nationality string `json:"nationality"`
	Issuer      string `json:"issuer"` // three letters as printed; of a licence its state

	Issued   string `json:"issued"`
	Template string `json:"template"` // version of the AAMVA standard, two digits
	Class    string `json:"class"`
	Street   string `json:"street"`
	City     string `json:"city"`
	State    string `json:"state"`
	Zip      string `json:"zip"`
	Country  string `json:"country"`
	Eyes     string `json:"eyes"`
	Hair     string `json:"hair"`
	Height   string `json:"height"`
	Weight   string `json:"weight"`

	Optional []string `json:"optional"` // what the zone's optional fields hold
}

// The checks a Document can have beside those of mrz and aamva.
const (
	CheckLegible = "legible" // no character without a check digit is in doubt
	CheckHeader  = "header"  // the barcode's text is AAMVA's
)

// A Document is what was read. Its slices belong to the caller.
type Document struct {
	Kind   Kind
	Fields Fields
	Lines  []string // the zone's lines, or the barcode's text as one
	Checks []mrz.Check
	Valid  bool // every check passed

	// Repaired are the characters that were read as something their field cannot have
	// and that a check digit then confirmed.
	Repaired []mrz.Change

	birth        mrz.ShortDate // of a zone
	birthInFull  mrz.Date      // of a licence
	expiryInFull mrz.Date
}

// Birth is the date of birth as the document has it, zero if it has none. A zone has two
// digits of the year: it is this century unless that lies after the day at.
func (d *Document) Birth(at time.Time) mrz.Date {
	if d.birth.Known {
		return d.birth.Birth(at)
	}
	return d.birthInFull
}

// Expiry is the last day on which the document is valid, zero if it has none.
func (d *Document) Expiry() mrz.Date { return d.expiryInFull }

// Expired reports whether the document's last day lies before the day at, in the time zone
// of at. It is nil, not judged, where the clock is not sure or the document has no such date.
func (d *Document) Expired(at time.Time, clock access.Clock) *bool {
	if clock != access.ClockSynced || at.IsZero() || d.expiryInFull.IsZero() {
		return nil
	}
	return new(d.expiryInFull.Before(at))
}

func passed(checks []mrz.Check) bool {
	for _, c := range checks {
		if !c.Passed {
			return false
		}
	}
	return len(checks) > 0
}

// fromZone makes a document of a parsed zone.
func fromZone(r *mrz.Record, legible bool, repaired []mrz.Change) Document {
	d := Document{
		Kind: Kind(r.Format), Lines: r.Lines, Repaired: repaired,
		Fields: Fields{
			Code: r.Code, Number: r.Number, Surname: r.Surname, Given: r.Given, Sex: r.Sex, Nationality: r.Nationality, Issuer: r.Issuer, Optional: r.Optional,
		},
		Checks: append([]mrz.Check{{Name: CheckLegible, Passed: legible}}, r.Checks...),
		birth:  r.Birth, expiryInFull: r.Expiry.Expiry(),
	}
	d.Valid = passed(d.Checks)
	return d
}

// fromText makes a document of a barcode's text. One that is not AAMVA's has no fields.
func fromText(text string) Document {
	d := Document{Kind: PDF417, Lines: []string{text}}
	r, err := aamva.Parse(text)
	d.Checks = []mrz.Check{{Name: CheckHeader, Passed: err == nil}}
	if err != nil {
		return d
	}
	d.Fields = Fields{
		Code: r.Type, Number: r.Number, Surname: r.Family, Given: strings.TrimSpace(r.First + " " + r.Middle), First: r.First, Middle: r.Middle, Suffix: r.Suffix,
		Sex: r.Sex, Nationality: "", Issuer: r.State, Issued: r.Issued.String(), Template: r.Version, Class: r.Class,
		Street: r.Street, City: r.City, State: r.State, Zip: r.Zip, Country: r.Country, Eyes: r.Eyes, Hair: r.Hair, Height: r.Height, Weight: r.Weight,
	}
	d.birthInFull, d.expiryInFull = r.Birth, r.Expiry
	d.Checks = append(d.Checks, r.Checks()...)
	d.Valid = passed(d.Checks)
	return d
}

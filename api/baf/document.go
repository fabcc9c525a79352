package baf

import (
	"strings"
	"time"

	"facegate/document"
)

// The kinds of document, as the API numbers them.
const (
	kindCard     = 1
	kindPassport = 2
	kindFace     = 10 // none: a face alone
)

// kindOf is the number of a document that was read.
func kindOf(d *document.Document) int {
	switch d.Kind {
	case document.TD3, document.MRVA, document.MRVB:
		return kindPassport
	}
	return kindCard
}

// texts are what a document says, nil where it lacks it.
type texts struct {
	PrivateName  *string `json:"privateName"`
	Abbr3Country *string `json:"abbr3Country"`
	AbbrCountry  *string `json:"abbrCountry"`
	Address      *string `json:"address"`
	City         *string `json:"city"`
	Class        *string `json:"class"`
	Country      *string `json:"country"`
	DOB          *string `json:"dob"`
	Expires      *string `json:"expires"`
	Eyes         *string `json:"eyes"`
	FamilyName   *string `json:"familyName"`
	FirstName    *string `json:"firstName"`
	FullName     *string `json:"fullName"`
	Gender       *string `json:"gender"`
	Hair         *string `json:"hair"`
	Height       *string `json:"height"`
	ID           *string `json:"id"`
	IDType       *string `json:"idType"`
	Issued       *string `json:"issued"`
	MiddleName   *string `json:"middleName"`
	PostalBox    *string `json:"postalBox"`
	State        *string `json:"state"`
	IssuedBy     *string `json:"issuedBy"`
	Template     *string `json:"template"`
	Weight       *string `json:"weight"`
	Zip          *string `json:"zip"`
}

// textsOf are a document's, with dates as of a moment.
func textsOf(d *document.Document, at time.Time) *texts {
	f := &d.Fields
	t := &texts{
		PrivateName: text(f.Given), FamilyName: text(f.Surname), FullName: text(strings.TrimSpace(f.Given + " " + f.Surname)),
		FirstName: text(f.First), MiddleName: text(f.Middle),
		DOB: text(d.Birth(at).String()), Expires: text(d.Expiry().String()), Issued: text(f.Issued),
		ID: text(f.Number), IDType: text(idType(d)), IssuedBy: text(f.Issuer), Template: text(f.Template), Class: text(f.Class),
		Address: text(f.Street), City: text(f.City), State: text(f.State), Zip: text(f.Zip),
		Eyes: text(f.Eyes), Hair: text(f.Hair), Height: text(f.Height), Weight: text(f.Weight),
	}
	if t.FirstName == nil {
		first, rest, _ := strings.Cut(f.Given, " ")
		t.FirstName, t.MiddleName = text(first), text(rest)
	}
	t.Gender = text(map[string]string{"M": "MALE", "F": "FEMALE"}[f.Sex])
	country := f.Country
	if d.Kind != document.PDF417 {
		country = f.Issuer
	}
	t.Abbr3Country = text(country)
	// A zone has the code only; these two are those of licences.
	t.Country = text(map[string]string{"USA": "United States of America", "CAN": "Canada"}[country])
	return t
}

// text is s, nil where it is empty.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func idType(d *document.Document) string {
	switch {
	case d.Kind == document.TD3:
		return "PP"
	case d.Kind == document.MRVA, d.Kind == document.MRVB:
		return "V"
	case d.Kind == document.PDF417 && (d.Fields.Code == "DL" || d.Fields.Code == "EN"):
		return "DL"
	}
	return "ID"
}

// A documentTest is one test of a document as it is told.
type documentTest struct {
	DisplayName  string  `json:"displayName"`
	Name         string  `json:"name"`
	Status       int     `json:"status"`
	StatusString string  `json:"statusString"`
	Reason       *string `json:"reason"`
}

// documentTests are the original's three, which ask others and are never done here, and our own.
func documentTests(d *document.Document, portrait *bool) []documentTest {
	off := func(display, name string) documentTest {
		return documentTest{display, name, -1, "Disabled", new("Integration was turned off")}
	}
	own := func(name string, ok *bool, why string) documentTest {
		switch {
		case ok == nil:
			return documentTest{name, name, 2, "Skipped", &why}
		case *ok:
			return documentTest{name, name, 0, "Passed", nil}
		}
		return documentTest{name, name, 1, "Failed", nil}
	}
	var digits *bool
	if d.Kind != document.PDF417 {
		digits = &d.Valid
	}
	return []documentTest{
		{"AddressValidation", "AddressValidation", 2, "Skipped", new("Integration was skipped by flow")},
		off("DMV", "DMVValidation"),
		off("IdentiFraud", "IdentiFraudValidation"),
		own("MRZCheckDigits", digits, "The document has no machine-readable zone"),
		own("FaceOnDocument", portrait, "No face was found on the document"),
	}
}

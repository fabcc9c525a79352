package lapis

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"facegate/access"
	"facegate/api"
	"facegate/document"
	"facegate/document/mrz"
	"facegate/pipeline/imgproc"
	"facegate/store"
)

// info is what a document says. What it does not say is absent.
type info struct {
	DocumentNumber  string `json:"documentNumber,omitempty"`
	FirstName       string `json:"firstName,omitempty"`
	MiddleName      string `json:"middleName,omitempty"`
	LastName        string `json:"lastName,omitempty"`
	FullName        string `json:"fullName,omitempty"`
	Age             *int   `json:"age,omitempty"`
	Dob             string `json:"dob,omitempty"`
	DobDay          int    `json:"dob_day,omitempty"`
	DobMonth        int    `json:"dob_month,omitempty"`
	DobYear         int    `json:"dob_year,omitempty"`
	Expiry          string `json:"expiry,omitempty"`
	ExpiryDay       int    `json:"expiry_day,omitempty"`
	ExpiryMonth     int    `json:"expiry_month,omitempty"`
	ExpiryYear      int    `json:"expiry_year,omitempty"`
	DaysToExpiry    *int   `json:"daysToExpiry,omitempty"`
	Issued          string `json:"issued,omitempty"`
	IssuedDay       int    `json:"issued_day,omitempty"`
	IssuedMonth     int    `json:"issued_month,omitempty"`
	IssuedYear      int    `json:"issued_year,omitempty"`
	DaysFromIssue   *int   `json:"daysFromIssue,omitempty"`
	Address1        string `json:"address1,omitempty"`
	DocumentType    string `json:"documentType,omitempty"`
	DocumentSide    string `json:"documentSide,omitempty"`
	IssueAuthority  string `json:"issueAuthority,omitempty"`
	IssuerFull      string `json:"issuerOrg_full,omitempty"`
	IssuerISO2      string `json:"issuerOrg_iso2,omitempty"`
	IssuerISO3      string `json:"issuerOrg_iso3,omitempty"`
	NationalityFull string `json:"nationality_full,omitempty"`
	NationalityISO2 string `json:"nationality_iso2,omitempty"`
	NationalityISO3 string `json:"nationality_iso3,omitempty"`
}

// newInfo is what a document that was read on a side says on a day. Nothing is counted from the
// day where the clock is not sure.
func newInfo(d *document.Document, side string, now time.Time, clock access.Clock) info {
	f := &d.Fields
	x := info{
		DocumentNumber: f.Number, FirstName: f.First, MiddleName: f.Middle, LastName: f.Surname, DocumentSide: strings.ToUpper(side),
		IssueAuthority: f.Issuer, DocumentType: documentType(d),
	}
	if x.FirstName == "" {
		x.FirstName = f.Given // a zone does not tell the first name from the others
	}
	x.FullName = joined(x.FirstName, x.MiddleName, x.LastName)
	sure := clock == access.ClockSynced
	if b := d.Birth(now); !b.IsZero() {
		x.Dob, x.DobDay, x.DobMonth, x.DobYear = dayText(b), b.Day, b.Month, b.Year
		if age := now.Year() - b.Year; sure && b.Day != 0 {
			if b.Month > int(now.Month()) || b.Month == int(now.Month()) && b.Day > now.Day() {
				age--
			}
			x.Age = &age
		}
	}
	if e := d.Expiry(); !e.IsZero() {
		x.Expiry, x.ExpiryDay, x.ExpiryMonth, x.ExpiryYear = dayText(e), e.Day, e.Month, e.Year
		if sure && e.Day != 0 {
			x.DaysToExpiry = new(days(now, e))
		}
	}
	if at, err := time.Parse(time.DateOnly, f.Issued); err == nil {
		i := mrz.Date{Year: at.Year(), Month: int(at.Month()), Day: at.Day()}
		x.Issued, x.IssuedDay, x.IssuedMonth, x.IssuedYear = dayText(i), i.Day, i.Month, i.Year
		if sure {
			x.DaysFromIssue = new(-days(now, i))
		}
	}
	var address []string
	for _, line := range []string{f.Street, f.City, joined(f.State, f.Zip)} {
		if line != "" {
			address = append(address, line)
		}
	}
	x.Address1 = strings.Join(address, ", ")
	issuer := f.Issuer
	if d.Kind == document.PDF417 {
		issuer = f.Country // the issuer is a state of it
	}
	if c, ok := countryOf(issuer); ok {
		x.IssuerFull, x.IssuerISO2, x.IssuerISO3 = c.name, c.iso2, c.iso3
	}
	if c, ok := countryOf(f.Nationality); ok {
		x.NationalityFull, x.NationalityISO2, x.NationalityISO3 = c.name, c.iso2, c.iso3
	}
	return x
}

// documentType is a letter: P passport, V visa, D driver's licence, I any other card.
func documentType(d *document.Document) string {
	switch d.Kind {
	case document.TD3:
		return "P"
	case document.MRVA, document.MRVB:
		return "V"
	case document.PDF417:
		if d.Fields.Code != "ID" {
			return "D"
		}
	}
	return "I"
}

// joined joins what is not empty with blanks.
func joined(words ...string) string {
	return strings.Join(strings.Fields(strings.Join(words, " ")), " ")
}

// dayText is a date as 2000/02/15, shorter where parts are not known.
func dayText(d mrz.Date) string { return strings.ReplaceAll(d.String(), "-", "/") }

// days is how many days there are from the day of now to a date.
func days(now time.Time, to mrz.Date) int {
	y, m, d := now.Date()
	from := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	return int(time.Date(to.Year, time.Month(to.Month), to.Day, 0, 0, 0, 0, time.UTC).Sub(from).Hours() / 24)
}

// identify answers step 1.
func (c *call) identify() (answer, error) {
	if c.DB.ConsentRequired() && c.key.Consent == "" {
		// What is kept from here on holds the face of somebody who is no person yet.
		return answer{}, &api.Error{Code: api.NoScope, Detail: "the site asks for consent, and the key vouches for none"}
	}
	var in struct {
		Front  api.Long `json:"frontImage"`
		Front6 api.Long `json:"frontImageBase64"`
		Back   api.Long `json:"backImage"`
		Back6  api.Long `json:"backImageBase64"`
		Side   api.Long `json:"sideImage"`
		Side6  api.Long `json:"sideImageBase64"`
	}
	if err := c.body.Decode(&in); err != nil {
		return answer{}, err
	}
	const invalid = "invalid document (front, side, back) image provided"
	words := mediaWords{url: invalid, base64: invalid, both: "only one image is accepted per document side!", limit: api.MaxBody}
	type side struct {
		name        string
		url, base64 api.Long
	}
	sides := []side{{"front", in.Front, in.Front6}, {"back", in.Back, in.Back6}, {"side", in.Side, in.Side6}}
	// What was given twice is refused before anything is fetched or decoded.
	for _, s := range sides {
		if s.url != "" && s.base64 != "" {
			return answer{}, refuse(words.both)
		}
	}
	var found *document.Document
	var portrait *template
	var on string
	for i, s := range sides {
		if i > 0 && s.url == "" && s.base64 == "" {
			continue
		}
		picture, err := c.media(s.url, s.base64, words)
		if err != nil {
			return answer{}, err
		}
		if _, ok := imgproc.Header(picture); !ok {
			return answer{}, refuse(invalid)
		}
		l, err := c.Judge.Look(c.ctx(), picture, api.WantTemplate)
		switch {
		case err != nil:
			return answer{}, err
		case l.Fault != api.NoFault:
			return answer{}, refuse(invalid)
		case l.Failed&(api.StageDetect|api.StageEmbed) != 0:
			return answer{}, errors.New("no portrait can be looked for")
		}
		if portrait == nil && l.Template.Vector != nil {
			portrait = new(newTemplate(l.Template))
		}
		if found != nil {
			continue
		}
		d, err := c.ReadDocument(c.ctx(), picture)
		switch {
		case errors.Is(err, document.ErrNotRecognized):
		case err != nil:
			return answer{}, fmt.Errorf("read document: %w", err)
		case d.Valid:
			found, on = &d, s.name
		}
	}
	if found == nil {
		return answer{}, refuse("The document supplied is not recognized!")
	}
	act := c.Act(c.key)
	s := session{Info: newInfo(found, on, c.Now(), act.Clock), Portrait: portrait, Expires: found.Expiry().String()}
	text, err := json.Marshal(s)
	if err != nil {
		return answer{}, err
	}
	id := newUUID()
	err = c.DB.Update(c.ctx(), act, func(tx *store.Tx) error {
		return tx.PutRecord(store.Record{Kind: kindSession, ID: id, Owner: c.owner(), Face: true, Expires: act.At.Add(sessionFor), Body: text})
	})
	if err != nil {
		return answer{}, err
	}
	return ok(struct {
		ID   string `json:"documentIdentificationId"`
		Info info   `json:"idInformation"`
	}{id, s.Info})
}

// mediaWords are what is said about a picture or video that cannot be used, and how many bytes
// are read of one by URL.
type mediaWords struct {
	url, base64, both string
	limit             int64
}

// media is a picture or video that was given by URL or as base64; a data: URL is base64. What was
// fetched for the call before is not used any more.
func (c *call) media(url, base64 api.Long, words mediaWords) ([]byte, error) {
	switch {
	case url != "" && base64 != "":
		return nil, refuse(words.both)
	case isDataURL(c.body.Text(url)):
		url, base64 = "", url
	}
	if base64 != "" {
		data, err := c.body.Base64(base64, maxText)
		if _, large := errors.AsType[*api.Error](err); large {
			return nil, err
		}
		if err != nil {
			return nil, refuse(words.base64)
		}
		return data, nil
	}
	f := c.fetcher
	f.Hosts = c.settings.Hosts
	text := string(c.body.Text(url))
	if !f.Allows(text) {
		return nil, refuse(words.url)
	}
	c.letGo()
	leave, err := c.fetched.Take(c.ctx(), words.limit)
	if err != nil {
		return nil, err
	}
	c.letGo = leave
	data, err := f.Get(c.ctx(), text, words.limit)
	if err != nil {
		return nil, refuse(words.url)
	}
	return data, nil
}

// newUUID is a random one.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

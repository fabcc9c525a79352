package baf_test

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"facegate/access"
	"facegate/api"
	"facegate/api/apitest"
	"facegate/store"
)

// forgetTries lets every applicant begin anew with their five tries a minute.
func (c *client) forgetTries() { c.s.Service.Keys = api.NewKeys(c.s.DB) }

// What is wrong with a face's picture fails the attempt for its quality, or is data that cannot be
// used.
func TestFaceRows(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	bad := func(a string) string { return of(a, 1, 4, 1, null, null, no, no, "[]") }
	unusable := func(a string) string {
		return of(a, 1, 4, 2, null, null, null, no, `["faceImageBase64 is no picture that can be used"]`)
	}
	for name, tt := range map[string]struct {
		picture []byte
		want    func(string) string
	}{
		"small": {f.Small(), bad}, "close": {f.Close(), bad}, "near the border": {f.Border(), bad}, "cropped": {f.Cut(), bad}, "turned by 31": {f.Turn30(), bad},
		"turned by 63": {f.Turn50(), bad}, "blurred": {f.Blur(), bad}, "dark": {f.Dark(), bad}, "bright": {f.Bright(), bad}, "occluded": {f.Occluded(), bad},
		"eyes closed": {f.Closed(), bad},
		"junk":        {f.Junk(), unusable}, "cut short": {f.Short(), unusable}, "a pixel": {f.OnePixel(), unusable}, "huge": {f.Huge(), unusable}, "CMYK": {f.CMYK(), unusable},
		"16 bits": {f.Sixteen(), unusable}, "GIF": {f.GIF(), unusable}, "WebP": {f.WebP(), unusable}, "TIFF": {f.TIFF(), unusable}, "HEIC": {f.HEIC(), unusable},
	} {
		t.Run(name, func(t *testing.T) {
			c.t = t
			c.forgetTries()
			a := c.applicant(`{}`)
			golden(t, c.face(a, tt.picture), 200, tt.want(a))
		})
	}
	c.t = t
	for _, picture := range [][]byte{f.PNG(), f.Turned()} {
		c.forgetTries()
		a := c.applicant(`{}`)
		r := request(a, 10, nil, nil)
		model, _ := r["model"].(map[string]any)
		model["faceImageBase64"] = strings.TrimRight("data:image/png;base64,"+base64.StdEncoding.EncodeToString(picture), "=") // no padding, a prefix
		r["endeavorId"], r["unknown"] = "nobody asks for it", map[string]int{"x": 1}
		golden(t, c.post(validation, r), 200, of(a, 1, 0, 0, yes, yes, yes, yes, "[]"))
		c.s.Update(t, func(tx *store.Tx) error { _, err := tx.RemoveTemplates(a); return err })
		c.s.Reload(t)
	}
	for _, e := range c.s.Events(t) {
		if e.Data["call"] == "POST public/Validation" && (e.Source != "api:host" || e.Data["api"] != "baf" || e.Data["result"] == "" || e.Person == "") {
			t.Errorf("the trail says %s", e.Line())
		}
	}
}

// Two pictures of one applicant at once: eyes that cannot be judged are a failure of quality.
func TestEyesAreMissing(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{Broken: []string{"iris"}})
	golden(t, c.face(c.applicant(`{}`), f.A1()), 400, failure(120039, "Quality calculation failed"))
}

// Documents of every kind, as they are told.
func TestDocumentKinds(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	const licence = `{"privateName":"JOHN MIDDLE","abbr3Country":"USA","abbrCountry":null,"address":"111 N 5TH ST","city":"COLUMBUS","class":"D","country":"United States of America",` +
		`"dob":"1999-01-12","expires":"2040-01-12","eyes":"BLUE","familyName":"SAMPLE","firstName":"JOHN","fullName":"JOHN MIDDLE SAMPLE","gender":"MALE","hair":"BLONDE","height":"70",` +
		`"id":"12345678","idType":"DL","issued":"2020-12-30","middleName":"MIDDLE","postalBox":null,"state":"OH","issuedBy":"OH","template":"09","weight":"159","zip":"12345-6789"}`
	for _, tt := range []struct {
		name    string
		file    []byte
		kind    int // as it was read
		want    string
		expired bool
		face    bool // the portrait is that of the face
	}{
		{"a licence", f.Licence(), 1, licence, false, true},
		{"TD2", f.Specimen("pe_100_pass2-uto.jpg"), 1, `"id":"D23145890","idType":"ID"`, true, false},
		{"TD3", f.Specimen("pe_100_pass-hrv.jpg"), 2, `"id":"007007007","idType":"PP"`, true, false},
		{"MRV-A", f.Specimen("ar_visas_USA.jpg"), 2, `"id":"123456789","idType":"V"`, true, false},
		{"MRV-B", f.Specimen("pe_100_visa-polx.jpg"), 2, `"id":"PL0000000","idType":"V"`, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c.t = t
			c.forgetTries()
			a := c.applicant(`{}`)
			got := c.post(validation, request(a, 1, f.A2(), tt.file))
			text := string(got.Body)
			status := 1
			if tt.face && !tt.expired {
				status = 0
			}
			for _, part := range []string{
				tt.want, fmt.Sprintf(`"documentType":%d`, tt.kind), fmt.Sprintf(`"status":%d,"validationStatus":{"expired":%v,"documentIsValid":true,"faceIsValid":%v,`, status, tt.expired, tt.face),
			} {
				if got.Status != 200 || !strings.Contains(text, part) {
					t.Errorf("%d %s\nlacks %s", got.Status, text, part)
				}
			}
		})
	}
}

// What an applicant is made with is told again, and an applicant who has failed stays so.
func TestApplicantRows(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	a := c.applicant(`{"callbackUrl":"https://shop.example/done"}`)
	golden(t, c.face(a, f.A1()), 200, strings.Replace(of(a, 1, 0, 0, yes, yes, yes, yes, "[]"), `"callBackUrl":null`, `"callBackUrl":"https://shop.example/done"`, 1))
	failed := c.applicant(`{"status":2}`)
	golden(t, c.face(failed, f.B1()), 400, failure(120037, `All available attempts were used for requestId "`+failed+`"`))
	got := c.post(applicants, `{}`)
	link := regexp.MustCompile(`^\{"applicantId":"([0-9a-f-]{36})","validationLink":"https://127\.0\.0\.1:[0-9]+/embedded\?requestId=([0-9a-f-]{36})"\}$`).FindSubmatch(got.Body)
	if got.Status != 200 || link == nil || string(link[1]) != string(link[2]) {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	golden(t, c.get("/publicapi"+applicants+"/"+failed), 200, `{"firstName":null,"lastName":null,"phone":null,"email":null,"metadata":null,"callbackUrl":null,"sendSms":null,"status":2,`+
		`"verificationMethod":null,"applicantId":"`+failed+`","attemptsCount":5,"attemptsLeft":0}`)
	for _, path := range []string{applicants, "/publicapi" + applicants} {
		all := c.get(path)
		if all.Status != 200 || !strings.HasPrefix(string(all.Body), `{"page":1,"pageSize":10,"total":3,"totalPages":1,"items":[{`) {
			t.Errorf("%d %s", all.Status, all.Body)
		}
	}
	// Whoever is blocked, or whose validity has ended, is authorised no more.
	for _, change := range []func(*access.Person){
		func(p *access.Person) { p.Blocked = true },
		func(p *access.Person) { p.Blocked, p.ValidUntil = false, time.Now().Add(-time.Hour) },
	} {
		c.s.Update(t, func(tx *store.Tx) error {
			_, err := tx.ChangePerson(a, "test", func(p *access.Person) error { change(p); return nil })
			return err
		})
		golden(t, c.face(a, f.A2()), 400, failure(120040, "Request is closed"))
	}
}

// A document's last day ends where the site is.
func TestLastDay(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	west, east := "Pacific/Pago_Pago", "Pacific/Kiritimati" // 25 hours apart
	zone, err := time.LoadLocation(west)
	if err != nil {
		t.Fatal(err)
	}
	card := f.CardUntil(time.Now().In(zone))
	for _, tt := range []struct{ zone, want string }{{east, `"status":1,"validationStatus":{"expired":true`}, {west, `"status":0,"validationStatus":{"expired":false`}} {
		c.s.Rules(t, "time_zone = \""+tt.zone+"\"\n[doors.main]\n")
		a := c.applicant(`{}`)
		if got := c.post(validation, request(a, 1, f.A2(), card)); !strings.Contains(string(got.Body), tt.want) {
			t.Errorf("%s: %s", tt.zone, got.Body)
		}
	}
}

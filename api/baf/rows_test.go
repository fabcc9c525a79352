package baf_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/boombuler/barcode/pdf417"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/image/draw"

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
	results := make(map[string]int)
	for _, e := range c.s.Events(t) {
		if e.Data["call"] != "POST public/Validation" {
			continue
		}
		results[e.Data["result"]]++
		if e.Source != "api:host" || e.Data["api"] != "baf" || e.Person == "" {
			t.Errorf("the trail says %s", e.Line())
		}
	}
	if d := cmp.Diff(map[string]int{"fail": 11, "invalid data": 10, "success": 2}, results); d != "" {
		t.Errorf("results in the trail differ (-want +got):\n%s", d)
	}
}

// Eyes that cannot be judged are a failure of quality.
func TestEyesAreMissing(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{Broken: []string{"iris"}})
	golden(t, c.face(c.applicant(`{}`), f.A1()), 400, failure(120039, "Quality calculation failed"))
}

// licence is a drawn licence as Licence is, with another barcode below A's portrait.
func licence(t *testing.T, f *apitest.Faces, text string) []byte {
	t.Helper()
	from, err := jpeg.Decode(bytes.NewReader(f.Licence()))
	if err != nil {
		t.Fatal(err)
	}
	code, err := pdf417.Encode(text, 4)
	if err != nil {
		t.Fatal(err)
	}
	const module, foot, free = 3, 610, 290
	m := image.NewRGBA(from.Bounds())
	draw.Draw(m, m.Bounds(), from, image.Point{}, draw.Src)
	draw.Draw(m, image.Rect(0, free, m.Rect.Dx(), m.Rect.Dy()), image.White, image.Point{}, draw.Src)
	size := code.Bounds().Size().Mul(module)
	at := image.Pt((m.Rect.Dx()-size.X)/2, foot-size.Y)
	if at.X < 0 || at.Y < free {
		t.Fatalf("a barcode of %v does not fit", size)
	}
	draw.NearestNeighbor.Scale(m, image.Rectangle{at, at.Add(size)}, code, code.Bounds(), draw.Src, nil)
	return encoded(t, m)
}

func encoded(t *testing.T, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Documents of every kind, as they are told. The first licence is the original's sample, but for
// the day until which it is valid.
func TestDocumentKinds(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	sample := func(until string) []byte {
		return licence(t, f, "@\n\x1e\rANSI 636023090102DL00410280ZO03210024DLDCAD\nDBA"+until+"\nDCSNONE\nDACJOHN\nDADSAMPLE\nDBD12302020\nDBB01121999\nDBC1\nDAYBLU\n"+
			"DAU070 in\nDAG111 N 5TH ST\nDAICOLUMBUS\nDAJOH\nDAK123456789  \nDAQ12345678\nDCGUSA\nDAZBLN\nDAW159\r")
	}
	const (
		johnSample = `{"privateName":"JOHN SAMPLE","abbr3Country":"USA","abbrCountry":null,"address":"111 N 5TH ST","city":"COLUMBUS","class":"D","country":"United States of America",` +
			`"dob":"1999-01-12","expires":"<until>","eyes":"BLUE","familyName":null,"firstName":"JOHN","fullName":"JOHN SAMPLE","gender":"MALE","hair":"BLONDE","height":"70",` +
			`"id":"12345678","idType":"DL","issued":"2020-12-30","middleName":"SAMPLE","postalBox":null,"state":"OH","issuedBy":"OH","template":"09","weight":"159","zip":"12345-6789"}`
		johnMiddle = `{"privateName":"JOHN MIDDLE","abbr3Country":"USA","abbrCountry":null,"address":"111 N 5TH ST","city":"COLUMBUS","class":"D","country":"United States of America",` +
			`"dob":"1999-01-12","expires":"2040-01-12","eyes":"BLUE","familyName":"SAMPLE","firstName":"JOHN","fullName":"JOHN MIDDLE SAMPLE","gender":"MALE","hair":"BLONDE","height":"70",` +
			`"id":"12345678","idType":"DL","issued":"2020-12-30","middleName":"MIDDLE","postalBox":null,"state":"OH","issuedBy":"OH","template":"09","weight":"159","zip":"12345-6789"}`
		eriksson = `{"privateName":"ANNA MARIA","abbr3Country":"UTO","abbrCountry":null,"address":null,"city":null,"class":null,"country":null,` +
			`"dob":"1974-08-12","expires":"2012-04-15","eyes":null,"familyName":"ERIKSSON","firstName":"ANNA","fullName":"ANNA MARIA ERIKSSON","gender":"FEMALE","hair":null,"height":null,` +
			`"id":"D23145890","idType":"ID","issued":null,"middleName":"MARIA","postalBox":null,"state":null,"issuedBy":"UTO","template":null,"weight":null,"zip":null}`
		specimen = `{"privateName":"SPECIMEN","abbr3Country":"HRV","abbrCountry":null,"address":null,"city":null,"class":null,"country":null,` +
			`"dob":"1982-12-25","expires":"2014-07-01","eyes":null,"familyName":"SPECIMEN","firstName":"SPECIMEN","fullName":"SPECIMEN SPECIMEN","gender":"FEMALE","hair":null,"height":null,` +
			`"id":"007007007","idType":"PP","issued":null,"middleName":null,"postalBox":null,"state":null,"issuedBy":"HRV","template":null,"weight":null,"zip":null}`
		traveler = `{"privateName":"HAPPY","abbr3Country":"USA","abbrCountry":null,"address":null,"city":null,"class":null,"country":"United States of America",` +
			`"dob":"1966-12-12","expires":"2014-07-28","eyes":null,"familyName":"TRAVELER","firstName":"HAPPY","fullName":"HAPPY TRAVELER","gender":"MALE","hair":null,"height":null,` +
			`"id":"123456789","idType":"V","issued":null,"middleName":null,"postalBox":null,"state":null,"issuedBy":"USA","template":null,"weight":null,"zip":null}`
		kowalska = `{"privateName":"BEATA","abbr3Country":"POL","abbrCountry":null,"address":null,"city":null,"class":null,"country":null,` +
			`"dob":"1960-02-08","expires":"2005-05-01","eyes":null,"familyName":"KOWALSKA KWIATKOWSKA","firstName":"BEATA","fullName":"BEATA KOWALSKA KWIATKOWSKA","gender":"FEMALE","hair":null,"height":null,` +
			`"id":"PL0000000","idType":"V","issued":null,"middleName":null,"postalBox":null,"state":null,"issuedBy":"POL","template":null,"weight":null,"zip":null}`
	)
	zoneless := good() // a licence with A's portrait
	zoneless.digits, zoneless.digitsWhy = "Skipped", `"The document has no machine-readable zone"`
	old := zoneless
	old.left, old.status, old.expired, old.success, old.notExpired = 4, 1, yes, no, no
	other := good() // somebody else's, and long expired
	other.left, other.status, other.expired, other.success, other.notExpired, other.face, other.portrait = 4, 1, yes, no, no, no, "Failed"
	for _, tt := range []struct {
		name     string
		file     []byte
		hint     int
		read     read
		kind     int // as it was read
		document string
	}{
		{"the original's licence", sample("01122040"), 2, zoneless, 1, strings.Replace(johnSample, "<until>", "2040-01-12", 1)},
		{"the original's licence, expired", sample("01122024"), 2, old, 1, strings.Replace(johnSample, "<until>", "2024-01-12", 1)},
		{"a licence with a family name", f.Licence(), 1, zoneless, 1, johnMiddle},
		{"TD1", f.Specimen("fm_td1.jpg"), 1, other, 1, eriksson},
		{"TD2", f.Specimen("pe_100_pass2-uto.jpg"), 1, other, 1, eriksson},
		{"TD3", f.Specimen("pe_100_pass-hrv.jpg"), 1, other, 2, specimen},
		{"MRV-A", f.Specimen("ar_visas_USA.jpg"), 2, other, 2, traveler},
		{"MRV-B", f.Specimen("pe_100_visa-polx.jpg"), 1, other, 2, kowalska},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c.t = t
			c.forgetTries()
			a := c.applicant(`{}`)
			golden(t, c.post(validation, request(a, tt.hint, f.A2(), tt.file)), 200, tt.read.of(a, tt.kind, tt.document))
			c.s.Update(t, func(tx *store.Tx) error { _, err := tx.RemoveTemplates(a); return err }) // A may be registered anew
			c.s.Reload(t)
		})
	}
}

// mixture is A2 with a share of B1's pixels, which are moved so that one face lies upon the other.
func mixture(t *testing.T, f *apitest.Faces, share float64) []byte {
	t.Helper()
	a, err := jpeg.Decode(bytes.NewReader(f.A2()))
	if err != nil {
		t.Fatal(err)
	}
	b, err := jpeg.Decode(bytes.NewReader(f.B1()))
	if err != nil {
		t.Fatal(err)
	}
	m := image.NewRGBA(a.Bounds())
	mix := func(x, y uint32) uint8 { return uint8((float64(x)*(1-share)+float64(y)*share)/257 + .5) }
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			r, g, b1, _ := a.At(x, y).RGBA()
			r2, g2, b2, _ := b.At(min(x+2, m.Rect.Dx()-1), max(y-15, 0)).RGBA()
			m.SetRGBA(x, y, color.RGBA{mix(r, r2), mix(g, g2), mix(b1, b2), 255})
		}
	}
	return encoded(t, m)
}

// A face is found from a likeness of 90 % where a project says nothing.
func TestDefaultThreshold(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	enrolled := c.s.Look(t, f.A1()).Template
	alike := func(share, least, most float64) []byte {
		picture := mixture(t, f, share)
		score, err := c.s.Judge.Compare(enrolled, c.s.Look(t, picture).Template)
		if err != nil || score < least || score > most {
			t.Fatalf("a share of %v is like A1 by %v, want %v..%v: %v", share, score, least, most, err)
		}
		return picture
	}
	below, above := alike(.51, .81, .89), alike(.42, .91, .99)
	a := c.applicant(`{}`)
	golden(t, c.face(a, f.A1()), 200, of(a, 1, 0, 0, yes, yes, yes, yes, "[]"))
	golden(t, c.face(a, below), 200, of(a, 1, 0, 1, no, yes, yes, no, "[]"))
	golden(t, c.face(a, above), 200, of(a, 1, 0, 0, yes, yes, yes, yes, "[]"))
	other := c.applicant(`{}`)
	golden(t, c.face(other, above), 200, of(other, 1, 4, 1, no, yes, yes, no, "[]"))
	c.set(`{"threshold":80}`)
	golden(t, c.face(a, below), 200, of(a, 1, 0, 0, yes, yes, yes, yes, "[]"))
}

// same enrols people who all have the very face of a template.
func (c *client) same(face api.Template, ids ...string) {
	c.t.Helper()
	c.s.Update(c.t, func(tx *store.Tx) error {
		for _, id := range ids {
			if _, err := tx.AddPerson(access.Person{ID: id, Consent: &access.Consent{Text: "1", At: tx.Now()}}); err != nil {
				return err
			}
			if _, err := tx.AddTemplate(store.Template{Person: id, Model: face.Model, Vector: face.Vector}); err != nil {
				return err
			}
		}
		return nil
	})
	c.s.Reload(c.t)
}

// A search gives the 50 people a face is most like where a project says nothing. The applicant must
// be among them.
func TestMaxFaces(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	a := c.applicant(`{}`)
	found, lost := of(a, 1, 0, 0, yes, yes, yes, yes, "[]"), of(a, 1, 0, 1, no, yes, yes, no, "[]")
	golden(t, c.face(a, f.A1()), 200, found)
	c.set(`{"max_faces":1}`)
	golden(t, c.face(a, f.A2()), 200, found)
	c.set(`{"max_faces":1,"threshold":30}`)
	b := c.applicant(`{}`)
	golden(t, c.face(b, f.B1()), 200, of(b, 1, 4, 1, no, yes, yes, no, "[]")) // one is enough for a duplicate

	c.set(`{"max_faces":1}`)
	nearer := c.s.Look(t, f.A2()).Template
	c.same(nearer, "n01")
	golden(t, c.face(a, f.A2()), 200, lost) // the one is n01
	c.set(`{"max_faces":2}`)
	golden(t, c.face(a, f.A2()), 200, found)

	c.forgetTries()
	var ids []string
	for i := 2; i <= 49; i++ {
		ids = append(ids, fmt.Sprintf("n%02d", i))
	}
	c.same(nearer, ids...)
	golden(t, c.face(a, f.A2()), 200, lost)
	c.set(`{}`)
	golden(t, c.face(a, f.A2()), 200, found) // as the 50th
	c.same(nearer, "n50")
	golden(t, c.face(a, f.A2()), 200, lost) // as the 51st

	// What an applicant has already hides no duplicate.
	own := c.applicant(`{}`)
	c.s.Update(t, func(tx *store.Tx) error {
		if _, err := tx.GiveConsent(own, access.Consent{Text: "1", How: "api"}); err != nil {
			return err
		}
		_, err := tx.AddTemplate(store.Template{Person: own, Model: nearer.Model, Vector: nearer.Vector})
		return err
	})
	c.s.Reload(t)
	c.set(`{"max_faces":1}`)
	golden(t, c.face(own, f.A2()), 200, of(own, 1, 4, 1, no, yes, yes, no, "[]"))
}

// What an applicant is made with is told again, and an applicant who has failed stays so.
func TestApplicantRows(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	a := c.applicant(`{"callbackUrl":"https://shop.example/done"}`)
	golden(t, c.face(a, f.A1()), 200, strings.Replace(of(a, 1, 0, 0, yes, yes, yes, yes, "[]"), `"callBackUrl":null`, `"callBackUrl":"https://shop.example/done"`, 1))
	failed := c.applicant(`{"status":2}`)
	golden(t, c.face(failed, f.B1()), 400, failure(120037, `All available attempts were used for requestId "`+failed+`"`))
	golden(t, c.get("/publicapi"+applicants+"/"+failed), 200, nobody(failed, 2, 0))
	items := []string{strings.Replace(nobody(a, 1, 0), `"callbackUrl":null`, `"callbackUrl":"https://shop.example/done"`, 1), nobody(failed, 2, 0)}
	for range 9 {
		got := c.post(applicants, `{}`)
		golden(t, got, 200, `{"applicantId":"<uuid>","validationLink":"<string>"}`)
		id := regexp.MustCompile(`[0-9a-f-]{36}`).FindString(string(got.Body))
		golden(t, got, 200, `{"applicantId":"`+id+`","validationLink":"https://`+strings.TrimPrefix(c.s.URL, "http://")+`/embedded?requestId=`+id+`"}`)
		items = append(items, nobody(id, 0, 5))
	}
	first := `{"page":1,"pageSize":10,"total":11,"totalPages":2,"items":[` + strings.Join(items[:10], ",") + `]}`
	golden(t, c.get(applicants), 200, first)
	golden(t, c.get("/publicapi"+applicants), 200, first)
	golden(t, c.get(applicants+"?Page=2"), 200, `{"page":2,"pageSize":10,"total":11,"totalPages":2,"items":[`+items[10]+`]}`)
	golden(t, c.get(applicants+"?Page=3"), 200, `{"page":3,"pageSize":10,"total":11,"totalPages":2,"items":[]}`)
	c.forgetTries()
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
	today := time.Now().In(zone)
	card := f.CardUntil(today)
	past := good()
	past.left, past.status, past.expired, past.success, past.notExpired = 4, 1, yes, no, no
	for _, tt := range []struct {
		zone string
		want read
	}{{east, past}, {west, good()}} {
		c.s.Rules(t, "time_zone = \""+tt.zone+"\"\n[doors.main]\n")
		a := c.applicant(`{}`)
		golden(t, c.post(validation, request(a, 1, f.A2(), card)), 200, tt.want.body(a, today.Format(time.DateOnly)))
	}
}

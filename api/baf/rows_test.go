package baf_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/jpeg"
	"net"
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
		"too many pixels": {f.Over(), unusable}, "too narrow": {f.Thin(), unusable},
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
	if d := cmp.Diff(map[string]int{"fail": 11, "invalid data": 12, "success": 2}, results); d != "" {
		t.Errorf("results in the trail differ (-want +got):\n%s", d)
	}
}

// Eyes that cannot be judged are a failure of quality.
func TestEyesAreMissing(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{Broken: []string{"iris"}})
	golden(t, c.face(c.applicant(`{}`), f.A1()), 400, failure(120039, "Quality calculation failed"))
}

// A liveness model that the site may not use any more is not used.
func TestLivenessLicence(t *testing.T) {
	f := apitest.NewFaces(t)
	for name, o := range map[string]apitest.Options{
		"ended": {Ended: []string{"live_40"}}, "of another tenant": {Foreign: []string{"live_27", "live_se18"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, o)
			a := c.applicant(`{}`)
			golden(t, c.face(a, f.A1()), 400, failure(120039, "Liveness calculation failed"))
			golden(t, c.post(validation, request(a, 1, f.A2(), f.Card())), 400, failure(120039, "Liveness calculation failed"))
			golden(t, c.get(applicants+"/"+a), 200, nobody(a, 0, 5)) // it was no fault of theirs
		})
	}
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

// A face is found from a likeness of 90 % where a project says nothing.
func TestDefaultThreshold(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	enrolled := c.s.Look(t, f.A1()).Template
	alike := func(share, least, most float64) []byte {
		picture := f.Mixed(share)
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

// What is wrong with a document's picture is data that cannot be used, whatever document it is said to be.
func TestFrontRows(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	const required, coded, unusable = "frontImageBase64 is required", "frontImageBase64 is not base64", "frontImageBase64 is no picture that can be used"
	for name, tt := range map[string]struct {
		kind  int
		front any // nil: none
		want  string
	}{
		"none, of a card": {1, nil, required}, "none, of a passport": {2, nil, required}, "empty": {1, "", required},
		"no base64, of a card": {1, "%%%", coded}, "no base64, of a passport": {2, "%%%", coded}, "nothing behind a prefix": {1, "data:image/png;base64,", coded},
		"too many pixels": {1, f.Over(), unusable}, "too narrow": {1, f.Thin(), unusable}, "WebP": {1, f.WebP(), unusable}, "TIFF": {2, f.TIFF(), unusable},
	} {
		t.Run(name, func(t *testing.T) {
			c.t = t
			a := c.applicant(`{}`)
			r := request(a, tt.kind, f.A2(), nil)
			if model, _ := r["model"].(map[string]any); tt.front != nil {
				model["frontImageBase64"] = tt.front // bytes are sent as base64
			}
			want := strings.Replace(of(a, 1, 4, 2, null, yes, yes, null, `["`+tt.want+`"]`), `"documentType":10`, fmt.Sprintf(`"documentType":%d`, tt.kind), 1)
			golden(t, c.post(validation, r), 200, want)
		})
	}
}

// Attempts are counted to what the project gives, and an authorisation is told the one that registered.
func TestThreeAttempts(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	c.set(`{"attempts":3}`)
	three := func(s string) string { return strings.Replace(s, `"attemptsCount":5`, `"attemptsCount":3`, 1) }
	a := c.applicant(`{}`)
	golden(t, c.get(applicants+"/"+a), 200, three(nobody(a, 0, 3)))
	golden(t, c.face(a, f.Spoof()), 200, three(of(a, 1, 2, 1, null, no, yes, no, "[]")))
	golden(t, c.get(applicants+"/"+a), 200, three(nobody(a, 0, 2)))
	golden(t, c.face(a, f.A1()), 200, three(of(a, 2, 0, 0, yes, yes, yes, yes, "[]")))
	golden(t, c.get(applicants+"/"+a), 200, three(nobody(a, 1, 0)))
	golden(t, c.face(a, f.A2()), 200, three(of(a, 2, 0, 0, yes, yes, yes, yes, "[]")))
	golden(t, c.face(a, f.B1()), 200, three(of(a, 2, 0, 1, no, yes, yes, no, "[]")))

	b := c.applicant(`{}`)
	golden(t, c.face(b, f.Spoof()), 200, three(of(b, 1, 2, 1, null, no, yes, no, "[]")))
	golden(t, c.face(b, f.Junk()), 200, three(of(b, 2, 1, 2, null, null, null, no, `["faceImageBase64 is no picture that can be used"]`)))
	golden(t, c.get(applicants+"/"+b), 200, three(nobody(b, 0, 1)))
	used := failure(120037, `All available attempts were used for requestId "`+b+`"`)
	golden(t, c.face(b, f.Spoof()), 400, used)
	golden(t, c.face(b, f.B1()), 400, used)
	golden(t, c.get(applicants+"/"+b), 200, three(nobody(b, 2, 0)))
}

// Where an applicant is sent in the end is told, and never asked for anything.
func TestCallbackIsNotFetched(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	there := "http://" + l.Addr().String() + "/done?x=1"
	back := func(s string) string {
		return strings.NewReplacer(`"callBackUrl":null`, `"callBackUrl":"`+there+`"`, `"callbackUrl":null`, `"callbackUrl":"`+there+`"`).Replace(s)
	}
	a := c.applicant(`{"callbackUrl":"` + there + `"}`)
	golden(t, c.get(applicants+"/"+a), 200, back(nobody(a, 0, 5)))
	golden(t, c.face(a, f.Spoof()), 200, back(of(a, 1, 4, 1, null, no, yes, no, "[]")))
	golden(t, c.face(a, f.A1()), 200, back(of(a, 2, 0, 0, yes, yes, yes, yes, "[]")))
	golden(t, c.face(a, f.A2()), 200, back(of(a, 2, 0, 0, yes, yes, yes, yes, "[]")))
	golden(t, c.get(applicants+"/"+a), 200, back(nobody(a, 1, 0)))
	failed := c.applicant(`{"callbackUrl":"` + there + `","status":2}`)
	golden(t, c.face(failed, f.B1()), 400, failure(120037, `All available attempts were used for requestId "`+failed+`"`))

	// Of all who came the first is the test itself.
	own, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	first, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if from := first.RemoteAddr().String(); from != own.LocalAddr().String() {
		t.Errorf("%s came to the callback's address", from)
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

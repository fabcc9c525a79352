package baf_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"facegate/api"
	"facegate/api/apitest"
	"facegate/api/baf"
	"facegate/document"
	"facegate/store"
)

const (
	validation = "/api/v2/public/Validation"
	applicants = "/api/v2/private/Applicants"
)

// A client is a host with a key.
type client struct {
	t   testing.TB
	s   *apitest.Server
	key string
}

func newClient(t testing.TB, o apitest.Options) *client { return newClientOf(t, baf.Register, o) }

func newClientOf(t testing.TB, register func(*http.ServeMux, *api.Service), o apitest.Options) *client {
	s := apitest.New(t, register, o)
	_, secret := s.Key(t, store.Key{
		API: store.APIBaf, Name: "host", Project: "site", Consent: "3", Scopes: []string{store.ScopeRead, store.ScopeAuthenticate, store.ScopeEnrol},
	})
	return &client{t, s, secret}
}

func (c *client) set(settings string) {
	c.t.Helper()
	c.s.Update(c.t, func(tx *store.Tx) error {
		_, err := tx.SetProject(store.Project{API: store.APIBaf, Name: "site", Settings: []byte(settings)})
		return err
	})
}

func (c *client) post(path string, body any) *apitest.Answer {
	c.t.Helper()
	text, ok := body.(string)
	if !ok {
		b, err := json.Marshal(body)
		if err != nil {
			c.t.Fatal(err)
		}
		text = string(b)
	}
	return c.s.Call(c.t, "POST", path, map[string]string{"Authorization": "Bearer " + c.key}, []byte(text))
}

func (c *client) get(path string) *apitest.Answer {
	c.t.Helper()
	return c.s.Call(c.t, "GET", path, map[string]string{"Authorization": "Bearer " + c.key}, nil)
}

// applicant makes one and returns the id.
func (c *client) applicant(body string) string {
	c.t.Helper()
	var out struct {
		ID string `json:"applicantId"`
	}
	a := c.post(applicants, body)
	if err := json.Unmarshal(a.Body, &out); err != nil || out.ID == "" {
		c.t.Fatalf("applicant: %d %s", a.Status, a.Body)
	}
	return out.ID
}

func request(applicant string, kind int, face, front []byte) map[string]any {
	model := map[string]any{"documentType": kind, "faceImageBase64": base64.StdEncoding.EncodeToString(face)}
	if front != nil {
		model["frontImageBase64"] = base64.StdEncoding.EncodeToString(front)
	}
	return map[string]any{"model": model, "applicantId": applicant}
}

// face validates a face alone.
func (c *client) face(applicant string, picture []byte) *apitest.Answer {
	c.t.Helper()
	return c.post(validation, request(applicant, 10, picture, nil))
}

func golden(t testing.TB, a *apitest.Answer, status int, want string) {
	t.Helper()
	apitest.Golden(t, a, status, "application/json", want)
}

func failure(code int, message string) string {
	return fmt.Sprintf(`{"code":%d,"message":%q}`, code, message)
}

// of is a validation by face alone. The texts are JSON: true, false or null.
func of(applicant string, attempt, left, status int, face, live, quality, success, errs string) string {
	return fmt.Sprintf(`{"applicantId":%q,"attemptId":%d,"documentType":10,"document":null,"attemptsCount":5,"attemptsLeft":%d,"status":%d,`+
		`"validationStatus":{"expired":null,"documentIsValid":null,"faceIsValid":%s,"antiSpoofingIsValid":%s,"qualityIsValid":%s},"invalidDataErrors":%s,`+
		`"faceSuccess":%s,"documentSuccess":null,"documentHasNotExpired":null,"documentValidationTests":[],"callBackUrl":null}`,
		applicant, attempt, left, status, face, live, quality, errs, success)
}

const (
	yes  = "true"
	no   = "false"
	null = "null"
)

func TestRegistrationAndAuthorisation(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	a := c.applicant(`{}`)
	golden(t, c.face(a, f.A1()), 200, of(a, 1, 0, 0, yes, yes, yes, yes, "[]"))
	golden(t, c.face(a, f.A2()), 200, of(a, 1, 0, 0, yes, yes, yes, yes, "[]"))
	golden(t, c.face(a, f.B1()), 200, of(a, 1, 0, 1, no, yes, yes, no, "[]"))
	golden(t, c.face(a, f.Spoof()), 200, of(a, 1, 0, 1, null, no, yes, no, "[]"))
	golden(t, c.post(validation, request(a, 1, f.A2(), f.A1())), 400, failure(120036, `Request "`+a+`" was already completed`))

	b := c.applicant(`{}`)
	golden(t, c.face(b, f.A2()), 200, of(b, 1, 4, 1, no, yes, yes, no, "[]")) // A's face is another applicant's
	golden(t, c.face(b, f.Blur()), 200, of(b, 2, 3, 1, null, null, no, no, "[]"))
	golden(t, c.face(b, f.Junk()), 200, of(b, 3, 2, 2, null, null, null, no, `["faceImageBase64 is no picture that can be used"]`))
	golden(t, c.face(b, f.B1()), 200, of(b, 4, 0, 0, yes, yes, yes, yes, "[]"))

	if n := c.s.Door.Unlocked(); n != 0 {
		t.Errorf("the door was unlocked %d times", n)
	}
	p, err := c.s.DB.Person(t.Context(), a)
	if err != nil || p.Consent == nil || p.Consent.Text != "3" || p.Consent.How != "api" {
		t.Errorf("the applicant's consent is %v, %v", p.Consent, err)
	}
	c.s.Update(t, func(tx *store.Tx) error {
		_, err := tx.RemoveTemplates(a)
		return err
	})
	golden(t, c.face(a, f.A2()), 400, failure(120043, "Applicant profile not found"))
}

func TestAttempts(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	a := c.applicant(`{}`)
	for i := range 4 {
		golden(t, c.face(a, f.Spoof()), 200, of(a, i+1, 4-i, 1, null, no, yes, no, "[]"))
	}
	used := failure(120037, `All available attempts were used for requestId "`+a+`"`)
	golden(t, c.face(a, f.Spoof()), 400, used)
	golden(t, c.face(a, f.A1()), 400, used)
	golden(t, c.post(validation, request(a, 2, f.A1(), f.A1())), 400, used)
	tried := 0
	for _, e := range c.s.Events(t) {
		if e.Data["call"] == "POST public/Validation" {
			tried++
		}
		if e.Scores.Match != nil {
			t.Errorf("a similarity was recorded of pictures that show nobody alive: %s", e.Line())
		}
	}
	if tried != 7 {
		t.Errorf("the trail has %d validations, want 7", tried)
	}
}

func TestErrors(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	open := c.applicant(`{}`)
	with := func(model string) string { return `{"applicantId":"` + open + `","model":` + model + `}` }
	for _, tt := range []struct {
		name   string
		body   any
		status int
		want   string
	}{
		{"empty", with(`{"documentType":10,"faceImageBase64":""}`), 400, failure(120038, "Face image is empty")},
		{"nothing behind a prefix", with(`{"documentType":10,"faceImageBase64":"data:image/png;base64,"}`), 400, failure(120038, "Face image is empty")},
		{"no field", with(`{"documentType":10}`), 400, failure(120042, "Face image is required")},
		{"null", with(`{"documentType":10,"faceImageBase64":null}`), 400, failure(120042, "Face image is required")},
		{"no face", request(open, 10, f.None(), nil), 400, failure(120038, "No faces found")},
		{"many faces", request(open, 10, f.Many(), nil), 400, failure(120038, "Multiple faces found")},
		{"type 7", request(open, 7, f.A1(), nil), 400, failure(120041, "This document type is not supported")},
		{"cancelled", request(c.applicant(`{"status":3}`), 10, f.A1(), nil), 400, failure(120040, "Request is closed")},
		{"verified by hand", request(c.applicant(`{"status":1}`), 10, f.A1(), nil), 400, failure(120043, "Applicant doesn't have verified face")},
		{"unknown applicant", request("x", 10, f.A1(), nil), 404, failure(404, "Validation Request x not found")},
		{"no applicant", `{"model":{}}`, 404, failure(404, "Validation Request  not found")},
		{"half", `{`, 400, failure(400, "Bad Request")},
		{"wrong type", with(`{"documentType":"10"}`), 400, failure(400, "Bad Request")},
		{"a name twice", `{"applicantId":"a","applicantId":"b"}`, 400, failure(400, "Bad Request")},
		{"deep", strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), 400, failure(400, "Bad Request")},
		{"not UTF-8", "{\"applicantId\":\"\xff\"}", 400, failure(400, "Bad Request")},
		{"too large", strings.Repeat(" ", 10<<20+1), 413, failure(413, "Request Entity Too Large")},
	} {
		t.Run(tt.name, func(t *testing.T) { golden(t, c.post(validation, tt.body), tt.status, tt.want) })
	}
	t.Run("invalid data", func(t *testing.T) {
		golden(t, c.post(validation, with(`{"documentType":10,"faceImageBase64":"%%%"}`)), 200, of(open, 1, 4, 2, null, null, null, no, `["faceImageBase64 is not base64"]`))
	})
}

func TestSettings(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	a := c.applicant(`{}`)
	c.set(`{"save_face_profile":false}`)
	golden(t, c.face(a, f.A1()), 400, failure(120041, "This document type is not supported"))
	c.set(`{"lrs":true,"endeavors":["known"]}`)
	r := request(a, 10, f.A1(), nil)
	r["endeavorId"] = "x"
	golden(t, c.post(validation, r), 400, failure(120044, "Invalid endeavor info"))
	r["endeavorId"] = "known"
	golden(t, c.post(validation, r), 200, of(a, 1, 0, 0, yes, yes, yes, yes, "[]"))
	c.set(`{"threshold":1}`) // everybody is like everybody
	other := c.applicant(`{}`)
	golden(t, c.face(other, f.B1()), 200, of(other, 1, 4, 1, no, yes, yes, no, "[]"))
	c.set(`{"attempts":1}`)
	b := c.applicant(`{}`)
	golden(t, c.face(b, f.Spoof()), 400, failure(120037, `All available attempts were used for requestId "`+b+`"`))
}

func TestKeys(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	a := c.applicant(`{}`)
	good, all := c.key, []string{store.ScopeRead, store.ScopeAuthenticate, store.ScopeEnrol}
	for _, tt := range []struct {
		name, path string
		key        store.Key
		status     int
		want       string
	}{
		{"scope read", validation, store.Key{Project: "site", Scopes: all[:1]}, 403, failure(403, "Forbidden")},
		{"registration without enrol", validation, store.Key{Project: "site", Scopes: all[:2]}, 403, failure(403, "Forbidden")},
		{"applicants without enrol", applicants, store.Key{Project: "site", Scopes: all[:2]}, 403, failure(403, "Forbidden")},
		{"nobody vouches for consent", validation, store.Key{Project: "site", Scopes: all}, 403, failure(403, "Forbidden")},
		{"another project", validation, store.Key{Project: "other", Scopes: all}, 404, failure(404, "Validation Request "+a+" not found")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.key.API = store.APIBaf
			_, c.key = c.s.Key(t, tt.key)
			body := any(request(a, 10, f.A1(), nil))
			if tt.path == applicants {
				body = `{}`
			}
			golden(t, c.post(tt.path, body), tt.status, tt.want)
		})
	}
	c.key = "sk_nope"
	golden(t, c.face(a, f.A1()), 401, failure(401, "Unauthorized"))
	golden(t, c.s.Call(t, "POST", validation, nil, []byte(`{}`)), 401, failure(401, "Unauthorized"))
	x := c.s.Call(t, "GET", validation, map[string]string{"Authorization": "Bearer " + good}, nil)
	golden(t, x, 405, failure(405, "Method Not Allowed"))
	if x.Header.Get("Allow") != "POST" {
		t.Errorf("Allow: %s", x.Header.Get("Allow"))
	}
	c.key = good
	if !strings.HasPrefix(good, "sk_") {
		t.Errorf("a key begins %.3q", good)
	}
	golden(t, c.post("/publicapi"+validation, request(a, 10, f.A1(), nil)), 200, of(a, 1, 0, 0, yes, yes, yes, yes, "[]"))
}

func TestTooMany(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	a, began := c.applicant(`{}`), time.Now()
	golden(t, c.face(a, f.A1()), 200, of(a, 1, 0, 0, yes, yes, yes, yes, "[]"))
	for range 4 {
		golden(t, c.face(a, f.B1()), 200, of(a, 1, 0, 1, no, yes, yes, no, "[]"))
	}
	c.s.Spent(t, c.s.Service.Keys.Try, a, began)
	golden(t, c.face(a, f.A2()), 429, failure(429, "Too Many Requests"))
}

func TestModelsAreMissing(t *testing.T) {
	f := apitest.NewFaces(t)
	for _, tt := range []struct{ role, message string }{
		{"embed_foamliu", "Profile search is missing"},
		{"mesh", "Quality calculation failed"},
		{"live_27", "Liveness calculation failed"},
	} {
		t.Run(tt.role, func(t *testing.T) {
			c := newClient(t, apitest.Options{Broken: []string{tt.role}})
			golden(t, c.face(c.applicant(`{}`), f.A1()), 400, failure(120039, tt.message))
		})
	}
}

// What fails of our own is told without any detail.
func TestOwnFailure(t *testing.T) {
	c := newClient(t, apitest.Options{})
	c.set(`{"attempts":9}`) // settings that nobody can have set with the command
	golden(t, c.post(validation, `{}`), 400, failure(120029, `Graphql error: "internal error"`))
}

// A store that cannot be written registers nobody and takes no attempt from the applicant.
func TestStoreIsHeld(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	a := c.applicant(`{}`)
	c.s.Held(t, func() {
		golden(t, c.face(a, f.A1()), 400, failure(120029, `Graphql error: "internal error"`))
	})
	golden(t, c.get(applicants+"/"+a), 200, nobody(a, 0, 5))
	golden(t, c.face(a, f.A1()), 200, of(a, 1, 0, 0, yes, yes, yes, yes, "[]"))
}

// A store that has failed is an error without detail.
func TestStoreHasFailed(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	a := c.applicant(`{}`)
	if err := c.s.DB.Close(); err != nil {
		t.Fatal(err)
	}
	golden(t, c.face(a, f.A1()), 400, failure(120029, `Graphql error: "internal error"`))
}

// nobody is an applicant without a word about them, in a state and with so many attempts left.
func nobody(applicant string, status, left int) string {
	return fmt.Sprintf(`{"firstName":null,"lastName":null,"phone":null,"email":null,"metadata":null,"callbackUrl":null,"sendSms":null,"status":%d,`+
		`"verificationMethod":null,"applicantId":%q,"attemptsCount":5,"attemptsLeft":%d}`, status, applicant, left)
}

func TestApplicants(t *testing.T) {
	c := newClient(t, apitest.Options{})
	id := c.applicant(`{"firstName":"Ann","lastName":"Other","callbackUrl":"https://x/y"}`)
	one := `{"firstName":"Ann","lastName":"Other","phone":null,"email":null,"metadata":null,"callbackUrl":"https://x/y","sendSms":null,"status":0,"verificationMethod":null,"applicantId":"` + id + `","attemptsCount":5,"attemptsLeft":5}`
	golden(t, c.get(applicants+"/"+id), 200, one)
	for i, tt := range []struct{ said, left string }{ // the members that are sent, and the attempts that are left
		{`"phone":"+1 5","email":"a@x.example","metadata":{"additionalProp1":"v","additionalProp2":"","additionalProp3":null},"callbackUrl":null,"sendSms":true,"status":0,"verificationMethod":1`, "5"},
		{`"phone":"","email":"","metadata":{},"callbackUrl":"","sendSms":false,"status":1,"verificationMethod":0`, "0"},
		{`"phone":"+2","email":"é@x.example","metadata":{"Grüße":"ü"},"callbackUrl":"https://x/y?a=1&b=<2>","sendSms":true,"status":2,"verificationMethod":0`, "0"},
		{`"phone":"+3","email":"b@x.example","metadata":null,"callbackUrl":null,"sendSms":false,"status":3,"verificationMethod":1`, "0"},
	} {
		sent := `{"firstName":"Ann","lastName":"Another",` + tt.said
		golden(t, c.post(applicants, sent+`}`), 200, `{"applicantId":"<uuid>","validationLink":"<string>"}`)
		id := c.applicant(sent + `}`)
		whole := sent + `,"applicantId":"` + id + `","attemptsCount":5,"attemptsLeft":` + tt.left + `}`
		golden(t, c.get(applicants+"/"+id), 200, whole)
		n := 2*i + 3 // it and those before
		golden(t, c.get(fmt.Sprintf("%s?Page=%d&PageSize=1", applicants, n)), 200, fmt.Sprintf(`{"page":%d,"pageSize":1,"total":%d,"totalPages":%d,"items":[%s]}`, n, n, n, whole))
	}
	c.forgetTries()
	golden(t, c.get(applicants+"/x"), 404, failure(404, "Validation Request x not found"))
	golden(t, c.get(applicants+"?Page=0"), 400, failure(400, "Bad Request"))
	for _, body := range []string{`{"status":4}`, `{"status":"1"}`, `{"firstName":"` + strings.Repeat("x", 200) + `"}`, `{"lastName":"\u0000"}`, `[]`} {
		golden(t, c.post(applicants, body), 400, failure(400, "Bad Request"))
	}
	golden(t, c.post("/publicapi"+applicants, `{}`), 200, `{"applicantId":"<uuid>","validationLink":"<string>"}`)
	if log := c.s.Log.String(); strings.Contains(log, "Ann") {
		t.Error("a name is in the log")
	}
}

// A read is what a validation with a document says; members are JSON. A document that is not valid
// has no say in whether it has expired.
type read struct {
	attempt, left, status            int
	expired, document, face          string
	success, notExpired              string
	digits, digitsWhy, portrait, why string
}

// good is the first attempt, with a document whose zone and portrait are as they must be.
func good() read { return read{1, 0, 0, no, yes, yes, yes, yes, "Passed", null, "Passed", null} }

func test(name, result, why string) string {
	status := map[string]string{"Passed": "0", "Failed": "1", "Skipped": "2"}[result]
	return fmt.Sprintf(`{"displayName":%q,"name":%q,"status":%s,"statusString":%q,"reason":%s}`, name, name, status, result, why)
}

// of is the whole of it, of a document of a kind that says so.
func (r read) of(applicant string, kind int, document string) string {
	return fmt.Sprintf(`{"applicantId":%q,"attemptId":%d,"documentType":%d,"document":%s,`+
		`"attemptsCount":5,"attemptsLeft":%d,"status":%d,"validationStatus":{"expired":%s,"documentIsValid":%s,"faceIsValid":%s,"antiSpoofingIsValid":true,"qualityIsValid":true},"invalidDataErrors":[],`+
		`"faceSuccess":%s,"documentSuccess":%s,"documentHasNotExpired":%s,"documentValidationTests":[`+
		`{"displayName":"AddressValidation","name":"AddressValidation","status":2,"statusString":"Skipped","reason":"Integration was skipped by flow"},`+
		`{"displayName":"DMV","name":"DMVValidation","status":-1,"statusString":"Disabled","reason":"Integration was turned off"},`+
		`{"displayName":"IdentiFraud","name":"IdentiFraudValidation","status":-1,"statusString":"Disabled","reason":"Integration was turned off"},`+
		`%s,%s],"callBackUrl":null}`,
		applicant, r.attempt, kind, document, r.left, r.status, r.expired, r.document, r.face, r.face, r.success, r.notExpired,
		test("MRZCheckDigits", r.digits, r.digitsWhy), test("FaceOnDocument", r.portrait, r.why))
}

// body is the whole of what is said of the drawn card that is valid until a day.
func (r read) body(applicant, until string) string {
	return r.of(applicant, 1, fmt.Sprintf(`{"privateName":"ANNA MARIA","abbr3Country":"UTO","abbrCountry":null,"address":null,"city":null,`+
		`"class":null,"country":null,"dob":"1984-04-12","expires":%q,"eyes":null,"familyName":"MUSTER","firstName":"ANNA","fullName":"ANNA MARIA MUSTER","gender":"FEMALE",`+
		`"hair":null,"height":null,"id":"B12345678","idType":"ID","issued":null,"middleName":"MARIA","postalBox":null,"state":null,"issuedBy":"UTO","template":null,"weight":null,"zip":null}`, until))
}

func TestDocuments(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	const until = "2040-01-31"
	try := func(t *testing.T, applicant string, face, card []byte, status int, want string) {
		t.Helper()
		golden(t, c.post(validation, request(applicant, 2, face, card)), status, want)
	}
	t.Run("what fails", func(t *testing.T) {
		a := c.applicant(`{}`)
		old := good()
		old.left, old.status, old.expired, old.success, old.notExpired = 4, 1, yes, no, no
		try(t, a, f.A2(), f.OldCard(), 200, old.body(a, "2012-01-31"))
		bad := good()
		bad.attempt, bad.left, bad.status, bad.document, bad.expired, bad.success, bad.notExpired, bad.digits = 2, 3, 1, no, null, no, null, "Failed"
		try(t, a, f.A2(), f.BadCard(), 200, bad.body(a, until))
		other := good()
		other.attempt, other.left, other.status, other.face, other.portrait = 3, 2, 1, no, "Failed"
		try(t, a, f.B1(), f.Card(), 200, other.body(a, until))
		none := other
		none.attempt, none.left, none.portrait, none.why = 4, 1, "Skipped", `"No face was found on the document"`
		try(t, a, f.A2(), f.FacelessCard(), 200, none.body(a, until))
		try(t, a, f.A2(), f.PlainCard(), 400, failure(120037, `All available attempts were used for requestId "`+a+`"`))
	})
	t.Run("an unsure clock", func(t *testing.T) {
		a := c.applicant(`{}`)
		unsure := good()
		unsure.left, unsure.status, unsure.expired, unsure.success, unsure.notExpired = 5, 3, null, null, null
		c.s.Clock.SetUnsure(true)
		try(t, a, f.A2(), f.Card(), 200, unsure.body(a, until))
		c.s.Clock.SetUnsure(false)
		golden(t, c.get(applicants+"/"+a), 200, nobody(a, 0, 5)) // neither registered nor an attempt less
		other := unsure
		other.left, other.status, other.face, other.portrait = 4, 1, no, "Failed"
		c.s.Clock.SetUnsure(true)
		try(t, a, f.B1(), f.Card(), 200, other.body(a, until)) // a face that is another's needs no clock
		c.s.Clock.SetUnsure(false)
	})
	t.Run("what is no document", func(t *testing.T) {
		a := c.applicant(`{}`)
		want := func(attempt int, why string) string {
			s := strings.Replace(of(a, attempt, 5-attempt, 2, null, yes, yes, null, `["`+why+`"]`), `"documentType":10`, `"documentType":2`, 1)
			return s
		}
		try(t, a, f.A2(), nil, 200, want(1, "frontImageBase64 is required"))
		try(t, a, f.A2(), f.Junk(), 200, want(2, "frontImageBase64 is no picture that can be used"))
		try(t, a, f.A2(), f.PlainCard(), 200, want(3, "the document is not recognized"))
	})
	t.Run("success", func(t *testing.T) {
		a := c.applicant(`{}`)
		try(t, a, f.A2(), f.Card(), 200, good().body(a, until))
		try(t, a, f.A2(), f.Card(), 400, failure(120036, `Request "`+a+`" was already completed`))
		golden(t, c.face(a, f.A1()), 200, of(a, 1, 0, 0, yes, yes, yes, yes, "[]"))
	})
}

// broken is a reader of documents that breaks down.
type broken struct{}

func (broken) ReadFile(context.Context, []byte) (document.Document, error) {
	return document.Document{}, document.ErrEngine
}

// A reader that breaks down is an error of ours that takes no attempt from the applicant.
func TestReaderFails(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClientOf(t, func(mux *http.ServeMux, s *api.Service) {
		s.Documents = broken{}
		baf.Register(mux, s)
	}, apitest.Options{})
	a := c.applicant(`{}`)
	golden(t, c.post(validation, request(a, 1, f.A2(), f.Card())), 200,
		strings.Replace(of(a, 1, 5, 3, null, yes, yes, null, "[]"), `"documentType":10`, `"documentType":1`, 1))
}

package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"facegate/access"
	"facegate/api"
	"facegate/api/apitest"
	"facegate/api/argos"
	"facegate/api/baf"
	"facegate/api/faceguard"
	"facegate/api/facephi"
	"facegate/api/lapis"
	"facegate/store"
)

const jsonType = "application/json"

// all registers every API.
func all(mux *http.ServeMux, s *api.Service) {
	facephi.Register(mux, s)
	lapis.Register(mux, s)
	argos.Register(mux, s)
	baf.Register(mux, s)
	faceguard.Register(mux, s)
}

// A published API as its clients see it: one call of it that takes a picture.
type published struct {
	name   string
	path   string
	scope  string // that the call needs
	header string // that the key goes into
	body   func(o *opener, picture []byte) (kind string, body []byte)
}

func object(fields func(picture string) any) func(*opener, []byte) (string, []byte) {
	return func(o *opener, picture []byte) (string, []byte) {
		o.t.Helper()
		b, err := json.Marshal(fields(b64(picture)))
		if err != nil {
			o.t.Fatal(err)
		}
		return jsonType, b
	}
}

type m = map[string]any

func apis() []published {
	return []published{
		{store.APIFacephi, "/services/evaluatePassiveLiveness", store.ScopeAuthenticate, "x-api-key", object(func(p string) any { return m{"imageBuffer": p} })},
		{store.APILapis, "/api/face-authentication", store.ScopeAuthenticate, "x-api-key", object(func(p string) any {
			return m{"faceImageBase64": p, "documentIdentificationId": "6f1c2b0e-0000-4000-8000-000000000000"}
		})},
		{store.APIArgos, "/faceauth", store.ScopeAuthenticate, "x-api-key", func(o *opener, p []byte) (string, []byte) {
			return o.form("faceImage", [][]byte{p}, map[string]string{"submissionId": "a01"})
		}},
		{store.APIBaf, "/api/v2/public/Validation", store.ScopeAuthenticate, "Authorization", object(func(p string) any {
			return m{"applicantId": "a01", "model": m{"faceImageBase64": p, "documentType": 10}}
		})},
		{store.APIFaceguard, "/faceguard/session/portal", store.ScopeAuthenticate, "Authorization", object(func(string) any {
			return m{"workflow_id": "site", "customer": m{"customer_id": "a01"}}
		})},
	}
}

// newOpener is a server of all APIs with a person a01, who is an applicant too.
func newOpener(t *testing.T, o apitest.Options) *opener {
	t.Helper()
	return newOpenerOf(t, all, o)
}

func newOpenerOf(t *testing.T, register func(*http.ServeMux, *api.Service), o apitest.Options) *opener {
	t.Helper()
	f := apitest.NewFaces(t)
	s := apitest.New(t, register, o)
	s.Update(t, func(tx *store.Tx) error {
		for of, settings := range map[string]string{store.APIArgos: `{"similarity":70}`, store.APIFaceguard: `{"attempts":1}`} {
			if _, err := tx.SetProject(store.Project{API: of, Name: "site", Settings: []byte(settings)}); err != nil {
				return err
			}
		}
		if _, err := tx.AddPerson(access.Person{ID: "a01", Consent: &access.Consent{Text: "1", At: tx.Now()}}); err != nil {
			return err
		}
		return tx.PutRecord(store.Record{Kind: "baf.applicant", ID: "a01", Owner: "site", Person: "a01", Body: []byte(`{"status":0}`)})
	})
	return &opener{s, f, t}
}

// recognised gives a01 a template, without which argos looks at no picture of theirs. No picture is
// like it.
func (o *opener) recognised() {
	o.t.Helper()
	o.Update(o.t, func(tx *store.Tx) error {
		_, err := tx.AddTemplate(store.Template{Person: "a01", Model: "x@1", Vector: []float32{1}})
		return err
	})
}

// A post is a call that takes a picture, with all that it needs.
type post struct {
	name, path string
	header     map[string]string
	body       []byte
}

// posts are one call of each API that looks at a picture. FaceGuard does so in a session only, which
// is begun.
func (o *opener) posts(picture []byte) (list []post) {
	o.t.Helper()
	for _, p := range apis() {
		kind, body := p.body(o, picture)
		secret := o.secret(p.name, p.scope, store.ScopeEnrol)
		if p.name == store.APIFaceguard {
			_, secret = o.session()
			p.path = "/faceguard/session/capture"
			kind, body = o.form("frame", [][]byte{picture, picture, picture}, nil)
		}
		if p.header == "Authorization" {
			secret = "Bearer " + secret
		}
		list = append(list, post{p.name, p.path, map[string]string{"Content-Type": kind, p.header: secret}, body})
	}
	return list
}

// secret is that of a new key.
func (o *opener) secret(of string, scopes ...string) string {
	o.t.Helper()
	_, secret := o.Key(o.t, store.Key{API: of, Project: "site", Consent: "1", Scopes: scopes})
	return secret
}

// call makes an API's call with a key, which may be empty, and a body.
func (o *opener) call(p *published, secret, kind string, body []byte) *apitest.Answer {
	o.t.Helper()
	h := map[string]string{"Content-Type": kind}
	if p.header == "Authorization" && secret != "" {
		secret = "Bearer " + secret
	}
	if secret != "" {
		h[p.header] = secret
	}
	return o.Call(o.t, http.MethodPost, p.path, h, body)
}

// told is what an API says: a status, and a body that is JSON but for one.
type told struct {
	status int
	body   string
	kind   string // empty: JSON
}

func problem(status int, title, detail, errs string) told {
	if errs != "" {
		errs = `,"errors":[` + errs + `]`
	}
	return told{status: status, body: fmt.Sprintf(`{"status":%d,"title":%q,"detail":%q,"type":"https://developer.mozilla.org/en-US/docs/Web/HTTP/Status/%d"%s}`, status, title, detail, status, errs)}
}

func lapisError(status int, text string) told {
	return told{status: status, body: `{"error":"` + text + `"}`}
}

func argosError(status int, code, message string) told {
	return told{status: status, body: fmt.Sprintf(`{"errorCode":%q,"message":%q}`, code, message)}
}

func bafError(status, code int, message string) told {
	return told{status: status, body: fmt.Sprintf(`{"code":%d,"message":%q}`, code, message)}
}

func guardError(status int, message string) told {
	return told{status: status, body: fmt.Sprintf(`{"status_code":%d,"message":%q,"data":null}`, status, message)}
}

func (want *told) check(t testing.TB, got *apitest.Answer) {
	t.Helper()
	kind := want.kind
	if kind == "" {
		kind = jsonType
	}
	apitest.Golden(t, got, want.status, kind, want.body)
}

const (
	argosFormat = "Data parsing error. Please check input data."
	guardBad    = "Bad Request: missing required field or malformed JSON"
	guardKey    = "Unauthorized: invalid or missing API key / token"
	guardMany   = "Too Many Requests: rate limit exceeded"
)

// A trap is a judge that breaks down at the next picture once it is set.
type trap struct {
	api.Judge
	set atomic.Bool
}

func (j *trap) Look(ctx context.Context, picture []byte, want api.Want) (*api.Look, error) {
	if j.set.Swap(false) {
		panic("the judge breaks down")
	}
	return j.Judge.Look(ctx, picture, want)
}

// What the originals do not say is the same case for all, in the words of each: 0.7 of the
// contract.
func TestCommonAnswers(t *testing.T) {
	judge := &trap{}
	o := newOpenerOf(t, func(mux *http.ServeMux, s *api.Service) {
		judge.Judge, s.Judge = s.Judge, judge
		all(mux, s)
	}, apitest.Options{})
	large := told{status: 413, body: "Request Entity Too Large", kind: "text/plain; charset=utf-8"}
	rows := map[string][]told{ // in the order of apis
		"no key": {
			problem(401, "Unauthorized", "Invalid API key.", ""), lapisError(401, "invalid api key"), argosError(401, "required_field_missing", "Required field is missing"),
			bafError(401, 401, "Unauthorized"), guardError(401, guardKey),
		},
		"an unknown key": {
			problem(401, "Unauthorized", "Invalid API key.", ""), lapisError(401, "invalid api key"), argosError(403, "Invalid_projectId", "Fail to find the project data"),
			bafError(401, 401, "Unauthorized"), guardError(401, guardKey),
		},
		"a key of another API": {
			problem(401, "Unauthorized", "Invalid API key.", ""), lapisError(401, "invalid api key"), argosError(403, "Invalid_projectId", "Fail to find the project data"),
			bafError(401, 401, "Unauthorized"), guardError(401, guardKey),
		},
		"a revoked key": {
			problem(401, "Unauthorized", "Invalid API key.", ""), lapisError(401, "invalid api key"), argosError(403, "Invalid_projectId", "Fail to find the project data"),
			bafError(401, 401, "Unauthorized"), guardError(401, guardKey),
		},
		"no scope": {
			problem(403, "Forbidden", "The API key does not allow this operation.", ""), lapisError(401, "invalid api key"), argosError(403, "Invalid_projectId", "Fail to find the project data"),
			bafError(403, 403, "Forbidden"), guardError(403, "Forbidden: valid key but insufficient permissions"),
		},
		"no JSON": {
			problem(400, "Bad Request", "Invalid request.", `"body is not valid JSON"`), lapisError(400, "invalid request body"), argosError(400, "invalid_data_format", argosFormat),
			bafError(400, 400, "Bad Request"), guardError(400, guardBad),
		},
		"too large": {
			problem(413, "Request Entity Too Large", "The request body is too large.", ""), large, argosError(413, "invalid_data_format", argosFormat),
			bafError(413, 413, "Request Entity Too Large"), guardError(400, guardBad),
		},
		"too often": {
			problem(429, "Too Many Requests", "Too many requests.", ""), lapisError(429, "too many requests"), argosError(429, "data_processing_error", "Data processing error"),
			bafError(429, 429, "Too Many Requests"), guardError(429, guardMany),
		},
		"a panic": {
			problem(500, "Internal Server Error", "Internal error.", ""), lapisError(500, "internal error"), argosError(500, "data_processing_error", "Data processing error"),
			bafError(400, 120029, `Graphql error: "internal error"`), guardError(500, "Internal Server Error"),
		},
		"a wrong method": {
			problem(405, "Method Not Allowed", "The method is not allowed.", ""), lapisError(405, "method not allowed"), argosError(405, "invalid_data_format", argosFormat),
			bafError(405, 405, "Method Not Allowed"), guardError(405, "Method Not Allowed"),
		},
		"an unknown path": {
			problem(404, "Not Found", "The resource does not exist.", ""), lapisError(404, "not found"), argosError(404, "invalid_data_format", argosFormat),
			bafError(404, 404, "Not Found"), guardError(404, "Not Found: customer, session, or resource not found"),
		},
	}
	nowhere := [][]string{ // that are asked for with GET
		{"/services/nothing", "/services/authenticateUser/v3"},
		{"/api/nothing", "/api/kyc-request/x/y"},
		{"/faceauth/Image", "/v3/x", "/v3/faceauth/x"},
		{"/api/v2/nothing", "/publicapi/api/v2/private/Nobody"},
		{"/faceguard/nothing", "/faceguard/session/x"},
	}
	for i, p := range apis() {
		t.Run(p.name, func(t *testing.T) {
			o.t = t
			kind, body := p.body(o, o.A2())
			good := o.secret(p.name, store.ScopeAuthenticate, store.ScopeEnrol)
			want := func(row string) *told { return &rows[row][i] }

			want("no key").check(t, o.call(&p, "", kind, body))
			unknown := good[:len(good)-2] + "xy"
			want("an unknown key").check(t, o.call(&p, unknown, kind, body))
			other := o.secret(map[bool]string{true: store.APILapis, false: store.APIFacephi}[p.name == store.APIFacephi], store.ScopeAuthenticate)
			want("a key of another API").check(t, o.call(&p, other, kind, body))
			gone, secret := o.Key(t, store.Key{API: p.name, Project: "site", Scopes: []string{store.ScopeAuthenticate}})
			o.Update(t, func(tx *store.Tx) error { _, err := tx.RevokeKey(gone.ID); return err })
			want("a revoked key").check(t, o.call(&p, secret, kind, body))
			for _, scope := range store.Scopes() {
				if scope != p.scope {
					want("no scope").check(t, o.call(&p, o.secret(p.name, scope), kind, body))
				}
			}
			for _, bad := range []string{
				"", "{", "[]", `"x"`, `{"a":1}{"b":2}`, "{\"a\":\"\xff\"}", `{"a":1,"a":2}`, `{"model":{"x":1,"x":2}}`,
				strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), strings.Repeat(`[`, 100) + strings.Repeat("]", 100),
			} {
				want("no JSON").check(t, o.call(&p, o.secret(p.name, p.scope), jsonType, []byte(bad)))
			}
			if kind != jsonType {
				for _, bad := range []string{"multipart/form-data", "multipart/form-data; boundary=", "text/plain", "", "multipart/mixed; boundary=x"} {
					want("no JSON").check(t, o.call(&p, o.secret(p.name, p.scope), bad, body))
				}
				want("no JSON").check(t, o.call(&p, o.secret(p.name, p.scope), kind, body[:len(body)/2]))
			}
			o.tooLarge(&p, o.secret(p.name, p.scope), want("too large"))
			many := o.secret(p.name, store.ScopeRead)
			got := o.call(&p, many, kind, body)
			for range 200 { // 20 are let pass at once, and as many as the machine is slow
				if got.Status == http.StatusTooManyRequests {
					break
				}
				got = o.call(&p, many, kind, body)
			}
			want("too often").check(t, got)
			got = o.Call(t, http.MethodPatch, p.path, map[string]string{p.header: good}, nil)
			want("a wrong method").check(t, got)
			for _, path := range nowhere[i] {
				want("an unknown path").check(t, o.Call(t, http.MethodGet, path, map[string]string{p.header: good}, nil))
			}
		})
	}
	// A judge that panics fails one call, and no other.
	o.t = t
	o.recognised()
	for i, p := range o.posts(o.A2()) {
		judge.set.Store(true)
		rows["a panic"][i].check(t, o.Call(t, http.MethodPost, p.path, p.header, p.body))
		got := o.Call(t, http.MethodPost, p.path, p.header, p.body)
		if judge.set.Load() || got.Status == rows["a panic"][i].status && string(got.Body) == rows["a panic"][i].body {
			t.Errorf("%s, after a panic: %d %s", p.name, got.Status, got.Body)
		}
	}
	if n := o.Door.Unlocked(); n != 0 {
		t.Errorf("the door was opened %d times", n)
	}
	if log := o.Log.String(); strings.Contains(log, b64(o.A2())[:64]) {
		t.Error("a picture is in the log")
	}
}

// endless is a body of no announced length.
type endless struct{ left int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), e.left)
	for i := range n {
		p[i] = 'A'
	}
	e.left -= n
	return int(n), nil
}

// tooLarge sends 31 MB as they are announced, in pieces, and as a text within JSON.
func (o *opener) tooLarge(p *published, secret string, want *told) {
	o.t.Helper()
	const size = 31 << 20
	send := func(kind string, length int64, body io.Reader) {
		o.t.Helper()
		r, err := http.NewRequestWithContext(o.t.Context(), http.MethodPost, o.URL+p.path, body)
		if err != nil {
			o.t.Fatal(err)
		}
		r.ContentLength = length
		r.Header.Set("Content-Type", kind)
		if r.Header.Set(p.header, secret); p.header == "Authorization" {
			r.Header.Set(p.header, "Bearer "+secret)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			o.t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			o.t.Fatal(err)
		}
		want.check(o.t, &apitest.Answer{Status: resp.StatusCode, Header: resp.Header, Body: text})
	}
	text := func() io.Reader {
		return io.MultiReader(strings.NewReader(`{"a":"`), &endless{size}, strings.NewReader(`"}`))
	}
	send(jsonType, size+8, text())
	send(jsonType, -1, text())
	if kind, _ := p.body(o, []byte("x")); kind != jsonType {
		head, tail := "--x\r\nContent-Disposition: form-data; name=\"faceImage\"; filename=\"f\"\r\n\r\n", "\r\n--x--\r\n"
		form := func() io.Reader {
			return io.MultiReader(strings.NewReader(head), &endless{size}, strings.NewReader(tail))
		}
		send("multipart/form-data; boundary=x", int64(size+len(head)+len(tail)), form())
		send("multipart/form-data; boundary=x", -1, form())
	}
}

// busy is what each API says of a picture that is not looked at.
func busy() []told { // in the order of apis
	return []told{
		{status: 504, body: `{"message":"Endpoint request timed out"}`},
		lapisError(503, "service unavailable"),
		argosError(503, "detection_server_error", "Cannot finish process of detecting face"), bafError(503, 503, "Service Unavailable"), guardError(429, guardMany),
	}
}

// Pictures that wait longer than they may are told so.
func TestCommonDeadline(t *testing.T) {
	o := newOpener(t, apitest.Options{Deadline: time.Millisecond})
	o.recognised()
	want := busy()
	for i, p := range o.posts(o.Big()) { // 24 million pixels: nobody looks at them within a millisecond
		want[i].check(t, o.Call(t, http.MethodPost, p.path, p.header, p.body))
	}
}

// Where the line is full a picture is not waited for: while one is looked at and one waits, the next
// is told so, of every API. Then the two that were held are answered.
func TestCommonLine(t *testing.T) {
	gate := apitest.NewGate(t)
	o := newOpener(t, apitest.Options{Waiting: 1, Yield: gate.Yield})
	o.recognised()
	posts, want := o.posts(o.A2()), busy()
	answers := make(chan *apitest.Answer, 3)
	send := func() { o.Posting(t, posts[0].path, posts[0].header, posts[0].body, answers) }
	send()
	<-gate.Began
	send() // one of these two waits, whichever comes first
	send()
	want[0].check(t, <-answers)
	for i, p := range posts {
		want[i].check(t, o.Call(t, http.MethodPost, p.path, p.header, p.body))
	}
	gate.Open()
	for range 2 {
		if a := <-answers; a.Status != http.StatusOK {
			t.Errorf("held until the line moved: %d %s", a.Status, a.Body)
		}
	}
}

// A stuck body never goes on.
type stuck struct{ free <-chan struct{} }

func (s stuck) Read([]byte) (int, error) {
	<-s.free
	return 0, io.ErrUnexpectedEOF
}

// A body that does not come on is given up once somebody else waits for the room that it holds.
func TestCommonSlow(t *testing.T) {
	o := newOpener(t, apitest.Options{Bodies: 1})
	o.recognised()
	posts := o.posts(o.A2())
	for i, want := range busy() {
		p := posts[i]
		t.Run(p.name, func(t *testing.T) {
			free, answers := make(chan struct{}), make(chan *apitest.Answer, 1)
			var sending sync.WaitGroup
			defer sending.Wait()
			defer close(free)
			sending.Go(func() {
				body := io.MultiReader(bytes.NewReader(p.body[:len(p.body)/2]), stuck{free})
				a, err := o.Send(t.Context(), http.MethodPost, p.path, p.header, body, int64(len(p.body)))
				if err != nil {
					t.Error(err)
				}
				answers <- a
			})
			// The first ones may come before it.
			for {
				select {
				case a := <-answers:
					want.check(t, a)
					return
				default:
					if a := o.Call(t, http.MethodPost, posts[0].path, posts[0].header, posts[0].body); a.Status != http.StatusOK {
						t.Fatalf("who waited: %d %s", a.Status, a.Body)
					}
				}
			}
		})
	}
}

// session is a FaceGuard session of a01: its portal token and its own.
func (o *opener) session() (portal, session string) {
	o.t.Helper()
	token := func(path, secret string, body m) string {
		data, _ := o.object(path, map[string]string{"Authorization": "Bearer " + secret}, body)["data"].(m)
		text, _ := data["token"].(string)
		return text
	}
	portal = token("/faceguard/session/portal", o.secret(store.APIFaceguard, store.ScopeAuthenticate), m{"workflow_id": "site", "customer": m{"customer_id": "a01"}})
	return portal, token("/faceguard/session", portal, nil)
}

// A store that cannot be written fails every call in its API's words: nothing is told that could
// not be recorded.
func TestCommonStore(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the store's lock")
	}
	o := newOpener(t, apitest.Options{})
	rows := []struct {
		api, method, path, header string
		body                      any
		want                      told
	}{
		{store.APIFacephi, "POST", "/services/evaluatePassiveLiveness", "x-api-key", m{"imageBuffer": b64(o.A2())}, problem(500, "Internal Server Error", "Internal error.", "")},
		{store.APILapis, "GET", "/api/kyc-request", "x-api-key", nil, lapisError(500, "internal error")},
		{store.APIArgos, "GET", "/v3/faceauth", "x-api-key", nil, argosError(500, "data_processing_error", "Data processing error")},
		{store.APIBaf, "GET", "/api/v2/private/Applicants", "Authorization", nil, bafError(400, 120029, `Graphql error: "internal error"`)},
		{store.APIFaceguard, "POST", "/faceguard/session/portal", "Authorization", m{"workflow_id": "site", "customer": m{"customer_id": "a01"}}, guardError(500, "Internal Server Error")},
	}
	secrets := make([]string, len(rows))
	for i, row := range rows {
		secrets[i] = o.secret(row.api, store.ScopeAuthenticate, store.ScopeEnrol, store.ScopeRead)
		if row.header == "Authorization" {
			secrets[i] = "Bearer " + secrets[i]
		}
	}
	o.Held(t, func() {
		var calls sync.WaitGroup
		for i, row := range rows {
			calls.Go(func() {
				body, err := json.Marshal(row.body)
				if err != nil {
					t.Error(err)
				}
				got, err := o.Try(context.Background(), row.method, row.path, map[string]string{row.header: secrets[i]}, body)
				if err != nil {
					t.Error(err)
					return
				}
				row.want.check(t, got)
			})
		}
		calls.Wait()
	})
}

// calls are the events of calls by the holder of a key.
func (o *opener) calls(k store.Key) (list []access.Event) {
	o.t.Helper()
	for _, e := range o.Events(o.t) {
		if e.Source == access.SourceAPI(k.Label()) && e.Data["call"] != "" {
			list = append(list, e)
		}
	}
	return list
}

// Every route takes a key with its scope alone, and no key with any other. Either is an event.
func TestCommonScopes(t *testing.T) {
	o := newOpener(t, apitest.Options{})
	o.Camera.See(o.A2())
	refused := map[string]told{
		store.APIFacephi: problem(403, "Forbidden", "The API key does not allow this operation.", ""), store.APILapis: lapisError(401, "invalid api key"),
		store.APIArgos: argosError(403, "Invalid_projectId", "Fail to find the project data"), store.APIBaf: bafError(403, 403, "Forbidden"),
		store.APIFaceguard: guardError(403, "Forbidden: valid key but insufficient permissions"),
	}
	for _, r := range []struct{ api, method, path, scope string }{
		{store.APIFacephi, "POST", "/services/authenticateUser", "authenticate"},
		{store.APIFacephi, "POST", "/services/authenticateUser/v2", "authenticate"},
		{store.APIFacephi, "DELETE", "/services/authenticateUser", "enrol"},
		{store.APIFacephi, "POST", "/services/updateUserTemplate", "enrol"},
		{store.APIFacephi, "POST", "/services/captureImage", "authenticate"},
		{store.APIFacephi, "POST", "/services/evaluatePassiveLiveness", "authenticate"},
		{store.APIFacephi, "POST", "/services/evaluatePassiveLivenessToken", "authenticate"},
		{store.APILapis, "POST", "/api/document-identification", "enrol"},
		{store.APILapis, "POST", "/api/face-authentication", "authenticate"},
		{store.APILapis, "POST", "/api/liveliness-verification", "authenticate"},
		{store.APILapis, "POST", "/api/kyc-request", "enrol"},
		{store.APILapis, "GET", "/api/kyc-request", "enrol"},
		{store.APILapis, "GET", "/api/kyc-request/x", "enrol"},
		{store.APILapis, "POST", "/api/accept-request", "admin"},
		{store.APILapis, "PUT", "/api/accept", "admin"},
		{store.APILapis, "DELETE", "/api/delete-request", "admin"},
		{store.APIArgos, "POST", "/faceauth", "authenticate"},
		{store.APIArgos, "POST", "/v3/faceauth", "authenticate"},
		{store.APIArgos, "GET", "/v3/faceauth", "read"},
		{store.APIArgos, "DELETE", "/v3/faceauth", "admin"},
		{store.APIBaf, "POST", "/api/v2/public/Validation", "authenticate"},
		{store.APIBaf, "POST", "/publicapi/api/v2/public/Validation", "authenticate"},
		{store.APIBaf, "POST", "/api/v2/private/Applicants", "enrol"},
		{store.APIBaf, "POST", "/publicapi/api/v2/private/Applicants", "enrol"},
		{store.APIBaf, "GET", "/api/v2/private/Applicants", "read"},
		{store.APIBaf, "GET", "/publicapi/api/v2/private/Applicants", "read"},
		{store.APIBaf, "GET", "/api/v2/private/Applicants/x", "read"},
		{store.APIBaf, "GET", "/publicapi/api/v2/private/Applicants/x", "read"},
		{store.APIFaceguard, "POST", "/faceguard/session/portal", "authenticate"},
	} {
		for _, scope := range store.Scopes() {
			key, secret := o.Key(t, store.Key{API: r.api, Project: "site", Consent: "1", Scopes: []string{scope}})
			name := "x-api-key"
			if r.api == store.APIBaf || r.api == store.APIFaceguard {
				secret, name = "Bearer "+secret, "Authorization"
			}
			header, body := map[string]string{name: secret, "Content-Type": jsonType}, []byte("{}")
			if r.api == store.APIArgos && r.method == "POST" { // a form is read before the key is judged
				header["Content-Type"], body = o.form("faceImage", [][]byte{o.Junk()}, map[string]string{"submissionId": "nobody"})
			}
			got := o.Call(t, r.method, r.path, header, body)
			if want := refused[r.api]; scope != r.scope {
				want.check(t, got)
			} else if got.Status == want.status && string(got.Body) == want.body || got.Status == http.StatusNotFound && r.api != store.APIBaf {
				t.Errorf("%s %s with scope %s: %d %s", r.method, r.path, scope, got.Status, got.Body)
			}
			if calls := o.calls(key); len(calls) != 1 || calls[0].Data["api"] != r.api || calls[0].Data["result"] == "" {
				t.Errorf("%s %s with scope %s: the trail has %v", r.method, r.path, scope, calls)
			}
		}
	}
}

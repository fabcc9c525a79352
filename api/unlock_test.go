package api_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"sync"
	"testing"
	"time"

	"facegate/access"
	"facegate/api"
	"facegate/api/apitest"
	"facegate/api/lapis"
	"facegate/store"
)

// An opener has somebody authenticated by one of the APIs, with one picture, and reports whether
// the API found them to be who they are.
type opener struct {
	*apitest.Server
	*apitest.Faces
	t testing.TB
}

func (o *opener) answer(method, path string, header map[string]string, body []byte) map[string]any {
	o.t.Helper()
	a := o.Call(o.t, method, path, header, body)
	var out map[string]any
	if err := json.Unmarshal(a.Body, &out); err != nil {
		o.t.Fatalf("%s: %d %s", path, a.Status, a.Body)
	}
	return out
}

func (o *opener) object(path string, header map[string]string, body map[string]any) map[string]any {
	o.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		o.t.Fatal(err)
	}
	return o.answer("POST", path, header, text)
}

// form is a form of files of one name, and of texts.
func (o *opener) form(name string, files [][]byte, texts map[string]string) (kind string, body []byte) {
	o.t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for _, f := range files {
		h := textproto.MIMEHeader{"Content-Disposition": {`form-data; name="` + name + `"; filename="f.jpg"`}, "Content-Type": {"image/jpeg"}}
		w, err := m.CreatePart(h)
		if err == nil {
			_, err = w.Write(f)
		}
		if err != nil {
			o.t.Fatal(err)
		}
	}
	for k, v := range texts {
		if err := m.WriteField(k, v); err != nil {
			o.t.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		o.t.Fatal(err)
	}
	return m.FormDataContentType(), b.Bytes()
}

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func (o *opener) facephi(secret string, picture []byte) bool {
	h := map[string]string{"x-api-key": secret}
	r := o.object("/services/authenticateUser", h, map[string]any{"userId": "a01", "image": b64(o.A3()), "bestImageToken": b64(picture)})
	return r["serviceResultCode"] == 0.
}

func (o *opener) argos(secret string, picture []byte) bool {
	kind, body := o.form("faceImage", [][]byte{picture}, map[string]string{"submissionId": "a01"})
	r := o.answer("POST", "/faceauth", map[string]string{"x-api-key": secret, "Content-Type": kind}, body)
	return r["auth_status"] == "approved"
}

// baf authorises an applicant that is a01: the record of a registration is made by hand, for
// nobody can register with the face of somebody who is enrolled.
func (o *opener) baf(secret string, picture []byte) bool {
	o.Update(o.t, func(tx *store.Tx) error {
		return tx.PutRecord(store.Record{Kind: "baf.applicant", ID: "a01", Owner: "site", Person: "a01", Body: []byte(`{"status":1,"used":1,"profile":"x"}`)})
	})
	r := o.object("/api/v2/public/Validation", map[string]string{"Authorization": "Bearer " + secret}, map[string]any{
		"applicantId": "a01", "model": map[string]any{"faceImageBase64": b64(picture), "documentType": 10},
	})
	return r["status"] == 0.
}

func (o *opener) faceguard(secret string, picture []byte) bool {
	token := func(path, secret string, body map[string]any) string {
		data, _ := o.object(path, map[string]string{"Authorization": "Bearer " + secret}, body)["data"].(map[string]any)
		text, _ := data["token"].(string)
		return text
	}
	portal := token("/faceguard/session/portal", secret, map[string]any{"workflow_id": "site", "customer": map[string]any{"customer_id": "a01"}})
	session := token("/faceguard/session", portal, nil)
	kind, body := o.form("frame", [][]byte{picture, picture, picture}, nil)
	r := o.answer("POST", "/faceguard/session/capture", map[string]string{"Authorization": "Bearer " + session, "Content-Type": kind}, body)
	data, _ := r["data"].(map[string]any)
	status, _ := data["status"].(map[string]any)
	return status["outcome"] == "passed"
}

const (
	openToAPIs = "[doors.main]\napi_may_unlock = true\n[[access]]\ngroups = [\"*\"]\ndoors = [\"main\"]\n"
	closed     = "[doors.main]\n[[access]]\ngroups = [\"*\"]\ndoors = [\"main\"]\n"
	withPIN    = "[doors.main]\napi_may_unlock = true\nfactors = \"face+pin\"\n[[access]]\ngroups = [\"*\"]\ndoors = [\"main\"]\n"
	nobody     = "[doors.main]\napi_may_unlock = true\n"
	passback   = "[doors.main]\napi_may_unlock = true\nanti_passback = \"10m\"\n[[access]]\ngroups = [\"*\"]\ndoors = [\"main\"]\n"
)

// A memory is a judge that looks at a picture once. A grant that comes three seconds after its
// picture opens nothing, and a busy machine takes longer to look at some.
type memory struct {
	api.Judge
	mu    sync.Mutex
	looks map[string]*api.Look
}

func (j *memory) Look(ctx context.Context, picture []byte, want api.Want) (*api.Look, error) {
	key := fmt.Sprint(want, sha256.Sum256(picture))
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.looks[key] == nil {
		l, err := j.Judge.Look(ctx, picture, want)
		if err != nil {
			return nil, err
		}
		j.looks[key] = l
	}
	l := *j.looks[key]
	return &l, nil
}

// tomorrow are rules by which everybody may pass all day, but not today.
func tomorrow() string {
	const days = "sunmontuewedthufrisat"
	i := 3 * ((int(time.Now().UTC().Weekday()) + 2) % 7) // not the next, which may begin before the test ends
	return "time_zone = \"UTC\"\n[schedules.later]\ntimes = [\"" + days[i:i+3] + " 00:00-24:00\"]\n" +
		"[doors.main]\napi_may_unlock = true\n[[access]]\ngroups = [\"*\"]\ndoors = [\"main\"]\nschedule = \"later\"\n"
}

// A posted picture opens the door where its rules say so, the key may, the picture lives, and the
// rules would let the person in.
func TestUnlock(t *testing.T) {
	if testing.Short() {
		t.Skip("forty pictures take too long where races are looked for")
	}
	f := apitest.NewFaces(t)
	s := apitest.New(t, func(mux *http.ServeMux, s *api.Service) {
		s.Judge = &memory{Judge: s.Judge, looks: make(map[string]*api.Look)}
		all(mux, s)
	}, apitest.Options{})
	s.Enrol(t, "a01", f.A1())
	s.Reload(t)
	s.Update(t, func(tx *store.Tx) error {
		for of, settings := range map[string]string{store.APIArgos: `{"similarity":70}`, store.APIFaceguard: `{"attempts":1}`} {
			if _, err := tx.SetProject(store.Project{API: of, Name: "site", Settings: []byte(settings)}); err != nil {
				return err
			}
		}
		return nil
	})
	o := &opener{s, f, t}
	who := "a01" // whom the door's own search finds
	apis := map[string]func(string, []byte) bool{store.APIFacephi: o.facephi, store.APIArgos: o.argos, store.APIBaf: o.baf, store.APIFaceguard: o.faceguard}
	try := func(name, of, rules, scope string, picture []byte, found bool, reason access.Reason, pulses int) {
		t.Helper()
		s.Service.Keys = api.NewKeys(s.DB) // it has not seen the five tries of a minute
		s.Rules(t, rules)
		k := store.Key{API: of, Project: "site", Scopes: []string{store.ScopeAuthenticate}}
		if scope != "" {
			k.Scopes = append(k.Scopes, scope)
		}
		k, secret := s.Key(t, k)
		before, last := s.Door.Unlocked(), s.Events(t)
		if got := apis[of](secret, picture); got != found {
			t.Errorf("%s, %s: found to be who they are: %v, want %v", of, name, got, found)
		}
		if n := s.Door.Unlocked() - before; n != pulses {
			t.Errorf("%s, %s: the door was opened %d times, want %d", of, name, n, pulses)
		}
		var decided []access.Event
		for _, e := range s.Events(t)[len(last):] {
			if e.Kind == access.KindGranted || e.Kind == access.KindDenied {
				decided = append(decided, e)
			}
		}
		switch {
		case pulses == 0 && reason == "":
			if len(decided) != 0 {
				t.Errorf("%s, %s: a decision that nobody asked for: %+v", of, name, decided)
			}
		case len(decided) != 1 || decided[0].Reason != reason || decided[0].Source != "api:"+k.Label() || decided[0].Person != who:
			t.Errorf("%s, %s: decisions %+v, want one with reason %q", of, name, decided, reason)
		}
	}
	for of := range apis {
		try("a key that may not", of, openToAPIs, "", f.A2(), true, "", 0) // first: then the picture is known
		try("as it should be", of, openToAPIs, "unlock", f.A2(), true, "", 1)
		try("a key for this door", of, openToAPIs, "unlock:main", f.A2(), true, "", 1)
		try("a key for another door", of, openToAPIs, "unlock:back", f.A2(), true, "", 0)
		try("a door that may not", of, closed, "unlock", f.A2(), true, access.ReasonNoAccessHere, 0)
		try("a door that wants a PIN too", of, withPIN, "unlock", f.A2(), true, access.ReasonPINRequired, 0)
		try("nobody may pass", of, nobody, "unlock", f.A2(), true, access.ReasonNoAccessHere, 0)
		// ARGOS approves of a picture that is not alive; it opens nothing.
		try("a screen", of, openToAPIs, "unlock", f.Spoof(), of == store.APIArgos, "", 0)
		try("somebody else", of, openToAPIs, "unlock", f.B1(), false, "", 0)
		try("too soon", of, passback, "unlock", f.A2(), true, access.ReasonAntiPassback, 0)
		try("another day", of, tomorrow(), "unlock", f.A2(), true, access.ReasonOutsideSchedule, 0)
		s.Door.SetLockedDown(true)
		try("a door that is locked down", of, openToAPIs, "unlock", f.A2(), true, access.ReasonDoorLockedDown, 0)
		s.Door.SetLockedDown(false)
	}
	// Somebody else is more like the picture: the API finds the one that is named, the door neither.
	s.Update(t, func(tx *store.Tx) error {
		if _, err := tx.AddPerson(access.Person{ID: "z01", Consent: &access.Consent{Text: "1", At: tx.Now()}}); err != nil {
			return err
		}
		l := s.Look(t, f.A2()).Template
		_, err := tx.AddTemplate(store.Template{Person: "z01", Model: l.Model, Vector: l.Vector})
		return err
	})
	s.Reload(t)
	who = ""
	for of := range apis {
		try("a twin", of, openToAPIs, "unlock", f.A2(), true, access.ReasonUnknownPerson, 0)
	}
}

// eKYC compares with documents and opens nothing, whatever its key may.
func TestUnlockByDocument(t *testing.T) {
	f := apitest.NewFaces(t)
	s := apitest.New(t, lapis.Register, apitest.Options{})
	s.Enrol(t, "a01", f.A1())
	s.Reload(t)
	s.Rules(t, openToAPIs)
	_, secret := s.Key(t, store.Key{API: store.APILapis, Project: "site", Consent: "1", Scopes: []string{store.ScopeAuthenticate, store.ScopeEnrol, store.ScopeUnlock}})
	o := &opener{s, f, t}
	header := map[string]string{"x-api-key": secret}
	id := o.object("/api/document-identification", header, map[string]any{"frontImageBase64": b64(f.Card())})["documentIdentificationId"]
	got := o.object("/api/face-authentication", header, map[string]any{"faceImageBase64": b64(f.A2()), "documentIdentificationId": id})
	if score, _ := got["score"].(float64); score < .8 {
		t.Fatalf("the face is not the document's: %v", got)
	}
	for _, e := range s.Events(t) {
		if e.Kind == access.KindGranted || e.Kind == access.KindDenied {
			t.Errorf("a decision that nobody asked for: %+v", e)
		}
	}
	if n := s.Door.Unlocked(); n != 0 {
		t.Errorf("the door was opened %d times", n)
	}
}

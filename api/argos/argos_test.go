package argos

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"facegate/access"
	"facegate/api"
	"facegate/api/apitest"
	"facegate/api/lapis"
	"facegate/store"
)

const jsonType = "application/json"

// A site is a server with projects and keys.
type site struct {
	*apitest.Server
	faces *apitest.Faces
	keys  map[string]string // secrets by "@" and project; those that are gone too
	uses  map[string]int
	n     atomic.Int64
}

// secret is name, or where that is "@" and a project a key of it that has calls left.
func (s *site) secret(t *testing.T, name string) string {
	t.Helper()
	project, ok := strings.CutPrefix(name, "@")
	if !ok {
		return name
	}
	if s.uses[name]++; s.uses[name]%15 == 1 && project != "gone" {
		_, s.keys[name] = s.Key(t, store.Key{
			API: store.APIArgos, Project: project, Scopes: []string{store.ScopeAuthenticate, store.ScopeRead, store.ScopeAdmin},
		})
	}
	return s.keys[name]
}

// newSite has a project and a key for each of the settings.
func newSite(t *testing.T, projects map[string]store.ArgosProject, o apitest.Options) *site {
	t.Helper()
	return newSiteOf(t, Register, projects, o)
}

func newSiteOf(t *testing.T, register func(*http.ServeMux, *api.Service), projects map[string]store.ArgosProject, o apitest.Options) *site {
	t.Helper()
	s := &site{faces: apitest.NewFaces(t), Server: apitest.New(t, register, o), keys: map[string]string{}, uses: map[string]int{}}
	for name, p := range projects {
		settings, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		s.Update(t, func(tx *store.Tx) error {
			_, err := tx.SetProject(store.Project{API: store.APIArgos, Name: name, Settings: settings})
			return err
		})
		_, s.keys["@"+name] = s.Key(t, store.Key{API: store.APIArgos, Project: name, Scopes: []string{store.ScopeAuthenticate}})
	}
	return s
}

// somebody is a new person with the face of a look, for as many tries as a person has.
func (s *site) somebody(t *testing.T, l *api.Look) string {
	t.Helper()
	id := fmt.Sprintf("s%d", s.n.Add(1))
	s.Update(t, func(tx *store.Tx) error {
		if _, err := tx.AddPerson(access.Person{ID: id, Consent: &access.Consent{Text: "1", At: tx.Now()}}); err != nil || l == nil {
			return err
		}
		template := store.Template{Person: id, Model: l.Template.Model, Vector: l.Template.Vector}
		if l.Template.Masked {
			template.Cover = store.CoverMask
		}
		_, err := tx.AddTemplate(template)
		return err
	})
	return id
}

// parts is a multipart body; a []byte is a file, a string a text.
func parts(t *testing.T, fields map[string]any) (contentType string, body []byte) {
	t.Helper()
	var out bytes.Buffer
	m := multipart.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		h := textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf("form-data; name=%q", name)}}
		var content []byte
		switch v := fields[name].(type) {
		case string:
			content = []byte(v)
		case []byte:
			content = v
			h.Set("Content-Disposition", h.Get("Content-Disposition")+`; filename="face.jpg"`)
			h.Set("Content-Type", "image/jpeg")
		}
		w, err := m.CreatePart(h)
		if err == nil {
			_, err = w.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return m.FormDataContentType(), out.Bytes()
}

func (s *site) post(t *testing.T, secret string, fields map[string]any) *apitest.Answer {
	t.Helper()
	kind, body := parts(t, fields)
	return s.Call(t, http.MethodPost, pathV3, map[string]string{"x-api-key": s.secret(t, secret), "Content-Type": kind}, body)
}

func (s *site) get(t *testing.T, method, secret, query string) *apitest.Answer {
	t.Helper()
	return s.Call(t, method, pathV3+"?"+query, map[string]string{"x-api-key": s.secret(t, secret)}, nil)
}

const (
	goldenField      = `{"errorCode":"required_field_missing","message":"Required field is missing"}`
	goldenFormat     = `{"errorCode":"invalid_data_format","message":"Data parsing error. Please check input data."}`
	goldenProject    = `{"errorCode":"Invalid_projectId","message":"Fail to find the project data"}`
	goldenSubmission = `{"errorCode":"Invalid_submissionId","message":"Fail to find the submission data"}`
	goldenStatus     = `{"errorCode":"invalid_submission_status","message":"The submission must be approved to process face authentication"}`
	goldenConverting = `{"errorCode":"image_converting_error","message":"Image converting error"}`
	goldenProcessing = `{"errorCode":"image_processing_error","message":"Image processing error"}`
	goldenDetection  = `{"errorCode":"detection_server_error","message":"Cannot finish process of detecting face"}`
	goldenNoFace     = `{"errorCode":"no_face","message":"Face is not detected"}`
	goldenData       = `{"errorCode":"data_processing_error","message":"Data processing error"}`
)

func projects() map[string]store.ArgosProject {
	return map[string]store.ArgosProject{
		"plain":   {Similarity: 70},
		"bare":    {Similarity: 70, Occluded: true},
		"masks":   {Similarity: 70, FaceCover: 50},
		"helmets": {Similarity: 70, HeadCover: 50},
		"all":     {Similarity: 70, FaceCover: 50, HeadCover: 50},
		"strict":  {Similarity: 70, Occluded: true, HeadCover: 50},
		"gone":    {Similarity: 70},
	}
}

// TestErrors provokes every error code, and each before the ones that come later.
func TestErrors(t *testing.T) {
	s := newSite(t, projects(), apitest.Options{})
	s.Update(t, func(tx *store.Tx) error { return tx.DeleteProject(store.APIArgos, "gone") })
	_, unscoped := s.Key(t, store.Key{API: store.APIArgos, Project: "plain", Scopes: []string{store.ScopeEnrol}})
	_, other := s.Key(t, store.Key{API: store.APIBaf, Scopes: []string{store.ScopeAuthenticate}})
	a1 := s.Look(t, s.faces.A1())
	a, pending := s.somebody(t, a1), s.somebody(t, nil)
	var states []string
	for _, change := range []func(*access.Person){
		func(p *access.Person) { p.Blocked = true },
		func(p *access.Person) { p.ValidFrom = time.Now().Add(time.Hour) },
		func(p *access.Person) { p.ValidUntil = time.Now().Add(-time.Hour) },
	} {
		id := s.somebody(t, a1)
		states = append(states, id)
		s.Update(t, func(tx *store.Tx) error {
			_, err := tx.ChangePerson(id, "test", func(p *access.Person) error { change(p); return nil })
			return err
		})
	}
	const plain = "@plain"
	picture, junk := s.faces.A2(), s.faces.Junk()
	text := base64.StdEncoding.EncodeToString(picture) // of somebody who would be approved
	full := map[string]any{"submissionId": a, "faceImage": picture}
	kind, body := parts(t, full)
	for _, tt := range []struct {
		name   string
		secret string
		kind   string // of a raw body; empty: fields are posted
		body   string
		fields map[string]any
		status int
		want   string
	}{
		{"no key", "", kind, string(body), nil, 401, goldenField},
		{"no key before a broken form", "", "text/plain", "", nil, 401, goldenField},
		{"no boundary", plain, "multipart/form-data", string(body), nil, 400, goldenFormat},
		{"another boundary", plain, "multipart/form-data; boundary=x", string(body), nil, 400, goldenFormat},
		{"cut off", plain, kind, string(body[:len(body)/2]), nil, 400, goldenFormat},
		{"broken JSON", plain, jsonType, `{"submissionId":`, nil, 400, goldenFormat},
		{"wrong type", plain, jsonType, `{"submissionId":7,"faceImage":"x"}`, nil, 400, goldenFormat},
		{"field twice", plain, jsonType, `{"submissionId":"a","submissionId":"b","faceImage":"x"}`, nil, 400, goldenFormat},
		{"plain text", plain, "text/plain", "hello", nil, 400, goldenFormat},
		{"no parts", plain, "", "", nil, 400, goldenField},
		{"control character", plain, "", "", map[string]any{"submissionId": a, "faceImage": picture, "cf1": "a\x00b"}, 400, goldenFormat},
		{"long field", plain, "", "", map[string]any{"submissionId": a, "faceImage": picture, "cf1": strings.Repeat("x", 257)}, 400, goldenFormat},
		{"broken form before an unknown key", "nonsense", "text/plain", "hello", nil, 400, goldenFormat},
		{"no submission", plain, "", "", map[string]any{"faceImage": picture}, 400, goldenField},
		{"no picture", plain, "", "", map[string]any{"submissionId": a}, 400, goldenField},
		{"empty picture", plain, "", "", map[string]any{"submissionId": a, "faceImage": []byte{}}, 400, goldenField},
		{"missing field before an unknown key", "nonsense", "", "", map[string]any{"submissionId": a}, 400, goldenField},
		{"unknown key", "nonsense", "", "", full, 403, goldenProject},
		{"key of another API", other, "", "", full, 403, goldenProject},
		{"key without the scope", unscoped, "", "", full, 403, goldenProject},
		{"project deleted", "@gone", "", "", full, 400, goldenProject},
		{"project before submission", "@gone", "", "", map[string]any{"submissionId": "nobody", "faceImage": picture}, 400, goldenProject},
		{"unknown submission", plain, "", "", map[string]any{"submissionId": "01JB00000000000000000000", "faceImage": picture}, 400, goldenSubmission},
		{"no id", plain, "", "", map[string]any{"submissionId": strings.Repeat("x", 200), "faceImage": picture}, 400, goldenSubmission},
		{"submission before picture", plain, "", "", map[string]any{"submissionId": "nobody", "faceImage": junk}, 400, goldenSubmission},
		{"pending", plain, "", "", map[string]any{"submissionId": pending, "faceImage": picture}, 400, goldenStatus},
		{"rejected", plain, "", "", map[string]any{"submissionId": states[0], "faceImage": picture}, 400, goldenStatus},
		{"not valid yet", plain, "", "", map[string]any{"submissionId": states[1], "faceImage": picture}, 400, goldenStatus},
		{"revoked", plain, "", "", map[string]any{"submissionId": states[2], "faceImage": junk}, 400, goldenStatus},
		{"picture as text", plain, "", "", map[string]any{"submissionId": a, "faceImage": text}, 400, goldenConverting},
		{"picture as a data URL", plain, "", "", map[string]any{"submissionId": a, "faceImage": "data:image/jpeg;base64," + text}, 400, goldenConverting},
		{"picture in JSON", plain, jsonType, `{"submissionId":"` + a + `","faceImage":"` + text + `"}`, nil, 400, goldenConverting},
		{"junk", plain, "", "", map[string]any{"submissionId": s.somebody(t, a1), "faceImage": junk}, 400, goldenConverting},
		{"GIF", plain, "", "", map[string]any{"submissionId": s.somebody(t, a1), "faceImage": s.faces.GIF()}, 400, goldenConverting},
		{"one pixel", plain, "", "", map[string]any{"submissionId": s.somebody(t, a1), "faceImage": s.faces.OnePixel()}, 400, goldenProcessing},
		{"huge header", plain, "", "", map[string]any{"submissionId": s.somebody(t, a1), "faceImage": s.faces.Huge()}, 400, goldenProcessing},
		{"a row too many", plain, "", "", map[string]any{"submissionId": s.somebody(t, a1), "faceImage": s.faces.Over()}, 400, goldenProcessing},
		{"a column too few", plain, "", "", map[string]any{"submissionId": s.somebody(t, a1), "faceImage": s.faces.Thin()}, 400, goldenProcessing},
		{"CMYK", plain, "", "", map[string]any{"submissionId": s.somebody(t, a1), "faceImage": s.faces.CMYK()}, 400, goldenProcessing},
		{"16 bits", plain, "", "", map[string]any{"submissionId": s.somebody(t, a1), "faceImage": s.faces.Sixteen()}, 400, goldenProcessing},
		{"no face", plain, "", "", map[string]any{"submissionId": s.somebody(t, a1), "faceImage": s.faces.None()}, 400, goldenNoFace},
		{"no face, of the strict", "@all", "", "", map[string]any{"submissionId": s.somebody(t, a1), "faceImage": s.faces.None()}, 400, goldenNoFace},
		{"too large", plain, "", "", map[string]any{"submissionId": a, "faceImage": make([]byte, api.MaxBody)}, 413, goldenFormat},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got *apitest.Answer
			if tt.kind != "" {
				got = s.Call(t, http.MethodPost, pathPost, map[string]string{"x-api-key": s.secret(t, tt.secret), "Content-Type": tt.kind}, []byte(tt.body))
			} else {
				got = s.post(t, tt.secret, tt.fields)
			}
			apitest.Golden(t, got, tt.status, jsonType, tt.want)
		})
	}
	t.Run("method", func(t *testing.T) {
		got := s.Call(t, http.MethodPut, pathV3, nil, nil)
		apitest.Golden(t, got, 405, jsonType, goldenFormat)
		if allow := got.Header.Get("Allow"); allow != "DELETE, GET, HEAD, POST" {
			t.Errorf("Allow: %q", allow)
		}
		apitest.Golden(t, s.Call(t, http.MethodGet, pathPost, nil, nil), 405, jsonType, goldenFormat)
	})
	t.Run("tries of one person", func(t *testing.T) {
		id, began := s.somebody(t, a1), time.Now()
		for range 5 {
			apitest.Golden(t, s.post(t, plain, map[string]any{"submissionId": id, "faceImage": junk}), 400, jsonType, goldenConverting)
		}
		s.Spent(t, s.Service.Keys.Try, id, began)
		got := s.post(t, plain, map[string]any{"submissionId": id, "faceImage": junk})
		apitest.Golden(t, got, 429, jsonType, goldenData)
		if got.Header.Get("Retry-After") == "" {
			t.Error("nobody is told when to try again")
		}
	})
	if log := s.Log.String(); strings.Contains(log, "similarity") || strings.Contains(log, s.keys[plain]) {
		t.Error("the log holds what it must not")
	}
}

// The answers where a picture was judged.
const (
	one      = `"face_similarity_score":"<number 70 100 =1>"`
	low      = `"face_similarity_score":"<number 0 69.9 =1>"`
	approval = `{"authentication_id":"<string>","auth_status":"approved","create_time":"<time ms>","score":{%s}}`
	refusal  = `{"authentication_id":"<string>","auth_status":"rejected","create_time":"<time ms>","score":{%s},"fail_code":[%s],"rejected_comment":[%s]}`

	compare, compareText   = `"face_compare_underscore"`, `"Face compare similarity score is lower than the threshold"`
	occluded, occludedText = `"Face_Occluded_fail"`, `"Face is occluded"`
	mask, maskText         = `"Face_cover_fail"`, `"Protection equipment is not found on Face"`
	head, headText         = `"Head_cover_fail"`, `"Protection equipment is not found on Head"`
)

// TestOutcomes provokes an approval and every fail code.
func TestOutcomes(t *testing.T) {
	s := newSite(t, projects(), apitest.Options{})
	a, b := s.Look(t, s.faces.A1()), s.Look(t, s.faces.B1())
	bare, helmet := s.Look(t, s.faces.Bare()), s.Look(t, s.faces.Helmet())
	for _, tt := range []struct {
		name, project string
		enrolled      *api.Look
		picture       []byte
		want          string
	}{
		{"the same person", "plain", a, s.faces.A2(), fmt.Sprintf(approval, one)},
		{"a print is not judged", "plain", a, s.faces.Spoof(), fmt.Sprintf(approval, one)},
		{"the same picture", "plain", a, s.faces.A1(), fmt.Sprintf(approval, `"face_similarity_score":100.0`)},
		{"bare and it must be", "bare", a, s.faces.A2(), fmt.Sprintf(approval, one+`,"occluded_score":"<number 50.1 100 =1>"`)},
		{"another person", "plain", a, s.faces.B1(), fmt.Sprintf(refusal, low, compare, compareText)},
		{"masked and must be bare", "bare", bare, s.faces.Masked(), fmt.Sprintf(refusal, one+`,"occluded_score":"<number 0 50 =1>"`, occluded, occludedText)},
		{"sunglasses and must be bare", "bare", a, s.faces.Occluded(), fmt.Sprintf(refusal, low+`,"occluded_score":"<number 0 50 =1>"`, compare+","+occluded, compareText+","+occludedText)},
		{"a mask is worn", "masks", bare, s.faces.Masked(), fmt.Sprintf(approval, one+`,"face_cover_score":"<number 50 100 =1>"`)},
		{"a mask is worn and was at enrolment", "masks", s.Look(t, s.faces.Masked()), s.faces.Masked(), fmt.Sprintf(approval, `"face_similarity_score":100.0,"face_cover_score":"<number 50 100 =1>"`)},
		{"a mask is missing", "masks", bare, s.faces.Bare(), fmt.Sprintf(refusal, `"face_similarity_score":100.0,"face_cover_score":"<number 0 49.9 =1>"`, mask, maskText)},
		{"a helmet is worn", "helmets", helmet, s.faces.Helmet(), fmt.Sprintf(approval, `"face_similarity_score":100.0,"head_cover_score":"<number 50 100 =1>"`)},
		{"a helmet is missing", "helmets", a, s.faces.A2(), fmt.Sprintf(refusal, one+`,"head_cover_score":"<number 0 49.9 =1>"`, head, headText)},
		{"everything is missing", "all", b, s.faces.A2(), fmt.Sprintf(refusal, low+`,"face_cover_score":"<number 0 49.9 =1>","head_cover_score":"<number 0 49.9 =1>"`,
			compare+","+mask+","+head, compareText+","+maskText+","+headText)},
		{"in the order of the table", "strict", a, s.faces.Occluded(), fmt.Sprintf(refusal, low+`,"occluded_score":"<number 0 50 =1>","head_cover_score":"<number 0 49.9 =1>"`,
			compare+","+occluded+","+head, compareText+","+occludedText+","+headText)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := s.post(t, "@"+tt.project, map[string]any{"submissionId": s.somebody(t, tt.enrolled), "faceImage": tt.picture})
			apitest.Golden(t, got, 200, jsonType, tt.want)
		})
	}
	for _, e := range s.Events(t) {
		if e.Data["call"] == "faceauth" && (!strings.HasPrefix(e.Source, "api:") || e.Person == "") {
			t.Errorf("a call is recorded as %s", e.Line())
		}
		if e.Scores.Match != nil && (e.Scores.Liveness == nil || *e.Scores.Liveness < .5) {
			t.Errorf("a similarity of a face that is not live: %s", e.Line())
		}
	}
	if n := s.Door.Unlocked(); n != 0 {
		t.Errorf("the door was opened %d times", n)
	}
}

// TestPortrait enrols somebody by their card, as the eKYC calls do, and compares with the card's face
// where there is no other.
func TestPortrait(t *testing.T) {
	s := newSiteOf(t, func(mux *http.ServeMux, s *api.Service) {
		Register(mux, s)
		lapis.Register(mux, s)
	}, projects(), apitest.Options{})
	_, ekyc := s.Key(t, store.Key{API: store.APILapis, Project: "desk", Consent: "1", Scopes: []string{store.ScopeEnrol, store.ScopeAuthenticate, store.ScopeAdmin}})
	call := func(method, path string, body map[string]string, status int, out any) {
		t.Helper()
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		got := s.Call(t, method, "/api/"+path, map[string]string{"x-api-key": ekyc}, text)
		if err := json.Unmarshal(got.Body, out); err != nil || got.Status != status {
			t.Fatalf("%s: %d %s, %v", path, got.Status, got.Body, err)
		}
	}
	b64 := base64.StdEncoding.EncodeToString
	var document struct {
		ID string `json:"documentIdentificationId"`
	}
	var requests struct {
		Requests []struct {
			ID string `json:"id"`
		} `json:"requests"`
	}
	var done map[string]any
	call("POST", "document-identification", map[string]string{"frontImageBase64": b64(s.faces.Card())}, 200, &document)
	call("POST", "face-authentication", map[string]string{"faceImageBase64": b64(s.faces.A2()), "documentIdentificationId": document.ID}, 200, &done)
	call("POST", "kyc-request", map[string]string{"email": "a@example.org", "phoneNumber": "+491511234567", "documentIdentificationId": document.ID}, 201, &done)
	call("GET", "kyc-request", nil, 200, &requests)
	id := requests.Requests[0].ID
	authenticate := func(picture []byte, status int, want string) {
		t.Helper()
		apitest.Golden(t, s.post(t, "@plain", map[string]any{"submissionId": id, "faceImage": picture}), status, jsonType, want)
	}
	authenticate(s.faces.A2(), 400, goldenSubmission) // nobody has accepted it yet
	call("PUT", "accept", map[string]string{"id": id}, 200, &done)
	authenticate(s.faces.A2(), 200, fmt.Sprintf(approval, `"face_similarity_score":100.0`)) // the very face that was enrolled
	// As when its model is given up.
	s.Update(t, func(tx *store.Tx) error {
		for template, err := range tx.TemplatesOf(id) {
			if err != nil {
				return err
			}
			_, err = tx.RemoveTemplatesOfModel(id, template.Model)
			return err
		}
		return errors.New("nobody was enrolled")
	})
	authenticate(s.faces.A2(), 200, fmt.Sprintf(approval, `"face_similarity_score":"<number 70 99.9 =1>"`))
	authenticate(s.faces.B1(), 200, fmt.Sprintf(refusal, low, compare, compareText))
	s.Update(t, func(tx *store.Tx) error { _, err := tx.WithdrawConsent(id); return err })
	authenticate(s.faces.A2(), 400, goldenStatus)
}

func TestBrokenModels(t *testing.T) {
	whole := newSite(t, projects(), apitest.Options{})
	enrolled := whole.Look(t, whole.faces.A1())
	for _, tt := range []struct {
		role   string
		status int
		want   string
	}{
		{"detect_short", 500, goldenDetection},
		{"mesh", 400, goldenProcessing}, // a face that cannot be aligned
		{"embed_foamliu", 500, goldenDetection},
		{"embed_0095", 500, goldenDetection},
		{"mask", 500, goldenDetection},
		{"iris", 200, fmt.Sprintf(approval, one)},    // neither eyes
		{"live_40", 200, fmt.Sprintf(approval, one)}, // nor life are asked for
	} {
		t.Run(tt.role, func(t *testing.T) {
			s := newSite(t, projects(), apitest.Options{Broken: []string{tt.role}})
			got := s.post(t, "@plain", map[string]any{"submissionId": s.somebody(t, enrolled), "faceImage": s.faces.A2()})
			apitest.Golden(t, got, tt.status, jsonType, tt.want)
		})
	}
}

func TestBusy(t *testing.T) {
	s := newSite(t, projects(), apitest.Options{Deadline: time.Nanosecond})
	id := s.somebody(t, &api.Look{Template: api.Template{Model: "m", Vector: []float32{1}}})
	got := s.post(t, "@plain", map[string]any{"submissionId": id, "faceImage": s.faces.A2()})
	apitest.Golden(t, got, 503, jsonType, goldenDetection)
	if got.Header.Get("Retry-After") == "" {
		t.Error("nobody is told when to try again")
	}
	for range 200 { // 20 are let pass at once, and as many as the machine is slow
		if got = s.get(t, http.MethodGet, s.keys["@plain"], ""); got.Status == 429 {
			break
		}
	}
	apitest.Golden(t, got, 429, jsonType, goldenData)
}

func TestStoreThatCannotBeWritten(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the store's lock")
	}
	s := newSite(t, projects(), apitest.Options{})
	id, plain := s.somebody(t, s.Look(t, s.faces.A1())), "@plain"
	var done result
	got := s.post(t, plain, map[string]any{"submissionId": id, "faceImage": s.faces.A2()})
	if err := json.Unmarshal(got.Body, &done); err != nil {
		t.Fatal(err)
	}
	s.Held(t, func() {
		got := s.post(t, plain, map[string]any{"submissionId": id, "faceImage": s.faces.A2()})
		apitest.Golden(t, got, 500, jsonType, goldenData)
		apitest.Golden(t, s.get(t, http.MethodDelete, plain, "authId="+done.ID), 400, jsonType, `{"errorCode":"error in delete submission"}`)
	})
	got = s.get(t, http.MethodGet, plain, "")
	if n := strings.Count(string(got.Body), "auth_id"); n != 1 {
		t.Errorf("%d authentications are kept, want 1: %s", n, got.Body)
	}
}

// TestList pages through authentications, and deletes.
func TestList(t *testing.T) {
	s := newSite(t, projects(), apitest.Options{})
	const plain = "@plain"
	a := s.Look(t, s.faces.A1())
	var made []result
	for range 3 {
		var r result
		got := s.post(t, plain, map[string]any{"submissionId": s.somebody(t, a), "faceImage": s.faces.A2()})
		if err := json.Unmarshal(got.Body, &r); err != nil || r.ID == "" {
			t.Fatalf("%s: %v", got.Body, err)
		}
		made = append(made, r)
	}
	entry := func(i int) string {
		return fmt.Sprintf(`{"auth_id":%q,"auth_status":"approved","create_time":%q,"submit_type":"api","kyc_submission_id":"s%d","delete_check":false,
			"policy":{"faceSimilarity_threshold":70,"occluded_threshold":false,"faceCover_threshold":0,"headCover_threshold":0,"liveness_threshold":0,"activeLiveness_threshold":0}}`,
			made[i].ID, made[i].Created, i+1)
	}
	list := func(more string, entries ...string) string {
		return fmt.Sprintf(`[{"faceAuth_projectId":"plain","data":[%s]%s}]`, strings.Join(entries, ","), more)
	}
	today := made[0].Created[:10]
	next := fmt.Sprintf(`,"nextPage_key":{"authId":%q,"createTime":%q}`, made[1].ID, made[1].Created)
	for _, tt := range []struct {
		name, query string
		status      int
		want        string
	}{
		{"all", "", 200, list("", entry(0), entry(1), entry(2))},
		{"one", "authId=" + made[1].ID, 200, list("", entry(1))},
		{"none such", "authId=01JB0000000000000000000000", 200, list("")},
		{"first page", "count=2", 200, list(next, entry(0), entry(1))},
		{"second page", "count=2&nextKey_id=" + made[1].ID + "&nextKey_date=" + made[1].Created, 200, list("", entry(2))},
		{"after one that is gone", "nextKey_id=01JB0000000000000000000000&nextKey_date=" + made[1].Created, 200, list("", entry(2))},
		{"today", "startDate=" + today + "&endDate=" + made[2].Created[:10], 200, list("", entry(0), entry(1), entry(2))},
		{"another day", "startDate=2001-01-01&endDate=2001-01-02", 200, list("")},
		{"one date", "startDate=2001-01-01", 400, goldenFormat},
		{"the other date", "endDate=2001-01-01", 400, goldenFormat},
		{"no date", "startDate=2001-01-01&endDate=2001-02-30", 400, goldenFormat},
		{"half a key", "nextKey_id=" + made[1].ID, 400, goldenFormat},
		{"count 0", "count=0", 400, goldenFormat},
		{"count 2001", "count=2001", 400, goldenFormat},
		{"no count", "count=x", 400, goldenFormat},
		{"twice", "count=1&count=2", 400, goldenFormat},
		{"no query", "%zz", 400, goldenFormat},
	} {
		t.Run(tt.name, func(t *testing.T) {
			apitest.Golden(t, s.get(t, http.MethodGet, plain, tt.query), tt.status, jsonType, tt.want)
		})
	}
	t.Run("policies", func(t *testing.T) {
		for project, want := range map[string]string{
			"strict": `"occluded_threshold":true,"faceCover_threshold":0,"headCover_threshold":50`, "all": `"occluded_threshold":false,"faceCover_threshold":50,"headCover_threshold":50`,
		} {
			var r result
			got := s.post(t, "@"+project, map[string]any{"submissionId": "s1", "faceImage": s.faces.A2()})
			if err := json.Unmarshal(got.Body, &r); err != nil || r.Status != "rejected" {
				t.Fatalf("%s: %v", got.Body, err)
			}
			apitest.Golden(t, s.get(t, http.MethodGet, "@"+project, ""), 200, jsonType, fmt.Sprintf(
				`[{"faceAuth_projectId":%q,"data":[{"auth_id":%q,"auth_status":"rejected","create_time":%q,"submit_type":"api","kyc_submission_id":"s1","delete_check":false,
				"policy":{"faceSimilarity_threshold":70,%s,"liveness_threshold":0,"activeLiveness_threshold":0}}]}]`, project, r.ID, r.Created, want))
		}
	})
	t.Run("another project", func(t *testing.T) {
		apitest.Golden(t, s.get(t, http.MethodGet, "@bare", "authId="+made[0].ID), 200, jsonType, `[{"faceAuth_projectId":"bare","data":[]}]`)
		apitest.Golden(t, s.get(t, http.MethodDelete, "@bare", "authId="+made[0].ID), 400, jsonType, `{"errorCode":"Cannot find submission. Please check input data."}`)
	})
	t.Run("keys", func(t *testing.T) {
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			apitest.Golden(t, s.get(t, method, "", ""), 401, jsonType, goldenField)
			apitest.Golden(t, s.get(t, method, "nonsense", ""), 403, jsonType, goldenProject)
		}
	})
	t.Run("delete", func(t *testing.T) {
		for query, want := range map[string]string{
			"":                                  `{"errorCode":"required key is missing"}`,
			"authId=x":                          `{"errorCode":"error in processing data"}`,
			"authId=01JB0000000000000000000000": `{"errorCode":"Cannot find submission. Please check input data."}`,
		} {
			apitest.Golden(t, s.get(t, http.MethodDelete, plain, query), 400, jsonType, want)
		}
		apitest.Golden(t, s.get(t, http.MethodDelete, plain, "authId="+made[0].ID), 200, jsonType, `{"message":"success"}`)
		gone := fmt.Sprintf(`{"auth_id":%q,"auth_status":"approved","create_time":%q,"delete_check":true}`, made[0].ID, made[0].Created)
		apitest.Golden(t, s.get(t, http.MethodGet, plain, "count=1"), 200, jsonType,
			list(fmt.Sprintf(`,"nextPage_key":{"authId":%q,"createTime":%q}`, made[0].ID, made[0].Created), gone))
		apitest.Golden(t, s.get(t, http.MethodDelete, plain, "authId="+made[0].ID), 400, jsonType, `{"errorCode":"Cannot find submission. Please check input data."}`)
	})
	t.Run("a person who is erased", func(t *testing.T) {
		if _, err := s.DB.ErasePerson(t.Context(), store.Act{At: time.Now(), Source: access.SourceSystem}, "s2"); err != nil {
			t.Fatal(err)
		}
		apitest.Golden(t, s.get(t, http.MethodGet, plain, "authId="+made[1].ID), 200, jsonType, list(""))
	})
}

// TestWebhook finds what a project's server is to be told in the outbox.
func TestWebhook(t *testing.T) {
	all := projects()
	all["told"] = store.ArgosProject{Similarity: 70, Webhook: "https://example.org/hook?secret=1"}
	s := newSite(t, all, apitest.Options{})
	id := s.somebody(t, s.Look(t, s.faces.A1()))
	var r result
	got := s.post(t, "@told", map[string]any{"submissionId": id, "faceImage": s.faces.A2(), "userId": "u1", "cf1": "eins", "cf3": "drei"})
	if err := json.Unmarshal(got.Body, &r); err != nil {
		t.Fatal(err)
	}
	due, err := s.DB.DueWebhooks(context.Background(), time.Now(), 10)
	if err != nil || len(due) != 1 {
		t.Fatalf("%v, %v", due, err)
	}
	w := due[0]
	if w.URL != "https://example.org/hook?secret=1" || w.API != store.APIArgos || w.Project != "told" || w.Person != id {
		t.Errorf("a webhook to %q of %s %s about %s", w.URL, w.API, w.Project, w.Person)
	}
	want := fmt.Sprintf(`{"webhook_trigger":"faceAuth","auth_id":%q,"data":{"submission_id":%q,"auth_status":"approved","create_time":%q,"user_id":"u1","cf1":"eins","cf2":"","cf3":"drei"}}`,
		r.ID, id, r.Created)
	if string(w.Body) != want {
		t.Errorf("it says %s, want %s", w.Body, want)
	}
}

func TestScoreIsCutOff(t *testing.T) {
	for x, want := range map[score]string{100: "100.0", 69.99: "69.9", 0: "0.0", 99.999999: "99.9", 3: "3.0"} {
		if b, err := x.MarshalJSON(); string(b) != want || err != nil {
			t.Errorf("%v is written %s, %v; want %s", float64(x), b, err, want)
		}
	}
}

func TestID(t *testing.T) {
	at := time.UnixMilli(1469918176385)
	id := newID(at)
	if !isID(id) || !strings.HasPrefix(id, "01ARYZ6S41") { // the example of the ULID specification
		t.Errorf("newID(%v) = %s", at, id)
	}
	if later := newID(at.Add(time.Millisecond)); later <= id {
		t.Errorf("%s is not after %s", later, id)
	}
	for _, bad := range []string{"", "01ARYZ6S4", strings.ToLower(id), id + "0", "01ARYZ6S41ILOU0000000000000"} {
		if isID(bad) {
			t.Errorf("%q is taken for an id", bad)
		}
	}
}

// FuzzForm feeds the decoder of bodies: whatever comes, it ends, and keeps no text that is too
// long or not text.
func FuzzForm(f *testing.F) {
	f.Add("multipart/form-data; boundary=b", []byte("--b\r\nContent-Disposition: form-data; name=\"submissionId\"\r\n\r\nx\r\n--b--\r\n"))
	f.Add("application/json", []byte(`{"submissionId":"a","faceImage":"b"}`))
	f.Add("multipart/form-data", []byte("--\r\n"))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", kind)
		got, leave, err := (&handler{&api.Service{}}).readForm(r, nil)
		if err != nil {
			if s := words(err).status; s != 400 && s != 413 {
				t.Fatalf("status %d: %v", s, err)
			}
			return
		}
		leave()
		for name, text := range got.fields() {
			if len(*text) > maxField || !printable(*text) {
				t.Errorf("%s is %q", name, *text)
			}
		}
	})
}

// FuzzQuery feeds the decoder of lists.
func FuzzQuery(f *testing.F) {
	f.Add("count=2&nextKey_id=01ARYZ6S410000000000000000&nextKey_date=2016-07-30T23:36:16.385Z")
	f.Add("startDate=2001-01-01&endDate=2001-01-02")
	f.Fuzz(func(t *testing.T, raw string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.URL.RawQuery = raw
		if q, err := parseQuery(r.URL.Query()); err == nil && (q.count < 1 || q.count > maxCount) {
			t.Errorf("%q: count %d", raw, q.count)
		}
	})
}

package argos

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"facegate/api"
	"facegate/api/apitest"
	"facegate/api/webhook"
	"facegate/store"
)

// What a picture shows beside the person is not judged: it is compared as it is, the largest face
// in the middle of several. Whether it is alive is looked at for the trail.
func TestAsItIs(t *testing.T) {
	s := newSite(t, projects(), apitest.Options{})
	f := s.faces
	a := s.Look(t, f.A1())
	b, front := s.Look(t, f.B1()), s.Look(t, f.Front())
	for _, tt := range []struct {
		name     string
		picture  []byte
		enrolled *api.Look
		alike    bool
	}{
		{"small", f.Small(), a, true},
		{"close", f.Close(), a, true},
		{"near the border", f.Border(), a, true},
		{"cropped", f.Cut(), a, true},
		{"dark", f.Dark(), a, true},
		{"bright", f.Bright(), a, true},
		{"PNG", f.PNG(), a, true},
		{"on its side", f.Turned(), a, true},
		{"turned by 31", f.Turn30(), front, true},
		{"turned by 63", f.Turn50(), front, true},
		{"A, and B beside", f.Beside(f.A2(), f.B1()), a, true},
		{"A, and B beside, for B", f.Beside(f.A2(), f.B1()), b, false},
		{"B, and A beside", f.Beside(f.B2(), f.A2()), b, true},
		{"B, and A beside, for A", f.Beside(f.B2(), f.A2()), a, false},
		{"blurred", f.Blur(), a, false}, // too much to be like anybody
		{"another, turned by 31", f.Turn30(), a, false},
		{"several others", f.Many(), a, false},
		{"another, occluded", f.Occluded(), a, false},
		{"another, eyes closed", f.Closed(), a, false},
	} {
		want := fmt.Sprintf(refusal, low, compare, compareText)
		if tt.alike {
			want = fmt.Sprintf(approval, one)
		}
		t.Run(tt.name, func(t *testing.T) {
			kind, body := parts(t, map[string]any{"submissionId": s.somebody(t, tt.enrolled), "faceImage": tt.picture, "unknown": "x"})
			got := s.Call(t, http.MethodPost, pathPost, map[string]string{"x-api-key": s.secret(t, "@plain"), "Content-Type": kind}, body)
			apitest.Golden(t, got, 200, jsonType, want)
		})
	}
	for name, picture := range map[string][]byte{"WebP": f.WebP(), "TIFF": f.TIFF(), "HEIC": f.HEIC(), "cut": f.Short()} {
		got := s.post(t, "@plain", map[string]any{"submissionId": s.somebody(t, a), "faceImage": picture})
		if apitest.Golden(t, got, 400, jsonType, goldenConverting); t.Failed() {
			t.Fatal(name)
		}
	}
	looked := 0
	for _, e := range s.Events(t) {
		if e.Scores.Liveness != nil {
			looked++
		}
	}
	if looked == 0 {
		t.Error("the trail does not know whether anybody was alive")
	}
}

// The values of a list's query.
func TestQueryRows(t *testing.T) {
	s := newSite(t, projects(), apitest.Options{})
	for _, query := range []string{
		"authId=x", "authId=a&authId=b", "startDate=2026-01-01", "endDate=2026-01-01", "startDate=x&endDate=2026-01-01", "startDate=2026-01-01&endDate=2026-13-01",
		"nextKey_id=01JB0000000000000000000000", "nextKey_date=2026-01-01T00:00:00Z", "nextKey_id=x&nextKey_date=2026-01-01T00:00:00Z",
		"nextKey_id=01JB0000000000000000000000&nextKey_date=x", "count=0", "count=2001", "count=x", "%zz",
	} {
		apitest.Golden(t, s.get(t, http.MethodGet, "@plain", query), 400, jsonType, goldenFormat)
	}
	apitest.Golden(t, s.get(t, http.MethodGet, "@plain", "authId=01JB0000000000000000000000"), 200, jsonType, `[{"faceAuth_projectId":"plain","data":[]}]`)
	for query, want := range map[string]string{
		"": "required key is missing", "authId=": "required key is missing", "authId=x": "error in processing data", "authId=a&authId=b": "error in processing data",
		"authId=01JB0000000000000000000000": "Cannot find submission. Please check input data.",
	} {
		apitest.Golden(t, s.get(t, http.MethodDelete, "@plain", query), 400, jsonType, `{"errorCode":"`+want+`"}`)
	}
}

// An authentication is told to the project's server, signed, with what the caller had to say of it.
func TestWebhookIsTold(t *testing.T) {
	type call struct {
		header http.Header
		body   []byte
	}
	calls := make(chan call, 4)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		calls <- call{r.Header, body}
	}))
	defer hook.Close()
	s := newSite(t, map[string]store.ArgosProject{"hooked": {Similarity: 70, Webhook: hook.URL}}, apitest.Options{})
	sender := &webhook.Sender{DB: s.DB, Clock: s.Clock, Every: 50 * time.Millisecond, Log: s.Service.Log}
	s.Run(t, sender)
	p, err := s.DB.Project(t.Context(), store.APIArgos, "hooked")
	if err != nil {
		t.Fatal(err)
	}
	id := s.somebody(t, s.Look(t, s.faces.A1()))
	for _, tt := range []struct {
		picture []byte
		status  string
	}{{s.faces.A2(), "approved"}, {s.faces.B1(), "rejected"}} {
		began := time.Now().Unix()
		got := s.post(t, "@hooked", map[string]any{"submissionId": id, "faceImage": tt.picture, "userId": "u-7", "cf1": "one", "cf2": "two", "cf3": "drei"})
		var answer result
		if err := json.Unmarshal(got.Body, &answer); err != nil || answer.Status != tt.status {
			t.Fatalf("%s: %v", got.Body, err)
		}
		c := <-calls
		want := fmt.Sprintf(`{"webhook_trigger":"faceAuth","auth_id":%q,"data":{"submission_id":%q,"auth_status":%q,"create_time":%q,"user_id":"u-7","cf1":"one","cf2":"two","cf3":"drei"}}`,
			answer.ID, id, tt.status, answer.Created)
		if kind := c.header.Get("Content-Type"); kind != jsonType || string(c.body) != want {
			t.Errorf("told as %q %s, want %s", kind, c.body, want)
		}
		at, signed, ok := strings.Cut(strings.TrimPrefix(c.header.Get("X-Facegate-Signature"), "t="), ",v1=")
		mac := hmac.New(sha256.New, []byte(p.Secret))
		fmt.Fprintf(mac, "%s.%s", at, c.body)
		if !ok || signed != hex.EncodeToString(mac.Sum(nil)) {
			t.Errorf("signed %q", c.header)
		}
		if seconds, err := strconv.ParseInt(at, 10, 64); err != nil || seconds < began || seconds > time.Now().Unix() {
			t.Errorf("signed at %q, which is not between %d and now", at, began)
		}
	}
}

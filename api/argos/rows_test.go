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
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"facegate/api"
	"facegate/api/apitest"
	"facegate/api/webhook"
	"facegate/internal/sharedtest"
	"facegate/store"
)

// What a picture shows beside the person is not judged: it is compared as it is, the largest face
// in the middle of several. Whether it is alive is looked at for the trail.
func TestAsItIs(t *testing.T) {
	s := newSite(t, projects(), apitest.Options{})
	f := s.faces
	a := s.Look(t, f.A1())
	b, front := s.Look(t, f.B1()), s.Look(t, f.Front())
	const itself = `"face_similarity_score":100.0`
	for _, tt := range []struct {
		name     string
		picture  []byte
		enrolled *api.Look
		score    string // low: rejected
	}{
		{"small", f.Small(), a, one},
		{"close", f.Close(), a, one},
		{"near the border", f.Border(), a, one},
		{"cropped", f.Cut(), a, one},
		{"dark", f.Dark(), a, one},
		{"bright", f.Bright(), a, one},
		{"PNG", f.PNG(), a, one},
		{"on its side", f.Turned(), a, one},
		{"turned by 31", f.Turn30(), front, one},
		{"turned by 63", f.Turn50(), front, one},
		{"A, and B beside", f.Beside(f.A2(), f.B1()), a, one},
		{"A, and B beside, for B", f.Beside(f.A2(), f.B1()), b, low},
		{"B, and A beside", f.Beside(f.B2(), f.A2()), b, one},
		{"B, and A beside, for A", f.Beside(f.B2(), f.A2()), a, low},
		{"blurred", f.Blur(), a, low}, // too much to be like anybody
		{"another, turned by 31", f.Turn30(), a, low},
		{"several others", f.Many(), a, low},
		{"another, occluded", f.Occluded(), a, low},
		{"another, eyes closed", f.Closed(), a, low},
		{"turned by 31, itself", f.Turn30(), s.Look(t, f.Turn30()), itself},
		{"turned by 63, itself", f.Turn50(), s.Look(t, f.Turn50()), itself},
		{"occluded, itself", f.Occluded(), s.Look(t, f.Occluded()), itself},
		{"eyes closed, itself", f.Closed(), s.Look(t, f.Closed()), itself},
		{"blurred, itself", f.Blur(), s.Look(t, f.Blur()), itself},
	} {
		want := fmt.Sprintf(refusal, low, compare, compareText)
		if tt.score != low {
			want = fmt.Sprintf(approval, tt.score)
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

// printed is how a similarity of 0..1 stands in an answer.
func printed(similarity float64) string {
	tenths := int(1000 * similarity)
	return fmt.Sprintf(`"face_similarity_score":%d.%d`, tenths/10, tenths%10)
}

// A project has its own least similarity, 70 where nothing was said of it; 0 demands none.
func TestThresholds(t *testing.T) {
	s := newSite(t, map[string]store.ArgosProject{"strict": {Similarity: 90}, "off": {}}, apitest.Options{})
	s.Update(t, func(tx *store.Tx) error {
		_, err := tx.SetProject(store.Project{API: store.APIArgos, Name: "usual", Settings: []byte("{}")})
		return err
	})
	f := s.faces
	a := s.Look(t, f.A1())
	for _, tt := range []struct {
		project   string
		picture   []byte
		low, high float64 // limits of the similarity
		passes    bool
	}{
		{"usual", f.Mixed(.64), .7, .73, true},
		{"usual", f.Mixed(.66), .67, .7, false},
		{"strict", f.Mixed(.46), .9, .92, true},
		{"strict", f.Mixed(.48), .88, .9, false},
		{"off", f.Mixed(.66), .67, .7, true},
		{"off", f.B1(), 0, .5, true},
	} {
		similarity, err := s.Judge.Compare(s.Look(t, tt.picture).Template, a.Template)
		if err != nil || similarity < tt.low || similarity >= tt.high {
			t.Fatalf("the similarity is %v, %v, want one in [%v, %v)", similarity, err, tt.low, tt.high)
		}
		want := fmt.Sprintf(approval, printed(similarity))
		if !tt.passes {
			want = fmt.Sprintf(refusal, printed(similarity), compare, compareText)
		}
		got := s.post(t, "@"+tt.project, map[string]any{"submissionId": s.somebody(t, a), "faceImage": tt.picture})
		apitest.Golden(t, got, 200, jsonType, want)
	}
}

// Two faces behind masks have the scale of masks, one behind a mask that of bare faces.
func TestScaleOfMasks(t *testing.T) {
	s := newSite(t, projects(), apitest.Options{})
	enrolled, picture := s.Look(t, s.faces.Masked()), s.faces.Placed(s.faces.Masked(), 20)
	look := s.Look(t, picture)
	bare := *enrolled
	bare.Template.Masked = false
	var texts []string
	for _, e := range []*api.Look{enrolled, &bare} {
		similarity, err := s.Judge.Compare(look.Template, e.Template)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, printed(similarity))
		got := s.post(t, "@masks", map[string]any{"submissionId": s.somebody(t, e), "faceImage": picture})
		apitest.Golden(t, got, 200, jsonType, fmt.Sprintf(approval, printed(similarity)+`,"face_cover_score":"<number 50 100 =1>"`))
	}
	if texts[0] == texts[1] {
		t.Errorf("both scales say %s", texts[0])
	}
}

// Only a helmet covers a head, however little a project demands.
func TestHeadCover(t *testing.T) {
	s := newSite(t, map[string]store.ArgosProject{"low": {Similarity: 70, HeadCover: 20}}, apitest.Options{})
	dir := sharedtest.Dir(t, "faces")
	file := func(name ...string) []byte {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(append([]string{dir}, name...)...))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, tt := range []struct {
		name    string
		picture []byte
		seen    string
		least   float64 // of what the pipeline finds on the head, 0..1
	}{
		{"helmet", s.faces.Helmet(), "helmet", .2},
		{"cap", file("head_lfw", "Billy_Andrade_0001.jpg"), "other", .2},
		{"too little to be told", file("head_helmet", "helmet", "001644_5793ca.jpg"), "none", .2},
		{"bare", s.faces.A1(), "none", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := s.Look(t, tt.picture)
			if l.HeadSeen != tt.seen || l.Head == nil || *l.Head < tt.least {
				t.Fatalf("the pipeline sees %s, %v", l.HeadSeen, l.Head)
			}
			want := fmt.Sprintf(refusal, `"face_similarity_score":100.0,"head_cover_score":0.0`, head, headText)
			if tt.seen == "helmet" {
				want = fmt.Sprintf(approval, `"face_similarity_score":100.0,"head_cover_score":"<number 20 100 =1>"`)
			}
			got := s.post(t, "@low", map[string]any{"submissionId": s.somebody(t, l), "faceImage": tt.picture})
			apitest.Golden(t, got, 200, jsonType, want)
		})
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
		method string
		header http.Header
		body   []byte
	}
	calls := make(chan call, 4)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		calls <- call{r.Method, r.Header, body}
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
		if kind := c.header.Get("Content-Type"); c.method != http.MethodPost || kind != jsonType || string(c.body) != want {
			t.Errorf("told by %s as %q %s, want %s", c.method, kind, c.body, want)
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

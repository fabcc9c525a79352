package lapis

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"facegate/access"
	"facegate/api/apitest"
	"facegate/store"
)

const jsonType = "application/json"

// A site is a server with keys.
type site struct {
	*apitest.Server
	faces *apitest.Faces
	keys  map[string]string // secrets by project, "" none
	uses  map[string]int
}

func newSite(t *testing.T, o apitest.Options) *site {
	t.Helper()
	return &site{faces: apitest.NewFaces(t), Server: apitest.New(t, Register, o), keys: map[string]string{}, uses: map[string]int{}}
}

// secret is name, or where that begins with "@" a key of the project that follows, which has
// calls left.
func (s *site) secret(t *testing.T, name string) string {
	t.Helper()
	project, ok := strings.CutPrefix(name, "@")
	if !ok {
		return name
	}
	if s.uses[name]++; s.uses[name]%15 == 1 {
		_, s.keys[name] = s.Key(t, store.Key{
			API: store.APILapis, Project: project, Consent: "2", Scopes: []string{store.ScopeAuthenticate, store.ScopeEnrol, store.ScopeAdmin},
		})
	}
	return s.keys[name]
}

const mine = "@mine"

// call sends v as JSON, or what a []byte holds.
func (s *site) call(t *testing.T, method, path, secret string, v any) *apitest.Answer {
	t.Helper()
	body, ok := v.([]byte)
	if !ok && v != nil {
		var err error
		if body, err = json.Marshal(v); err != nil {
			t.Fatal(err)
		}
	}
	return s.Call(t, method, path, map[string]string{"x-api-key": s.secret(t, secret), "Content-Type": jsonType, "Accept": jsonType}, body)
}

func (s *site) post(t *testing.T, path string, v any) *apitest.Answer {
	t.Helper()
	return s.call(t, http.MethodPost, "/api/"+path, mine, v)
}

type fields map[string]any

func b64(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

// identified is the id of a card's session.
func (s *site) identified(t *testing.T, card []byte) string {
	t.Helper()
	got := s.post(t, "document-identification", fields{"frontImageBase64": b64(card)})
	var out struct {
		ID string `json:"documentIdentificationId"`
	}
	if err := json.Unmarshal(got.Body, &out); err != nil || out.ID == "" {
		t.Fatalf("%d %s: %v", got.Status, got.Body, err)
	}
	return out.ID
}

const (
	goldenKey      = `{"error":"invalid api key"}`
	goldenBody     = `{"error":"invalid request body"}`
	goldenImage    = `{"error":"invalid face image provided"}`
	goldenBase64   = `{"error":"invalid base64 front image provided"}`
	goldenBoth     = `{"error":"only one face image is accepted!"}`
	goldenNoID     = `{"error":"There is no document identification data with the provided id!"}`
	goldenMismatch = `{"error":"Face match verification FAILED!"}`
	goldenDocument = `{"error":"invalid document (front, side, back) image provided"}`
	goldenSide     = `{"error":"only one image is accepted per document side!"}`
	goldenUnknown  = `{"error":"The document supplied is not recognized!"}`
	goldenVideo    = `{"error":"invalid face video provided"}`
	goldenVideo64  = `{"error":"invalid base64 video provided"}`
	goldenVideos   = `{"error":"only one face video is accepted!"}`
	goldenLifeless = `{"error":":liveliness verification FAILED!"}`
	goldenRefused  = `{"message":"Kyc request not accepted"}`

	plainType   = "text/plain; charset=utf-8"
	goldenLarge = "Request Entity Too Large"

	goldenMatch = `{"score":"<number 0.8 1 =3>"}`
	goldenAlive = `{"score":"<number 0.9 1 =3>"}` // of the frames that are posted none is less alive

	info1 = `{"documentNumber":"B12345678","firstName":"ANNA MARIA","lastName":"MUSTER","fullName":"ANNA MARIA MUSTER","age":"<age 1984-04-12>",
		"dob":"1984/04/12","dob_day":12,"dob_month":4,"dob_year":1984,"expiry":"2040/01/31","expiry_day":31,"expiry_month":1,"expiry_year":2040,
		"daysToExpiry":"<to 2040-01-31>","documentType":"I","documentSide":"FRONT","issueAuthority":"UTO"}`
)

// golden is apitest.Golden where "<age 1984-04-12>" stands for the full years since a day as of
// today, and "<to …>" and "<since …>" for the days.
func (s *site) golden(t *testing.T, got *apitest.Answer, status int, contentType, want string) {
	t.Helper()
	y, m, d := s.Service.Now().Date()
	today := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	want = regexp.MustCompile(`"<(age|to|since) ([0-9-]+)>"`).ReplaceAllStringFunc(want, func(of string) string {
		kind, text, _ := strings.Cut(strings.Trim(of, `"<>`), " ")
		day, err := time.Parse(time.DateOnly, text)
		if err != nil {
			t.Fatal(err)
		}
		n := int(day.Sub(today) / (24 * time.Hour))
		switch kind {
		case "since":
			n = -n
		case "age":
			for n = 0; !day.AddDate(n+1, 0, 0).After(today); n++ {
			}
		}
		return strconv.Itoa(n)
	})
	apitest.Golden(t, got, status, contentType, want)
}

func TestDocument(t *testing.T) {
	s := newSite(t, apitest.Options{})
	card := b64(s.faces.Card())
	found := `{"documentIdentificationId":"<uuid>","idInformation":` + info1 + `}`
	back := strings.Replace(found, `"FRONT"`, `"BACK"`, 1)
	for _, tt := range []struct {
		name   string
		body   any
		status int
		want   string
	}{
		{"card", fields{"frontImageBase64": card}, 200, found},
		{"data URL", fields{"frontImageBase64": "data:image/jpeg;base64," + card}, 200, found},
		{"data URL in the place of a URL", fields{"frontImage": "data:image/jpeg;base64," + card}, 200, found},
		{"escaped slashes", []byte(`{"frontImageBase64":"` + strings.ReplaceAll(card, "/", `\/`) + `"}`), 200, found},
		{"read from the back", fields{"frontImageBase64": b64(s.faces.PlainCard()), "backImageBase64": b64(s.faces.FacelessCard())}, 200, back},
		{"junk", fields{"frontImageBase64": b64(s.faces.Junk())}, 400, goldenDocument},
		{"no base64", fields{"frontImageBase64": "%%%"}, 400, goldenDocument},
		{"junk at the back", fields{"frontImageBase64": card, "backImageBase64": b64(s.faces.Junk())}, 400, goldenDocument},
		{"a URL while they are off", fields{"frontImage": "https://img.example.org/a.jpg"}, 400, goldenDocument},
		{"no front", fields{"backImageBase64": card}, 400, goldenDocument},
		{"huge header", fields{"frontImageBase64": b64(s.faces.Huge())}, 400, goldenDocument},
		{"a row too many", fields{"frontImageBase64": b64(s.faces.Over())}, 400, goldenDocument},
		{"a column too few", fields{"frontImageBase64": b64(s.faces.Thin())}, 400, goldenDocument},
		{"front twice", fields{"frontImage": "https://img.example.org/a.jpg", "frontImageBase64": card}, 400, goldenSide},
		{"side twice", fields{"frontImageBase64": card, "sideImage": "x", "sideImageBase64": card}, 400, goldenSide},
		{"no zone", fields{"frontImageBase64": b64(s.faces.PlainCard())}, 400, goldenUnknown},
		{"wrong check digit", fields{"frontImageBase64": b64(s.faces.BadCard())}, 400, goldenUnknown},
		{"empty body", []byte{}, 400, goldenBody},
		{"broken JSON", []byte(`{"frontImage":`), 400, goldenBody},
		{"wrong type", fields{"frontImageBase64": 7}, 400, goldenBody},
		{"deep", []byte(`{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`), 400, goldenBody},
		{"field twice", []byte(`{"frontImage":"a","frontImage":"b"}`), 400, goldenBody},
		{"bad UTF-8", []byte("{\"frontImage\":\"\xff\"}"), 400, goldenBody},
		{"trailing bytes", []byte(`{"frontImage":"a"} x`), 400, goldenBody},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.golden(t, s.post(t, "document-identification", tt.body), tt.status, jsonType, tt.want)
		})
	}
}

func TestKeys(t *testing.T) {
	s := newSite(t, apitest.Options{})
	_, reader := s.Key(t, store.Key{API: store.APILapis, Scopes: []string{store.ScopeRead}})
	_, other := s.Key(t, store.Key{API: store.APIFacephi, Scopes: store.Scopes()})
	for _, path := range []string{
		"POST /api/document-identification", "POST /api/face-authentication", "POST /api/liveliness-verification", "POST /api/kyc-request",
		"GET /api/kyc-request", "GET /api/kyc-request/6f1c2b0e-0000-4000-8000-000000000000", "POST /api/accept-request", "PUT /api/accept",
		"DELETE /api/delete-request",
	} {
		method, path, _ := strings.Cut(path, " ")
		for _, secret := range []string{"", "nonsense", reader, other} {
			apitest.Golden(t, s.call(t, method, path, secret, fields{}), 401, jsonType, goldenKey)
		}
		got := s.call(t, http.MethodPatch, path, "", nil)
		apitest.Golden(t, got, 405, jsonType, `{"error":"method not allowed"}`)
		if !strings.Contains(got.Header.Get("Allow"), method) {
			t.Errorf("Allow of %s: %q", path, got.Header.Get("Allow"))
		}
	}
	_, vague := s.Key(t, store.Key{API: store.APILapis, Scopes: []string{store.ScopeEnrol}})
	got := s.call(t, http.MethodPost, "/api/document-identification", vague, fields{"frontImageBase64": b64(s.faces.Card())})
	apitest.Golden(t, got, 401, jsonType, goldenKey) // it vouches for nobody's consent
	secret := s.secret(t, mine)
	for range 200 { // 20 are let pass at once, and as many as the machine is slow
		if got = s.call(t, http.MethodGet, "/api/kyc-request", secret, nil); got.Status == 429 {
			break
		}
	}
	apitest.Golden(t, got, 429, jsonType, `{"error":"too many requests"}`)
	if got.Header.Get("Retry-After") == "" {
		t.Error("nobody is told when to try again")
	}
}

func TestFace(t *testing.T) {
	s := newSite(t, apitest.Options{})
	id := s.identified(t, s.faces.Card())
	faceless := s.identified(t, s.faces.FacelessCard())
	a2, junk := b64(s.faces.A2()), b64(s.faces.Junk())
	random := newUUID()
	for _, tt := range []struct {
		name   string
		body   any
		status int
		want   string
	}{
		{"the same person", fields{"faceImageBase64": a2, "documentIdentificationId": id}, 200, goldenMatch},
		{"data URL", fields{"faceImage": "data:image/jpeg;base64," + a2, "documentIdentificationId": id}, 200, goldenMatch},
		{"a URL while they are off", fields{"faceImage": "https://img.example.org/a.jpg", "documentIdentificationId": id}, 400, goldenImage},
		{"a URL of this machine", fields{"faceImage": "http://127.0.0.1/a.jpg", "documentIdentificationId": random}, 400, goldenImage},
		{"nothing", fields{"documentIdentificationId": id}, 400, goldenImage},
		{"nothing at all", fields{}, 400, goldenImage},
		{"no base64", fields{"faceImageBase64": "@@@", "documentIdentificationId": id}, 400, goldenBase64},
		{"no data URL", fields{"faceImage": "data:image/jpeg,abc", "documentIdentificationId": id}, 400, goldenBase64},
		{"junk", fields{"faceImageBase64": junk, "documentIdentificationId": id}, 400, goldenBase64},
		{"junk before an unknown id", fields{"faceImageBase64": junk, "documentIdentificationId": random}, 400, goldenBase64},
		{"GIF", fields{"faceImageBase64": b64(s.faces.GIF()), "documentIdentificationId": id}, 400, goldenBase64},
		{"cut off", fields{"faceImageBase64": b64(s.faces.A2()[:2000]), "documentIdentificationId": id}, 400, goldenBase64},
		{"both", fields{"faceImage": "https://img.example.org/a.jpg", "faceImageBase64": a2, "documentIdentificationId": id}, 400, goldenBoth},
		{"both before junk", fields{"faceImage": "x", "faceImageBase64": "@@@"}, 400, goldenBoth},
		{"random id", fields{"faceImageBase64": a2, "documentIdentificationId": random}, 400, goldenNoID},
		{"no id", fields{"faceImageBase64": a2}, 400, goldenNoID},
		{"long id", fields{"faceImageBase64": a2, "documentIdentificationId": strings.Repeat("x", 10_000)}, 400, goldenNoID},
		{"another person", fields{"faceImageBase64": b64(s.faces.B1()), "documentIdentificationId": id}, 400, goldenMismatch},
		{"nobody", fields{"faceImageBase64": b64(s.faces.None()), "documentIdentificationId": id}, 400, goldenMismatch},
		{"no face on the document", fields{"faceImageBase64": a2, "documentIdentificationId": faceless}, 400, goldenMismatch},
		{"wrong type", fields{"faceImageBase64": []string{a2}, "documentIdentificationId": id}, 400, goldenBody},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == "another person" {
				id := s.identified(t, s.faces.Card()) // for more tries
				tt.body.(fields)["documentIdentificationId"] = id
			}
			got := s.post(t, "face-authentication", tt.body)
			apitest.Golden(t, got, tt.status, jsonType, tt.want)
			if tt.status != 200 && bytes.Contains(got.Body, []byte("score")) {
				t.Errorf("a similarity in %s", got.Body)
			}
		})
	}
	t.Run("key of another project", func(t *testing.T) {
		got := s.call(t, http.MethodPost, "/api/face-authentication", "@yours", fields{"faceImageBase64": a2, "documentIdentificationId": id})
		apitest.Golden(t, got, 400, jsonType, goldenNoID)
	})
	t.Run("tries", func(t *testing.T) {
		id, began := s.identified(t, s.faces.Card()), time.Now()
		try := func() *apitest.Answer { // with a picture that takes no time: it is looked at before the try is counted
			return s.post(t, "face-authentication", fields{"faceImageBase64": b64(s.faces.None()), "documentIdentificationId": id})
		}
		for range 5 {
			apitest.Golden(t, try(), 400, jsonType, goldenMismatch)
		}
		s.Spent(t, s.Service.Keys.TryOther, "document "+id, began)
		apitest.Golden(t, try(), 429, jsonType, `{"error":"too many requests"}`)
	})
	for _, e := range s.Events(t) {
		if e.Scores.Match != nil {
			t.Errorf("a similarity in the trail, of a face that may not live: %s", e.Line())
		}
	}
}

// TestTooLarge sends one character too many: announced, not announced, and announced above the
// limit of the body, of which nothing is read then.
func TestTooLarge(t *testing.T) {
	s := newSite(t, apitest.Options{})
	text := strings.Repeat("A", maxText+1)
	answered := func() {} // is called once an answer begins
	send := func(path, secret string, length int64, body io.Reader) *apitest.Answer {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/api/"+path, body)
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = length
		r.Header.Set("Content-Type", jsonType)
		r.Header.Set("x-api-key", secret)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answered()
		defer resp.Body.Close()
		said, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return &apitest.Answer{Status: resp.StatusCode, Header: resp.Header, Body: said}
	}
	for path, name := range map[string]string{
		"document-identification": "frontImageBase64", "face-authentication": "faceImageBase64", "liveliness-verification": "faceVideoBase64",
	} {
		body := func() io.Reader {
			return io.MultiReader(strings.NewReader(`{"`+name+`":"`), strings.NewReader(text), strings.NewReader(`"}`))
		}
		apitest.Golden(t, send(path, s.secret(t, mine), int64(len(name)+7+len(text)), body()), 413, plainType, goldenLarge)
		apitest.Golden(t, send(path, s.secret(t, mine), -1, body()), 413, plainType, goldenLarge)
		// Before a byte is read, and before the key: nothing is sent before the answer begins.
		late, now := io.Pipe()
		answered = func() {
			go func() {
				_, err := io.CopyN(now, io.MultiReader(body(), strings.NewReader(strings.Repeat(" ", 64<<10))), maxBody+1)
				now.CloseWithError(err)
			}()
		}
		apitest.Golden(t, send(path, "", maxBody+1, late), 413, plainType, goldenLarge)
		answered = func() {}
	}
	// As much as there may be is looked at.
	got := s.post(t, "face-authentication", fields{"faceImageBase64": text[:maxText], "documentIdentificationId": newUUID()})
	apitest.Golden(t, got, 400, jsonType, goldenBase64)
}

func TestLiveliness(t *testing.T) {
	s := newSite(t, apitest.Options{})
	a1, a2, a3, a4 := s.faces.A1(), s.faces.A2(), s.faces.A3(), s.faces.A4()
	moving := times(4, a1, a2, a3, a4)
	live, known := b64(avi(moving...)), s.identified(t, s.faces.Card())
	long := times(38, a1, a2, a3, a4) // ten frames a second
	var walk [][]byte                 // from the left to the right, none further than a head from the last
	for i := range 17 {
		walk = append(walk, s.faces.Placed(moving[i%4], 20*i))
	}
	other, err := os.ReadFile(filepath.Join("..", "video", "testdata", "mpeg4.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		body   fields // without the id
		id     string // empty: of a new session
		status int
		want   string
	}{
		{"AVI, in the place of a URL", fields{"faceVideo": "data:video/x-msvideo;base64," + live}, "", 200, goldenAlive},
		{"MP4", fields{"faceVideoBase64": "data:video/mp4;base64," + b64(mp4(moving...))}, "", 200, goldenAlive},
		{"MOV, without a prefix", fields{"faceVideoBase64": b64(mov(moving...))}, "", 200, goldenAlive},
		{"a URL while they are off", fields{"faceVideo": "https://img.example.org/a.mp4"}, known, 400, goldenVideo},
		{"nothing", fields{}, known, 400, goldenVideo},
		{"junk", fields{"faceVideoBase64": b64(s.faces.Junk())}, known, 400, goldenVideo64},
		{"no base64", fields{"faceVideoBase64": "@@@"}, known, 400, goldenVideo64},
		{"MPEG-4", fields{"faceVideoBase64": "data:video/mp4;base64," + b64(other)}, known, 400, goldenVideo64},
		{"H.264", fields{"faceVideoBase64": "data:video/mp4;base64," + b64(h264(16))}, known, 400, goldenVideo64},
		{"H.264, in the place of a URL", fields{"faceVideo": "data:video/mp4;base64," + b64(h264(16))}, known, 400, goldenVideo64},
		{"junk in a data URL", fields{"faceVideo": "data:video/mp4;base64," + b64(s.faces.Junk())}, known, 400, goldenVideo64},
		{"14.9 s", fields{"faceVideoBase64": b64(avi(long[:149]...))}, "", 200, goldenAlive},
		{"15 s", fields{"faceVideoBase64": b64(avi(long[:150]...))}, "", 400, goldenVideo64},
		{"14.9 s, MP4", fields{"faceVideoBase64": b64(mp4(long[:149]...))}, "", 200, goldenAlive},
		{"15 s, MP4", fields{"faceVideoBase64": b64(mp4(long[:150]...))}, "", 400, goldenVideo64},
		{"15 s, in the place of a URL", fields{"faceVideo": "data:video/quicktime;base64," + b64(mov(long[:150]...))}, "", 400, goldenVideo64},
		{"both", fields{"faceVideo": "https://img.example.org/a.mp4", "faceVideoBase64": live}, known, 400, goldenVideos},
		{"random id", fields{"faceVideoBase64": live}, newUUID(), 400, goldenNoID},
		{"one picture repeated", fields{"faceVideoBase64": b64(avi(times(12, a1)...))}, "", 400, goldenLifeless},
		{"a screen", fields{"faceVideoBase64": b64(avi(times(6, s.faces.Spoof(), s.faces.Spoof())...))}, "", 400, goldenLifeless},
		{"too short", fields{"faceVideoBase64": b64(avi(a1, a2, a3, a4, a1, a2, a3, a4, a1))}, "", 400, goldenLifeless},
		{"alive for too short", fields{"faceVideoBase64": b64(avi(append(slices.Clone(moving[:9]), times(3, s.faces.None())...)...))}, "", 400, goldenLifeless},
		{"a screen now and then", fields{"faceVideoBase64": b64(avi(append(slices.Clone(moving[:10]), times(3, s.faces.Spoof())...)...))}, "", 400, goldenLifeless},
		{"somebody else", fields{"faceVideoBase64": b64(avi(times(6, s.faces.B1(), s.faces.B2())...))}, "", 400, goldenLifeless},
		{"two people in turn", fields{"faceVideoBase64": b64(avi(times(4, a1, a2, s.faces.B1(), a3)...))}, "", 400, goldenLifeless},
		{"walks", fields{"faceVideoBase64": b64(avi(walk...))}, "", 200, goldenAlive},
		{"jumps from right to left", fields{"faceVideoBase64": b64(avi(slices.Concat(walk[8:], walk[:8])...))}, "", 400, goldenLifeless},
		{"nobody", fields{"faceVideoBase64": b64(avi(times(12, s.faces.None())...))}, "", 400, goldenLifeless},
		{"several people", fields{"faceVideoBase64": b64(avi(times(12, s.faces.Many())...))}, "", 400, goldenLifeless},
		{"frames that are no pictures", fields{"faceVideoBase64": b64(avi(times(12, []byte("\xff\xd8\xff\xe0 junk"))...))}, "", 400, goldenLifeless},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.id == "" {
				tt.id = s.identified(t, s.faces.Card())
			}
			tt.body["documentIdentificationId"] = tt.id
			apitest.Golden(t, s.post(t, "liveliness-verification", tt.body), tt.status, jsonType, tt.want)
		})
	}
}

func TestRequests(t *testing.T) {
	s := newSite(t, apitest.Options{})
	create := func(t *testing.T, secret, email, phone, id string) *apitest.Answer {
		t.Helper()
		return s.call(t, http.MethodPost, "/api/kyc-request", secret, fields{"email": email, "phoneNumber": phone, "documentIdentificationId": id})
	}
	list := func(t *testing.T, id string) *apitest.Answer {
		t.Helper()
		return s.call(t, http.MethodGet, "/api/kyc-request"+id, mine, nil)
	}
	entry := func(email, phone string, validated, accepted bool, match string) string {
		return fmt.Sprintf(`{"id":"<uuid>","email":%q,"phoneNumber":%q,"isValidated":%v,"isAccepted":%v,"idFrontImage":null,"idBackImage":null,"idSideImage":null,"faceImage":null,"faceMatch":%s,"idInformation":%s}`,
			email, phone, validated, accepted, match, info1)
	}
	const submitted = `{"message":"Request submitted"}`
	matched := s.identified(t, s.faces.Card())
	got := s.post(t, "face-authentication", fields{"faceImageBase64": b64(s.faces.A2()), "documentIdentificationId": matched})
	apitest.Golden(t, got, 200, jsonType, goldenMatch)
	unmatched := s.identified(t, s.faces.Card())

	apitest.Golden(t, list(t, ""), 200, jsonType, `{"requests":[]}`)
	apitest.Golden(t, create(t, mine, "ada@example.org", "+49 151 1234567", newUUID()), 400, jsonType, goldenNoID)
	for _, bad := range [][2]string{
		{"", "+491511234567"},
		{"ada", "+491511234567"},
		{"Ada <ada@example.org>", "+491511234567"},
		{"ada@example.org", ""},
		{"ada@example.org", "call me"},
		{"ada@example.org", "0151 1234567"},
		{"ada@example.org", "(0151) 1234567"},
		{"ada@example.org", "+0151 1234567"},
		{"ada@example.org", "000151 1234567"},
		{"ada@example.org", "+0049 151 1234567"},
	} {
		apitest.Golden(t, create(t, mine, bad[0], bad[1], matched), 400, jsonType, goldenBody)
	}
	apitest.Golden(t, create(t, mine, "ada@example.org", "+49 151 1234567", matched), 201, jsonType, submitted)
	apitest.Golden(t, create(t, mine, "bea@example.org", "+49 151 7654321", matched), 400, jsonType, goldenNoID)
	for _, used := range [][2]string{{"ADA@example.org", "+491510000000"}, {"bea@example.org", "+491511234567"}, {"bea@example.org", "0049 151 1234567"}, {"bea@example.org", "49 151 1234567"}, {"bea@example.org", "+49 (0)151 1234567"}} {
		apitest.Golden(t, create(t, mine, used[0], used[1], unmatched), 409, jsonType, `{"error":"email or phone number already in use"}`)
	}
	apitest.Golden(t, create(t, mine, "bea@example.org", "0049 151 7654321", unmatched), 201, jsonType, submitted)
	apitest.Golden(t, create(t, mine, "dea@example.org", "+49 151 7654321", s.identified(t, s.faces.Card())), 409, jsonType, `{"error":"email or phone number already in use"}`)
	s.golden(t, list(t, ""), 200, jsonType,
		`{"requests":[`+entry("ada@example.org", "+49 151 1234567", true, false, `"<number 0.8 1 =3>"`)+`,`+entry("bea@example.org", "0049 151 7654321", false, false, "null")+`]}`)
	apitest.Golden(t, s.call(t, http.MethodGet, "/api/kyc-request", "@yours", nil), 200, jsonType, `{"requests":[]}`)
	var all struct {
		Requests []struct {
			ID string `json:"id"`
		} `json:"requests"`
	}
	if err := json.Unmarshal(list(t, "").Body, &all); err != nil {
		t.Fatal(err)
	}
	ada, bea := all.Requests[0].ID, all.Requests[1].ID
	s.golden(t, list(t, "/"+bea), 200, jsonType, `{"requests":[`+entry("bea@example.org", "0049 151 7654321", false, false, "null")+`]}`)
	apitest.Golden(t, list(t, "/"+newUUID()), 200, jsonType, `{"requests":[]}`)
	apitest.Golden(t, list(t, "/x"), 200, jsonType, `{"requests":[]}`)

	accept := func(t *testing.T, secret, id string) *apitest.Answer {
		t.Helper()
		return s.call(t, http.MethodPost, "/api/accept-request", secret, fields{"id": id})
	}
	for name, id := range map[string]string{"unknown": newUUID(), "without a face": bea, "none": ""} {
		t.Run("accept "+name, func(t *testing.T) { apitest.Golden(t, accept(t, mine, id), 400, jsonType, goldenRefused) })
	}
	t.Run("accept of another project", func(t *testing.T) { apitest.Golden(t, accept(t, "@yours", ada), 400, jsonType, goldenRefused) })
	t.Run("accept without consent", func(t *testing.T) {
		_, secret := s.Key(t, store.Key{API: store.APILapis, Project: "mine", Scopes: []string{store.ScopeAdmin}})
		apitest.Golden(t, accept(t, secret, ada), 400, jsonType, goldenRefused)
		if _, err := s.DB.Person(t.Context(), ada); err == nil {
			t.Error("somebody is left behind")
		}
	})
	apitest.Golden(t, accept(t, mine, ada), 200, jsonType, `{"message":"Kyc request accepted"}`)
	apitest.Golden(t, s.call(t, http.MethodPut, "/api/accept", mine, fields{"id": ada}), 400, jsonType, goldenRefused)
	s.golden(t, list(t, "/"+ada), 200, jsonType, `{"requests":[`+entry("ada@example.org", "+49 151 1234567", true, true, `"<number 0.8 1 =3>"`)+`]}`)
	p, err := s.DB.Person(t.Context(), ada)
	if err != nil || p.Name != "ANNA MARIA MUSTER" || p.Consent == nil || p.Consent.Text != "2" || p.Consent.How != "api" {
		t.Errorf("the person is %+v, %v", p, err)
	}
	found, err := s.Judge.Search(t.Context(), s.Look(t, s.faces.A1()).Template, 1)
	if err != nil || len(found) != 1 || found[0].Person != ada {
		t.Errorf("a search for the face finds %v, %v", found, err)
	}
	t.Run("accept a face twice", func(t *testing.T) {
		again := s.identified(t, s.faces.Card())
		s.post(t, "face-authentication", fields{"faceImageBase64": b64(s.faces.A1()), "documentIdentificationId": again})
		apitest.Golden(t, create(t, mine, "cea@example.org", "+49 151 1111111", again), 201, jsonType, submitted)
		if err := json.Unmarshal(list(t, "").Body, &all); err != nil {
			t.Fatal(err)
		}
		cea := all.Requests[2].ID
		apitest.Golden(t, accept(t, mine, cea), 400, jsonType, goldenRefused)
		if _, err := s.DB.Person(t.Context(), cea); err == nil {
			t.Error("somebody is left behind")
		}
	})

	remove := func(t *testing.T, v any) *apitest.Answer {
		t.Helper()
		return s.call(t, http.MethodDelete, "/api/delete-request", mine, v)
	}
	apitest.Golden(t, remove(t, fields{}), 400, jsonType, `{"error":"id is required"}`)
	apitest.Golden(t, remove(t, nil), 400, jsonType, `{"error":"id is required"}`)
	apitest.Golden(t, remove(t, fields{"id": newUUID()}), 400, jsonType, `{"error":"there is no request with the provided id"}`)
	apitest.Golden(t, remove(t, fields{"id": bea}), 200, jsonType, `{"message":"KYC request deleted!"}`)
	apitest.Golden(t, list(t, "/"+bea), 200, jsonType, `{"requests":[]}`)
	if _, err := s.DB.ErasePerson(t.Context(), store.Act{At: time.Now(), Source: access.SourceSystem}, ada); err != nil {
		t.Fatal(err)
	}
	apitest.Golden(t, list(t, "/"+ada), 200, jsonType, `{"requests":[]}`)
}

// TestExpired does not take a document for valid that has expired, or where nobody knows.
func TestExpired(t *testing.T) {
	s := newSite(t, apitest.Options{})
	for _, tt := range []struct {
		card   []byte
		unsure bool
	}{{s.faces.OldCard(), false}, {s.faces.Card(), true}} {
		id := s.identified(t, tt.card)
		apitest.Golden(t, s.post(t, "face-authentication", fields{"faceImageBase64": b64(s.faces.A2()), "documentIdentificationId": id}), 200, jsonType, goldenMatch)
		got := s.post(t, "kyc-request", fields{"email": id[:8] + "@example.org", "phoneNumber": "+4915" + fmt.Sprint(len(tt.card)), "documentIdentificationId": id})
		apitest.Golden(t, got, 201, jsonType, `{"message":"Request submitted"}`)
		s.Clock.SetUnsure(tt.unsure)
		var all struct {
			Requests []struct {
				ID        string `json:"id"`
				Validated bool   `json:"isValidated"`
			} `json:"requests"`
		}
		if err := json.Unmarshal(s.call(t, http.MethodGet, "/api/kyc-request", mine, nil).Body, &all); err != nil {
			t.Fatal(err)
		}
		last := all.Requests[len(all.Requests)-1]
		if last.Validated {
			t.Errorf("clock unsure %v: it is taken for valid", tt.unsure)
		}
		apitest.Golden(t, s.post(t, "accept-request", fields{"id": last.ID}), 400, jsonType, goldenRefused)
		s.Clock.SetUnsure(false)
	}
}

func TestBroken(t *testing.T) {
	s := newSite(t, apitest.Options{Broken: []string{"detect_short"}})
	const internal = `{"error":"internal error"}`
	apitest.Golden(t, s.post(t, "document-identification", fields{"frontImageBase64": b64(s.faces.Card())}), 500, jsonType, internal)
	busy := newSite(t, apitest.Options{Deadline: time.Nanosecond})
	got := busy.post(t, "document-identification", fields{"frontImageBase64": b64(s.faces.Card())})
	apitest.Golden(t, got, 503, jsonType, `{"error":"service unavailable"}`)
	if got.Header.Get("Retry-After") == "" {
		t.Error("nobody is told when to try again")
	}
}

func TestCountries(t *testing.T) {
	for code, want := range map[string]country{
		"DEU": {"DE", "DEU", "Germany"}, "D": {"DE", "DEU", "Germany"}, "GBN": {"GB", "GBR", "United Kingdom"}, "ZWE": {"ZW", "ZWE", "Zimbabwe"},
		"ABW": {"AW", "ABW", "Aruba"}, "UTO": {}, "": {}, "DE ": {}, "\n": {}, "USA": {"US", "USA", "United States"},
	} {
		if got, ok := countryOf(code); got != want || ok != (want != country{}) {
			t.Errorf("%q: %v, %v; want %v", code, got, ok, want)
		}
	}
}

func TestSettings(t *testing.T) {
	for text, ok := range map[string]bool{
		`{}`: true, `{"similarity":0.9,"hosts":["img.example.org"]}`: true, `{"similarity":0}`: false, `{"similarity":2}`: false, `{"x":1}`: false, `[]`: false,
		`{"hosts":["IMG.example.org"]}`: true, `{"hosts":["https://img.example.org"]}`: false, `{"hosts":["img.example.org:443"]}`: false, `{"hosts":["*.example.org"]}`: false,
		`{"hosts":["10.0.0.1"]}`: false, `{"hosts":["[::1]"]}`: false, `{"hosts":["img.example.org/x"]}`: false, `{"hosts":["a@img.example.org"]}`: false, `{"hosts":[""]}`: false,
	} {
		if _, err := ParseSettings([]byte(text)); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}

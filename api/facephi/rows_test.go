package facephi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"facegate/access"
	"facegate/api/apitest"
	"facegate/store"
)

// A picture, the liveness code that it has, and the facial code of it held against A: 0 where it is
// not compared.
type picture struct {
	name   string
	file   []byte
	code   int
	log    string
	facial int
}

// pictures are all that the tests have: one or more of every code that a picture can have.
func (c *client) pictures() []picture {
	return []picture{
		{"A1", c.A1(), 3, "Live", 3},
		{"A2", c.A2(), 3, "Live", 3},
		{"A3", c.A3(), 3, "Live", 3},
		{"A4", c.A4(), 3, "Live", 3},
		{"PNG", c.PNG(), 3, "Live", 3},
		{"Turned", c.Turned(), 3, "Live", 3},
		{"Big", c.Big(), 3, "Live", 3},
		{"B1", c.B1(), 3, "Live", 1},
		{"B2", c.B2(), 3, "Live", 1},
		{"Masked", c.Masked(), 3, "Live", 1},
		{"Helmet", c.Helmet(), 3, "Live", 1},
		{"Front", c.Front(), 3, "Live", 1},
		{"Turn30", c.Turn30(), 3, "Live", 4},
		{"Blur", c.Blur(), 4, "NoneBecauseBadQuality", 0},
		{"Dark", c.Dark(), 4, "NoneBecauseBadQuality", 0},
		{"Bright", c.Bright(), 4, "NoneBecauseBadQuality", 0},
		{"Close", c.Close(), 5, "NoneBecauseFaceTooClose", 0},
		{"None", c.None(), 6, "NoneBecauseFaceNotFound", 0},
		{"FacelessCard", c.FacelessCard(), 6, "NoneBecauseFaceNotFound", 0},
		{"Small", c.Small(), 7, "NoneBecauseFaceTooSmall", 0},
		{"TD2", c.Specimen("pe_100_pass2-uto.jpg"), 7, "NoneBecauseFaceTooSmall", 0},
		{"Turn50", c.Turn50(), 8, "NoneBecauseAngleTooLarge", 0},
		{"Junk", c.Junk(), 9, "NoneBecauseImageDataError", 0},
		{"Short", c.Short(), 9, "NoneBecauseImageDataError", 0},
		{"GIF", c.GIF(), 9, "NoneBecauseImageDataError", 0},
		{"WebP", c.WebP(), 9, "NoneBecauseImageDataError", 0},
		{"TIFF", c.TIFF(), 9, "NoneBecauseImageDataError", 0},
		{"HEIC", c.HEIC(), 9, "NoneBecauseImageDataError", 0},
		{"OnePixel", c.OnePixel(), 11, "NoneBecauseImagePreprocessError", 0},
		{"Over", c.Over(), 11, "NoneBecauseImagePreprocessError", 0},
		{"Thin", c.Thin(), 11, "NoneBecauseImagePreprocessError", 0},
		{"Huge", c.Huge(), 11, "NoneBecauseImagePreprocessError", 0},
		{"CMYK", c.CMYK(), 11, "NoneBecauseImagePreprocessError", 0},
		{"Sixteen", c.Sixteen(), 11, "NoneBecauseImagePreprocessError", 0},
		{"Many", c.Many(), 12, "NoneBecauseTooManyFaces", 0},
		{"Border", c.Border(), 13, "NoneBecauseFaceTooCloseToBorder", 0},
		{"Cut", c.Cut(), 14, "NoneBecauseFaceCropped", 0},
		{"Occluded", c.Occluded(), 16, "NoneBecauseFaceOccluded", 0},
		{"Spoof", c.Spoof(), 17, "NoLive", 0},
		{"Bare", c.Bare(), 17, "NoLive", 0}, // a false alarm
		{"Card", c.Card(), 17, "NoLive", 0},
		{"OldCard", c.OldCard(), 17, "NoLive", 0},
		{"BadCard", c.BadCard(), 17, "NoLive", 0},
		{"PlainCard", c.PlainCard(), 17, "NoLive", 0},
		{"Licence", c.Licence(), 17, "NoLive", 0},
		{"TD3", c.Specimen("pe_100_pass-hrv.jpg"), 17, "NoLive", 0},
		{"Closed", c.Closed(), 18, "NoneBecauseEyesClosed", 0},
	}
}

// The rows of the liveness codes, of both calls, over all pictures. No answer has one of the
// deprecated codes.
func TestLivenessRows(t *testing.T) {
	c := newClient(t, apitest.Options{})
	token := c.enrol("001", c.A1(), c.A3())
	sent := make(map[int]bool)
	note := func(a *apitest.Answer) *apitest.Answer {
		var r struct {
			Code *int `json:"serviceLivenessResult"`
		}
		if err := json.Unmarshal(a.Body, &r); err != nil || r.Code == nil {
			t.Fatalf("no liveness in %s: %v", a.Body, err)
		}
		sent[*r.Code] = true
		return a
	}
	for _, p := range c.pictures() {
		t.Run(p.name, func(t *testing.T) {
			want := fmt.Sprintf(`{"serviceResultCode":0,"serviceResultLog":%q,"serviceTime":"<digits>","serviceTransactionId":"<uuid>","serviceLivenessResult":%d}`, p.log, p.code)
			apitest.Golden(t, note(c.post("/services/evaluatePassiveLiveness", m{"imageBuffer": b64(p.file)})), 200, jsonType, want)
			c.forgetTries()
			want = map[int]string{
				0: result(-101, notLive, p.code, 0, "0"), 1: result(-102, otherFace, p.code, 1, `"<number 0 0.7999 4>"`),
				3: result(0, yes, p.code, 3, `"<number 0.8 1 4>"`), 4: result(-102, otherFace, p.code, 4, "0"),
			}[p.facial]
			a := c.post("/services/authenticateUser", m{"userId": "001", "registeredTemplateRaw": token, "bestImageToken": b64(p.file)})
			apitest.Golden(t, note(a), 200, jsonType, want)
		})
	}
	if sent[1] || sent[2] {
		t.Error("a deprecated code was sent")
	}
	a := c.post("/services/evaluatePassiveLivenessToken", m{"imageBuffer": "data:image/jpeg;base64," + strings.TrimRight(b64(c.A2()), "="), "unknown": m{"x": []int{1}}})
	apitest.Golden(t, a, 200, jsonType, `{"serviceResultCode":0,"serviceResultLog":"Live","serviceTime":"<digits>","serviceTransactionId":"<uuid>","serviceLivenessResult":3}`)
}

// What is wrong is told in the order of the contract, and a face that is turned is not compared
// although it is the user's.
func TestOrder(t *testing.T) {
	c := newClient(t, apitest.Options{})
	a := c.enrol("001", c.A1(), c.A3())
	front := c.enrol("002", c.Front(), c.Front())
	try := func(user, token string, live []byte) *apitest.Answer {
		t.Helper()
		c.forgetTries()
		return c.post("/services/authenticateUser", m{"userId": user, "registeredTemplateRaw": token, "bestImageToken": b64(live)})
	}
	apitest.Golden(t, try("002", a, c.A2()), 200, jsonType, result(-100, notBound("002"), 0, 0, "0")) // the token of another user
	apitest.Golden(t, try("002", a, c.Spoof()), 200, jsonType, result(-100, notBound("002"), 0, 0, "0"))
	apitest.Golden(t, try("001", a, c.B1()), 200, jsonType, result(-102, otherFace, 3, 1, `"<number 0 0.7999 4>"`))
	apitest.Golden(t, try("002", front, c.Turn30()), 200, jsonType, result(-102, otherFace, 3, 4, "0"))
	apitest.Golden(t, try("002", front, c.Turn50()), 200, jsonType, result(-101, notLive, 8, 0, "0"))

	// Whoever is blocked, or not valid yet, is nobody to callers.
	for _, change := range []func(*access.Person){
		func(p *access.Person) { p.Blocked = true },
		func(p *access.Person) { p.Blocked, p.ValidFrom = false, time.Now().Add(time.Hour) },
	} {
		c.Update(t, func(tx *store.Tx) error {
			_, err := tx.ChangePerson("001", "test", func(p *access.Person) error { change(p); return nil })
			return err
		})
		apitest.Golden(t, try("001", a, c.A2()), 200, jsonType, result(-100, notBound("001"), 0, 0, "0"))
		// As often as somebody unknown, of whom a key that enrols nobody is told the same.
		c.forgetTries()
		_, c.secret = c.Key(t, store.Key{API: store.APIFacephi, Scopes: []string{store.ScopeAuthenticate}})
		for _, user := range []string{"001", "555"} {
			refer, began := m{"userId": user, "image": b64(c.A1()), "bestImageToken": b64(c.A2())}, time.Now()
			for range 5 {
				apitest.Golden(t, c.post("/services/authenticateUser", refer), 200, jsonType, result(-100, notBound(user), 0, 0, "0"))
			}
			c.Spent(t, c.Service.Keys.Try, user, began)
			apitest.Golden(t, c.post("/services/authenticateUser", refer), 429, jsonType, problem(429, "Too many requests."))
		}
	}

	big := []byte(`{"imageBuffer":"` + strings.Repeat("A", 10<<20) + `"}`)
	got := c.Call(t, http.MethodPost, "/services/evaluatePassiveLiveness", map[string]string{"x-api-key": "unknown"}, big)
	apitest.Golden(t, got, 401, jsonType, problem(401, "Invalid API key."))
}

// From 0.80 on two faces are one person's. The similarity is that of the templates, cut off.
func TestThreshold(t *testing.T) {
	c := newClient(t, apitest.Options{})
	token := c.enrol("001", c.A1(), c.A3())
	enrolled := c.Look(t, c.A1()).Template
	for _, tt := range []struct {
		share, least, most float64
		code, facial       int
		log                string
	}{
		{.54, .8, .82, 0, 3, yes},
		{.55, .78, .8, -102, 1, otherFace},
	} {
		picture := c.Mixed(tt.share)
		score, err := c.Judge.Compare(enrolled, c.Look(t, picture).Template)
		if err != nil || score < tt.least || score >= tt.most {
			t.Fatalf("a share of %v is alike by %v, %v", tt.share, score, err)
		}
		text := strings.TrimRight(strconv.FormatFloat(score, 'f', -1, 64)[:6], "0")
		a := c.post("/services/authenticateUser", m{"userId": "001", "registeredTemplateRaw": token, "bestImageToken": b64(picture)})
		apitest.Golden(t, a, 200, jsonType, result(tt.code, tt.log, 3, tt.facial, text))
	}
}

// A picture that is not looked at in time is 504, whatever it would have shown.
func TestDeadline(t *testing.T) {
	c := newClient(t, apitest.Options{Deadline: time.Millisecond})
	apitest.Golden(t, c.post("/services/evaluatePassiveLiveness", m{"imageBuffer": b64(c.Big())}), 504, jsonType, timedOut)
}

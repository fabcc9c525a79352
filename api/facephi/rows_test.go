package facephi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"facegate/access"
	"facegate/api/apitest"
	"facegate/store"
)

// A picture and the liveness code that it has.
type picture struct {
	name string
	file []byte
	code int
	log  string
}

// pictures are one or more of every code that a picture can have.
func (c *client) pictures() []picture {
	return []picture{
		{"A2", c.A2(), 3, "Live"},
		{"PNG", c.PNG(), 3, "Live"},
		{"Turned", c.Turned(), 3, "Live"},
		{"Blur", c.Blur(), 4, "NoneBecauseBadQuality"},
		{"Dark", c.Dark(), 4, "NoneBecauseBadQuality"},
		{"Bright", c.Bright(), 4, "NoneBecauseBadQuality"},
		{"Close", c.Close(), 5, "NoneBecauseFaceTooClose"},
		{"None", c.None(), 6, "NoneBecauseFaceNotFound"},
		{"Small", c.Small(), 7, "NoneBecauseFaceTooSmall"},
		{"Turn50", c.Turn50(), 8, "NoneBecauseAngleTooLarge"},
		{"Junk", c.Junk(), 9, "NoneBecauseImageDataError"},
		{"Short", c.Short(), 9, "NoneBecauseImageDataError"},
		{"GIF", c.GIF(), 9, "NoneBecauseImageDataError"},
		{"WebP", c.WebP(), 9, "NoneBecauseImageDataError"},
		{"TIFF", c.TIFF(), 9, "NoneBecauseImageDataError"},
		{"HEIC", c.HEIC(), 9, "NoneBecauseImageDataError"},
		{"OnePixel", c.OnePixel(), 11, "NoneBecauseImagePreprocessError"},
		{"Huge", c.Huge(), 11, "NoneBecauseImagePreprocessError"},
		{"CMYK", c.CMYK(), 11, "NoneBecauseImagePreprocessError"},
		{"Sixteen", c.Sixteen(), 11, "NoneBecauseImagePreprocessError"},
		{"Many", c.Many(), 12, "NoneBecauseTooManyFaces"},
		{"Border", c.Border(), 13, "NoneBecauseFaceTooCloseToBorder"},
		{"Cut", c.Cut(), 14, "NoneBecauseFaceCropped"},
		{"Occluded", c.Occluded(), 16, "NoneBecauseFaceOccluded"},
		{"Spoof", c.Spoof(), 17, "NoLive"},
		{"Closed", c.Closed(), 18, "NoneBecauseEyesClosed"},
	}
}

// The rows of the liveness codes, of both calls. None is one of the deprecated.
func TestLivenessRows(t *testing.T) {
	c := newClient(t, apitest.Options{})
	token := c.enrol("001", c.A1(), c.A3())
	for _, p := range c.pictures() {
		t.Run(p.name, func(t *testing.T) {
			want := fmt.Sprintf(`{"serviceResultCode":0,"serviceResultLog":%q,"serviceTime":"<digits>","serviceTransactionId":"<uuid>","serviceLivenessResult":%d}`, p.log, p.code)
			apitest.Golden(t, c.post("/services/evaluatePassiveLiveness", m{"imageBuffer": b64(p.file)}), 200, jsonType, want)
			c.forgetTries()
			a := c.post("/services/authenticateUser", m{"userId": "001", "registeredTemplateRaw": token, "bestImageToken": b64(p.file)})
			if p.code == 3 {
				apitest.Golden(t, a, 200, jsonType, result(0, yes, 3, 3, `"<number 0.8 1 4>"`))
			} else {
				apitest.Golden(t, a, 200, jsonType, result(-101, notLive, p.code, 0, "0"))
			}
			if p.code == 1 || p.code == 2 {
				t.Error("a deprecated code")
			}
		})
	}
	a := c.post("/services/evaluatePassiveLivenessToken", m{"imageBuffer": "data:image/jpeg;base64," + strings.TrimRight(b64(c.A2()), "="), "unknown": m{"x": []int{1}}})
	apitest.Golden(t, a, 200, jsonType, `{"serviceResultCode":0,"serviceResultLog":"Live","serviceTime":"<digits>","serviceTransactionId":"<uuid>","serviceLivenessResult":3}`)
	// As many pixels as are looked at; what it shows is not much alike after it was enlarged so.
	a = c.post("/services/evaluatePassiveLiveness", m{"imageBuffer": b64(c.Big())})
	var r struct {
		Code int `json:"serviceLivenessResult"`
	}
	if err := json.Unmarshal(a.Body, &r); err != nil || r.Code != 3 && r.Code != 17 && r.Code != 4 {
		t.Errorf("24 million pixels: %s", a.Body)
	}
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
	}

	big := []byte(`{"imageBuffer":"` + strings.Repeat("A", 10<<20) + `"}`)
	got := c.Call(t, http.MethodPost, "/services/evaluatePassiveLiveness", map[string]string{"x-api-key": "unknown"}, big)
	apitest.Golden(t, got, 401, jsonType, problem(401, "Invalid API key."))
}

// A picture that is not looked at in time is 504, whatever it would have shown.
func TestDeadline(t *testing.T) {
	c := newClient(t, apitest.Options{Deadline: time.Millisecond})
	apitest.Golden(t, c.post("/services/evaluatePassiveLiveness", m{"imageBuffer": b64(c.Big())}), 504, jsonType, `{"message":"Endpoint request timed out"}`)
}

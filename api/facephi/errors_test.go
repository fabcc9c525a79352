package facephi_test

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"facegate/api/apitest"
	"facegate/internal/programtest"
	"facegate/store"
)

func TestErrors(t *testing.T) {
	c := newClient(t, apitest.Options{})
	const auth, update, evaluate = "/services/authenticateUser", "/services/updateUserTemplate", "/services/evaluatePassiveLiveness"
	invalid := func(errs ...string) string { return problem(400, "Invalid request.", errs...) }
	notJSON := invalid("body is not valid JSON")
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		want                     string
	}{
		{"nothing", "POST", auth, `{}`, 400, invalid("userId is required", "registeredTemplateRaw is required", "bestImageToken is required")},
		{"null and empty", "POST", auth, `{"userId":null,"image":"","template":null}`, 400, invalid("userId is required", "registeredTemplateRaw is required", "bestImageToken is required")},
		{"no live picture", "POST", auth, `{"userId":"001","image":"AAAA"}`, 400, invalid("bestImageToken is required")},
		{"one digit", "POST", auth, `{"userId":"a1","image":"AAAA","template":"AAAA"}`, 400, invalid("userId must contain at least two digits")},
		{"no base64", "POST", auth, `{"userId":"a1","registeredTemplateRaw":"!","image":"*","bestImageToken":"?","template":"-"}`, 400, invalid(
			"userId must contain at least two digits", "registeredTemplateRaw is not valid base64", "image is not valid base64", "bestImageToken is not valid base64", "template is not valid base64")},
		{"wrong types", "POST", auth, `{"userId":12,"image":[1],"bestImageToken":{"a":1}}`, 400, invalid(
			"userId must contain at least two digits", "image is not valid base64", "bestImageToken is not valid base64")},
		{"marks of wrong types", "POST", auth, `{"userId":"001","image":"AAAA","template":"AAAA","merchantReferenceId":7,"tracking":{"extraData":[],"operationId":true}}`, 400, invalid(
			"merchantReferenceId must be a string", "extraData must be a string", "operationId must be a string")},
		{"tracking by a text", "POST", auth, `{"userId":"001","image":"AAAA","template":"AAAA","tracking":"x"}`, 400, invalid("tracking must be an object")},
		{"tracking by a list", "POST", update, `{"userId":"001","oldRegisteredTemplateRaw":"AAAA","newRegisteredTemplateRaw":"AAAA","tracking":[]}`, 400, invalid("tracking must be an object")},
		{"tracking by a number", "POST", "/services/captureImage", `{"tracking":1}`, 400, invalid("tracking must be an object")},
		{"nothing to update", "POST", update, `{}`, 400, invalid("userId is required", "oldRegisteredTemplateRaw is required", "newRegisteredTemplateRaw is required")},
		{"updates without base64", "POST", update, `{"userId":"001","oldRegisteredTemplateRaw":"%","registeredTemplateRaw":true}`, 400, invalid(
			"oldRegisteredTemplateRaw is not valid base64", "registeredTemplateRaw is not valid base64")},
		{"no picture", "POST", evaluate, `{}`, 400, invalid("imageBuffer is required")},
		{"an empty picture", "POST", evaluate, `{"imageBuffer":"data:image/png;base64,"}`, 400, invalid("imageBuffer is not valid base64")},
		{"nobody to delete", "DELETE", auth, `{}`, 400, invalid("userIds is required")},
		{"deletion of a number", "DELETE", auth, `{"userIds":[1]}`, 400, invalid("userIds must be a list of at most 100 strings")},
		{"half an object", "POST", auth, `{`, 400, notJSON},
		{"a list", "POST", auth, `[]`, 400, notJSON},
		{"an empty body", "POST", auth, ``, 400, notJSON},
		{"two objects", "POST", auth, `{}{}`, 400, notJSON},
		{"a name twice", "POST", auth, `{"userId":"001","userId":"002"}`, 400, notJSON},
		{"bad UTF-8", "POST", auth, "{\"userId\":\"001\xff\"}", 400, notJSON},
		{"100 deep", "POST", auth, strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), 400, notJSON},
		{"another method", "PUT", update, `{}`, 405, problem(405, "The method is not allowed.")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c.forgetTries()
			a := c.call(tt.method, tt.path, tt.body)
			apitest.Golden(t, a, tt.status, jsonType, tt.want)
			if allow := a.Header.Get("Allow"); tt.status == 405 && allow != "POST" {
				t.Errorf("Allow is %q", allow)
			}
		})
	}
	if a := c.call(http.MethodGet, auth, ""); a.Status != 405 || a.Header.Get("Allow") != "POST, DELETE" {
		t.Errorf("GET: %d, Allow %q", a.Status, a.Header.Get("Allow"))
	}
	big := append(append([]byte(`{"imageBuffer":"`), bytes.Repeat([]byte("A"), 10<<20)...), `"}`...)
	apitest.Golden(t, c.post(evaluate, string(big)), 413, jsonType, problem(413, "The request body is too large."))
}

func TestKeys(t *testing.T) {
	c := newClient(t, apitest.Options{})
	with := func(secret string) *apitest.Answer {
		t.Helper()
		header := map[string]string{}
		if secret != "" {
			header["x-api-key"] = secret
		}
		return c.Call(t, http.MethodPost, "/services/updateUserTemplate", header, []byte("{}"))
	}
	apitest.Golden(t, with(""), 401, jsonType, problem(401, "Invalid API key."))
	apitest.Golden(t, with("x"), 401, jsonType, problem(401, "Invalid API key."))
	_, foreign := c.Key(t, store.Key{API: store.APILapis, Scopes: []string{store.ScopeEnrol}})
	apitest.Golden(t, with(foreign), 401, jsonType, problem(401, "Invalid API key."))
	key, looks := c.Key(t, store.Key{API: store.APIFacephi, Scopes: []string{store.ScopeAuthenticate}})
	apitest.Golden(t, with(looks), 403, jsonType, problem(403, "The API key does not allow this operation."))
	c.Update(t, func(tx *store.Tx) error {
		_, err := tx.RevokeKey(key.ID)
		return err
	})
	apitest.Golden(t, with(looks), 401, jsonType, problem(401, "Invalid API key."))
}

// Where the line is full a picture is not waited for: one is looked at, one waits, and the next is
// told so while both are still held. Then these two are answered.
func TestFullLine(t *testing.T) {
	gate := apitest.NewGate(t)
	c := newClient(t, apitest.Options{Waiting: 1, Yield: gate.Yield})
	const evaluate = "/services/evaluatePassiveLiveness"
	body := []byte(`{"imageBuffer":"` + b64(c.A2()) + `"}`)
	answers := make(chan *apitest.Answer, 3)
	send := func() { c.Posting(t, evaluate, map[string]string{"x-api-key": c.secret}, body, answers) }
	send()
	<-gate.Began
	send() // one of these two waits, whichever comes first
	send()
	apitest.Golden(t, <-answers, 504, jsonType, timedOut)
	apitest.Golden(t, c.post(evaluate, string(body)), 504, jsonType, timedOut)
	gate.Open()
	for range 2 {
		apitest.Golden(t, <-answers, 200, jsonType,
			`{"serviceResultCode":0,"serviceResultLog":"Live","serviceTime":"<digits>","serviceTransactionId":"<uuid>","serviceLivenessResult":3}`)
	}
}

// Who stands before the camera for longer than a picture may wait is looked at first.
func TestTimeout(t *testing.T) {
	free := make(chan struct{})
	c := newClient(t, apitest.Options{Deadline: time.Second, Yield: func(ctx context.Context) {
		select {
		case <-free:
		case <-ctx.Done():
		}
	}})
	apitest.Golden(t, c.post("/services/evaluatePassiveLiveness", m{"imageBuffer": b64(c.A2())}), 504, jsonType, timedOut)
	close(free)
	junk := m{"imageBuffer": b64(c.Junk())} // a busy machine too looks at it within a second
	programtest.Until(t, "pictures are looked at after the camera is done", func() bool {
		return c.post("/services/evaluatePassiveLiveness", junk).Status == 200
	})
}

// A store that has failed is an error without detail.
func TestOwnFailure(t *testing.T) {
	c := newClient(t, apitest.Options{})
	if err := c.DB.Close(); err != nil {
		t.Fatal(err)
	}
	apitest.Golden(t, c.post("/services/evaluatePassiveLiveness", "{}"), 500, jsonType, problem(500, "Internal error."))
}

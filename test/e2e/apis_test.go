package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facegate/api/apitest"
	"facegate/internal/programtest"
)

// identity makes a call of the Identity API and returns the members of the answer.
func (v *service) identity(t *testing.T, name string, body map[string]any) map[string]any {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	got, err := v.answer(t, &call{name: name, api: "facephi", path: "/services/" + name, body: text})
	var out map[string]any
	if err != nil || got.status != http.StatusOK || json.Unmarshal([]byte(got.body), &out) != nil {
		t.Fatalf("%s: %+v, %v", name, got, err)
	}
	return out
}

// A picture of the kiosk's own camera stands for the live one, once.
func TestCaptureOfTheCamera(t *testing.T) {
	f := apitest.NewFaces(t)
	v := serve(t, nil)
	reference := mustRead(t, filepath.Join(v.faces, live("005", "controlled_1")))
	// The replayed still has noise, which now and then looks like that of a screen.
	alive := func() (capture map[string]any) {
		t.Helper()
		programtest.Until(t, "a capture is alive", func() bool {
			capture = v.identity(t, "captureImage", map[string]any{})
			return capture["serviceLivenessResult"] == 3.
		})
		return capture
	}
	// use has somebody authenticated by a member of a capture. It lasts ten seconds, which a busy
	// machine may let pass: then it shows no life, and another is taken.
	use := func(by, user string, image []byte) (body, got map[string]any) {
		t.Helper()
		programtest.Until(t, "a capture is used in time", func() bool {
			body = map[string]any{"userId": user, "image": b64(image), by: alive()[by]}
			got = v.identity(t, "authenticateUser", body)
			return got["serviceLivenessResult"] != 0.
		})
		return body, got
	}
	body, got := use("bestImageToken", "005", reference)
	if got["serviceResultCode"] != 0. {
		t.Errorf("who stands before the camera: %v", got)
	}
	if got := v.identity(t, "authenticateUser", body); got["serviceResultCode"] != -101. || got["serviceLivenessResult"] != 0. {
		t.Errorf("once more: %v", got)
	}
	if _, got := use("template", "005", reference); got["serviceResultCode"] != 0. || got["serviceFacialAuthenticationResult"] != 3. {
		t.Errorf("by the template: %v", got)
	}
	if _, got := use("bestImageToken", "00777", f.B1()); got["serviceResultCode"] != -102. {
		t.Errorf("as somebody else: %v", got)
	}
}

// A model that is broken keeps everybody out by face, and the APIs say which stage failed; the
// others of their answers go on.
func TestBrokenModel(t *testing.T) {
	f := apitest.NewFaces(t)
	v := serve(t, func(s *site) {
		installed, err := filepath.EvalSymlinks(filepath.Join(s.home, "models"))
		if err == nil {
			err = os.Remove(filepath.Join(s.home, "models")) // a link
		}
		if err == nil {
			err = os.CopyFS(filepath.Join(s.home, "models"), os.DirFS(installed))
		}
		if err == nil {
			err = os.Truncate(filepath.Join(s.home, "models", "minifasnet_v2_2.7.tflite"), 1000)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	if got := v.identity(t, "evaluatePassiveLiveness", map[string]any{"imageBuffer": b64(f.A2())}); got["serviceLivenessResult"] != 10. {
		t.Errorf("liveness: %v", got)
	}
	if got := v.identity(t, "evaluatePassiveLiveness", map[string]any{"imageBuffer": b64(f.None())}); got["serviceLivenessResult"] != 6. {
		t.Errorf("nobody in the picture: %v", got)
	}
	kind, body := picture(t, "005", mustRead(t, filepath.Join(v.faces, live("005", "controlled_2"))))
	got, err := v.answer(t, &call{api: "argos", path: "/faceauth", kind: kind, body: body})
	if err != nil || got.status != 200 || !strings.Contains(got.body, `"auth_status":"approved"`) {
		t.Errorf("what needs no liveness: %+v, %v", got, err)
	}
	if n := len(v.events(t, 0, "access.granted")); n != 0 {
		t.Errorf("%d people were let in", n)
	}
	if ready, err := v.do(t.Context(), "GET", "/readyz", nil, nil); err != nil || ready.status != http.StatusServiceUnavailable {
		t.Errorf("readyz: %+v, %v", ready, err)
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A posted picture moves the relay where the door's rules and the key allow it, and only then.
func TestPostedPictureOpensTheDoor(t *testing.T) {
	v := serve(t, func(s *site) {
		s.write(t, "frames.csv", "file,seconds\n,10\n") // whoever the camera lets in would hold the relay already
	})
	kind, body := picture(t, "005", mustRead(t, filepath.Join(v.faces, live("005", "controlled_2"))))
	// post has 005 found by FaceAuth and returns the door's decision on it.
	post := func() event {
		t.Helper()
		last := v.last(t)
		got, err := v.answer(t, &call{api: "argos", path: "/faceauth", kind: kind, body: body})
		if err != nil || got.status != 200 || !strings.Contains(got.body, `"auth_status":"approved"`) {
			t.Fatalf("%+v, %v", got, err)
		}
		for _, e := range v.decisions(t, last) {
			if strings.HasPrefix(e.Source, "api:") {
				return e
			}
		}
		t.Fatal("no decision on the picture")
		return event{}
	}
	rules := func(may bool) {
		t.Helper()
		before := strings.Count(v.kiosk.log.String(), "rules loaded")
		v.write(t, "rules.toml", fmt.Sprintf("[doors.main]\napi_may_unlock = %v\n[[access]]\ngroups = [\"*\"]\ndoors = [\"main\"]\n", may))
		v.run(t, "policy", "apply", filepath.Join(v.home, "rules.toml"))
		programtest.Until(t, "the rules hold", func() bool { return strings.Count(v.kiosk.log.String(), "rules loaded") > before })
	}
	if e := post(); e.Kind != "access.denied" || e.Reason != "no_access_here" || e.Person != "005" {
		t.Errorf("without rules: %+v", e)
	}
	v.kiosk.hurry(t, -10)
	rules(true)
	e := post()
	for range 2 { // one that is granted too late opens nothing, as on a busy machine
		if len(v.events(t, e.Seq, "command.refused")) > 0 {
			e = post()
		}
	}
	if e.Kind != "access.granted" || e.Person != "005" {
		t.Fatalf("where an API may: %+v", e)
	}
	programtest.Until(t, "the pulse is over", func() bool { return len(v.relay(t)) > 1 })
	if r := v.relay(t); !r[0].On || r[0].Why != fmt.Sprintf("access granted, event %d", e.Seq) || r[1].On {
		t.Errorf("the relay moved for event %d: %+v", e.Seq, r)
	}
	rules(false)
	if e := post(); e.Kind != "access.denied" || e.Reason != "no_access_here" {
		t.Errorf("where an API may no more: %+v", e)
	}
	if n := len(v.relay(t)); n != 2 {
		t.Errorf("the relay moved %d times", n)
	}
}

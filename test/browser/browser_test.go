// Package browser_test runs the pages that a browser gets from us in a real one, headless, with
// a camera that plays a prepared recording. Where there is no Chromium the tests are skipped.
package browser_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"facegate/access"
	"facegate/api/apitest"
	"facegate/api/faceguard"
	"facegate/internal/programtest"
	"facegate/store"
)

// A site is a host's page, and the server that it sends its customers to.
type site struct {
	s    *apitest.Server
	host *httptest.Server
	key  string
}

// newSite starts both, with a customer user_a, whose base photo is A's, and user_new without.
func newSite(t *testing.T) *site {
	f := apitest.NewFaces(t)
	x := &site{s: apitest.New(t, faceguard.Register, apitest.Options{})}
	x.host = x.page(t)
	x.s.Enrol(t, "user_a", f.A1())
	x.workflow(t, "shop", x.host.URL)
	x.s.Update(t, func(tx *store.Tx) error {
		_, err := tx.AddPerson(access.Person{ID: "user_new", Name: "New"})
		return err
	})
	_, x.key = x.s.Key(t, store.Key{API: store.APIFaceguard, Scopes: []string{store.ScopeAuthenticate}})
	return x
}

// page serves a page that uses the SDK and keeps the messages it is sent, but those that say that a
// frame is there. It is of an origin of its own.
func (x *site) page(t *testing.T) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<!doctype html><title>shop</title><body><script src="%s/faceguard/sdk.js"></script><script>
			const messages = [];
			addEventListener('message', (e) => { if (e.data.action !== 'ready') messages.push({origin: e.origin, ...e.data}); });
		</script>`, x.s.URL)
	}))
	t.Cleanup(s.Close)
	return s
}

// workflow sets a workflow whose page may be embedded by origins.
func (x *site) workflow(t *testing.T, name string, origins ...string) {
	t.Helper()
	settings, err := json.Marshal(faceguard.Workflow{Threshold: 80, Attempts: 5, Origins: origins, Bypass: true, Liveness: "passive"})
	if err != nil {
		t.Fatal(err)
	}
	x.s.Update(t, func(tx *store.Tx) error {
		_, err := tx.SetProject(store.Project{API: store.APIFaceguard, Name: name, Settings: settings})
		return err
	})
}

// token is a portal token for a customer of the shop.
func (x *site) token(t *testing.T, customer string) string {
	t.Helper()
	return x.tokenOf(t, "shop", customer)
}

// tokenOf is a portal token for a customer under a workflow.
func (x *site) tokenOf(t *testing.T, workflow, customer string) string {
	t.Helper()
	a := x.s.Call(t, "POST", "/faceguard/session/portal", map[string]string{"Authorization": "Bearer " + x.key},
		[]byte(`{"workflow_id":"`+workflow+`","customer":{"customer_id":"`+customer+`"}}`))
	var out struct {
		Data struct {
			Token string `json:"token"`
		} `json:"data"`
	}
	if err := json.Unmarshal(a.Body, &out); err != nil || out.Data.Token == "" {
		t.Fatalf("portal token: %d %s", a.Status, a.Body)
	}
	return out.Data.Token
}

// A setup is how a browser is started.
type setup struct {
	camera [][]byte // JPEGs that its camera plays; nil: it has none
	denied bool     // nobody grants the camera
	script string   // runs before every page
	arrive string   // origin of the server as the page knows it; empty: its own
	speaks string   // languages of the browser, as Accept-Language has them; empty: English
}

// chromium is the browser's program.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no Chromium is installed")
	return ""
}

// patience is how long a page may take on a slow machine.
const patience = 4 * time.Minute

// profile is a directory for a browser, which goes on writing for a moment after it was told to
// end: it is removed once that is over.
func profile(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "browser")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		programtest.Until(t, "the browser has let go of its profile", func() bool { return os.RemoveAll(dir) == nil })
	})
	return dir
}

// open starts a browser at the host's page. It ends with the test.
func (x *site) open(t *testing.T, s setup) context.Context {
	t.Helper()
	options := append([]chromedp.ExecAllocatorOption{}, chromedp.DefaultExecAllocatorOptions[:]...)
	options = append(options, chromedp.ExecPath(chromium(t)), chromedp.UserDataDir(profile(t)), chromedp.WSURLReadTimeout(patience),
		chromedp.Flag("host-resolver-rules", "MAP kiosk.test 127.0.0.1"), chromedp.Flag("disable-site-isolation-trials", true))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	if s.camera != nil {
		options = append(options, chromedp.Flag("use-fake-device-for-media-stream", true), chromedp.Flag("use-file-for-fake-video-capture", recording(t, s.camera)))
	}
	if s.speaks != "" {
		options = append(options, chromedp.Flag("accept-lang", s.speaks))
	}
	if !s.denied {
		options = append(options, chromedp.Flag("use-fake-ui-for-media-stream", true))
	}
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	ctx, stop = context.WithTimeout(ctx, patience)
	t.Cleanup(stop)
	run(ctx, t, chromedp.ActionFunc(func(ctx context.Context) error {
		if s.script == "" {
			return nil
		}
		_, err := page.AddScriptToEvaluateOnNewDocument(s.script).Do(ctx)
		return err
	}), chromedp.Navigate(x.host.URL))
	return ctx
}

// recording is a file of JPEGs, one behind the other.
func recording(t *testing.T, frames [][]byte) string {
	path := filepath.Join(t.TempDir(), "camera.mjpeg")
	if err := os.WriteFile(path, bytes.Join(frames, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func run(ctx context.Context, t *testing.T, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// verify starts FaceGuard.verify; result waits for what it resolves to.
func verify(ctx context.Context, t *testing.T, token, origin string) {
	t.Helper()
	more := ""
	if origin != "" {
		more = `, origin: "` + origin + `"`
	}
	run(ctx, t, chromedp.Evaluate(`FaceGuard.verify({token: "`+token+`"`+more+`}).then((r) => { window.result = r; }); 0`, nil))
}

// An ending is what the SDK resolves to, and the messages that the host's page was sent.
type ending struct {
	Result   map[string]any   `json:"result"`
	Messages []map[string]any `json:"messages"`
	Frames   int              `json:"frames"`
}

func result(ctx context.Context, t *testing.T) ending {
	t.Helper()
	var e ending
	run(ctx, t, chromedp.Poll(`window.result && {result: window.result, messages, frames: document.querySelectorAll('iframe').length}`, &e,
		chromedp.WithPollingTimeout(patience), chromedp.WithPollingInterval(50*time.Millisecond)))
	return e
}

// frame is the capture page, once it is loaded: before that there is an empty one in its place.
func frame(ctx context.Context, t *testing.T) *cdp.Node {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		var nodes []*cdp.Node
		run(ctx, t, chromedp.Nodes("iframe", &nodes, chromedp.ByQuery))
		if d := nodes[0].ContentDocument; d != nil && d.DocumentURL != "" && d.DocumentURL != "about:blank" {
			return nodes[0]
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("the capture page is not loaded")
		}
	}
}

func TestVerify(t *testing.T) {
	f := apitest.NewFaces(t)
	x := newSite(t)
	live := [][]byte{f.A2(), f.A3(), f.A4()}
	stub := func(body string) string {
		return `if (navigator.mediaDevices) { const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices); navigator.mediaDevices.getUserMedia = async (c) => { ` + body + ` }; }`
	}
	for _, tt := range []struct {
		name, customer string
		setup          setup
		reason         string // of the message
		want           map[string]any
	}{
		{"approved", "user_a", setup{camera: live}, "approved", map[string]any{"status": "approved"}},
		{"rejected: another person", "user_a", setup{camera: [][]byte{f.B1(), f.B1(), f.B2()}}, "rejected", map[string]any{"status": "rejected"}},
		{"rejected: a screen", "user_a", setup{camera: [][]byte{f.Spoof(), f.Spoof()}}, "rejected", map[string]any{"status": "rejected", "confidence": 0.}},
		{"permission denied", "user_a", setup{camera: live, denied: true}, "error", map[string]any{"status": "error", "error": "camera_permission_denied"}},
		{"no camera", "user_a", setup{}, "error", map[string]any{"status": "error", "error": "camera_unavailable"}},
		{"camera in use", "user_a", setup{camera: live, script: stub(`throw new DOMException('in use', 'NotReadableError')`)}, "error", map[string]any{"status": "error", "error": "camera_in_use"}},
		{"camera in use, as older browsers say it", "user_a", setup{camera: live, script: stub(`const e = new Error('in use'); e.name = 'TrackStartError'; throw e`)}, "error", map[string]any{"status": "error", "error": "camera_in_use"}},
		{"constraints that no camera meets", "user_a", setup{camera: live, script: stub(`return real({video: {width: {exact: 99999}}})`)}, "error", map[string]any{"status": "error", "error": "camera_constraints"}},
		{"what is not allowed for safety", "user_a", setup{camera: live, script: stub(`throw new DOMException('no', 'SecurityError')`)}, "error", map[string]any{"status": "error", "error": "camera_insecure_context"}},
		{"unknown failure", "user_a", setup{camera: live, script: stub(`throw new Error('?')`)}, "error", map[string]any{"status": "error", "error": "camera_unknown"}},
		{"insecure context", "user_a", setup{camera: live, arrive: strings.Replace(x.s.URL, "127.0.0.1", "kiosk.test", 1)}, "error", map[string]any{"status": "error", "error": "camera_insecure_context"}},
		{"no base photo", "user_new", setup{camera: live}, "no_base_photo", map[string]any{"status": "error", "error": "no_base_photo"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx := x.open(t, tt.setup)
			verify(ctx, t, x.token(t, tt.customer), tt.setup.arrive)
			check(t, result(ctx, t), x, tt.setup, tt.reason, tt.want)
		})
	}
}

// check compares an ending with what is wanted of it. A confidence is only compared where one is
// wanted.
func check(t *testing.T, e ending, x *site, s setup, reason string, want map[string]any) {
	t.Helper()
	got := maps.Clone(e.Result)
	if _, ok := want["confidence"]; !ok {
		delete(got, "confidence") // it is looked at below
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", e.Result, want)
	}
	if status := e.Result["status"]; status == "approved" || status == "rejected" {
		c, ok := e.Result["confidence"].(float64)
		if !ok || c < 0 || c > 100 || status == "approved" && c < 80 || status == "rejected" && c >= 80 {
			t.Errorf("a confidence of %v", e.Result["confidence"])
		}
	} else if _, ok := e.Result["confidence"]; ok {
		t.Errorf("a confidence without a verdict: %v", e.Result)
	}
	from := x.s.URL
	if s.arrive != "" {
		from = s.arrive
	}
	// A message has what its reason has, and nothing else.
	members := map[string]int{"approved": 4, "rejected": 4, "bypass_active": 4, "error": 4}[reason]
	if members == 0 {
		members = 3 // origin, action, reason
	}
	if len(e.Messages) == 1 && len(e.Messages[0]) != members {
		t.Errorf("the message is %v", e.Messages[0])
	}
	if len(e.Messages) != 1 || e.Messages[0]["origin"] != from || e.Messages[0]["action"] != "close" || e.Messages[0]["reason"] != reason {
		t.Errorf("messages %v; want one from %s: close, %s", e.Messages, from, reason)
	}
	if e.Frames != 0 {
		t.Error("the frame stays")
	}
}

func TestCanceled(t *testing.T) {
	f := apitest.NewFaces(t)
	x := newSite(t)
	ctx := x.open(t, setup{camera: [][]byte{f.None(), f.None()}})
	verify(ctx, t, x.token(t, "user_a"), "")
	run(ctx, t, chromedp.WaitVisible("iframe", chromedp.ByQuery))
	in := chromedp.FromNode(frame(ctx, t))
	// The button is there before the script that listens to it; that shows the video.
	run(ctx, t, chromedp.WaitVisible("#video", chromedp.ByQuery, in), chromedp.Click("#close", chromedp.ByQuery, in))
	check(t, result(ctx, t), x, setup{}, "canceled", map[string]any{"status": "canceled"})
}

func TestBypassActive(t *testing.T) {
	x := newSite(t)
	until := time.Now().Add(time.Hour)
	x.s.Update(t, func(tx *store.Tx) error {
		_, err := tx.ChangePerson("user_new", "bypass granted", func(p *access.Person) error {
			p.Bypass = &access.Bypass{Since: tx.Now().Add(-time.Minute), Until: until, Reason: "x", Author: "admin:test"}
			return nil
		})
		return err
	})
	ctx := x.open(t, setup{})
	verify(ctx, t, x.token(t, "user_new"), "")
	e := result(ctx, t)
	check(t, e, x, setup{}, "bypass_active", map[string]any{"status": "error", "error": "bypass_active"})
	if got, want := fmt.Sprint(e.Messages[0]["bypass_expires_at"]), until.UTC().Format("2006-01-02T15:04:05Z"); got != want {
		t.Errorf("the bypass expires at %s, want %s", got, want)
	}
}

func TestTokenExpired(t *testing.T) {
	x := newSite(t)
	token := x.token(t, "user_a")
	x.s.Expire(t, "faceguard.portal", "shop")
	for _, token := range []string{"nonsense", token} {
		ctx := x.open(t, setup{})
		verify(ctx, t, token, "")
		check(t, result(ctx, t), x, setup{}, "error", map[string]any{"status": "error", "error": "token_expired"})
	}
}

// between is another way to the server, which the test can end. The server behind it stays.
func (x *site) between(t *testing.T) *httptest.Server {
	t.Helper()
	to, err := url.Parse(x.s.URL)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }})
	t.Cleanup(s.Close)
	return s
}

// The page is put where the host says, and says so when the server is gone.
func TestServerIsGone(t *testing.T) {
	f := apitest.NewFaces(t)
	x := newSite(t)
	server := x.between(t)
	ctx := x.open(t, setup{camera: [][]byte{f.None(), f.None()}})
	run(ctx, t, chromedp.Evaluate(`const box = document.createElement('div'); box.id = 'box'; document.body.append(box);
		FaceGuard.verify({token: "`+x.token(t, "user_a")+`", container: box, origin: "`+server.URL+`"}).then((r) => { window.result = r; });
		window.inside = box.querySelectorAll('iframe').length; 0`, nil))
	var inside int
	run(ctx, t, chromedp.Evaluate("window.inside", &inside))
	if inside != 1 {
		t.Error("the page is not in its container")
	}
	run(ctx, t, chromedp.WaitVisible("#video", chromedp.ByQuery, chromedp.FromNode(frame(ctx, t))))
	server.CloseClientConnections()
	server.Close()
	check(t, result(ctx, t), x, setup{arrive: server.URL}, "error", map[string]any{"status": "error", "error": "network_error"})
}

// A capture page that does not come is given up: nobody listens where it should be, or this page
// may not hold it.
func TestPageIsNotShown(t *testing.T) {
	x := newSite(t)
	page := x.page(t)
	ctx := x.open(t, setup{})
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	var got []map[string]any
	run(ctx, t, chromedp.Navigate(page.URL), chromedp.Evaluate(`Promise.all(["`+gone.URL+`", "`+x.s.URL+`"].map((origin) =>
		FaceGuard.verify({token: "`+x.token(t, "user_a")+`", origin}))).then((r) => { window.result = r; }); 0`, nil),
		chromedp.Poll(`window.result`, &got, chromedp.WithPollingTimeout(patience)))
	want := map[string]any{"status": "error", "error": "network_error"}
	if len(got) != 2 || !maps.Equal(got[0], want) || !maps.Equal(got[1], want) {
		t.Errorf("resolves to %v, want %v of each", got, want)
	}
	var frames int
	if run(ctx, t, chromedp.Evaluate(`document.querySelectorAll('iframe').length`, &frames)); frames != 0 {
		t.Errorf("%d frames stay", frames)
	}
}

// The page says so when the server fails: another program keeps it from its store.
func TestServerFails(t *testing.T) {
	x := newSite(t)
	ctx := x.open(t, setup{})
	token := x.token(t, "user_a")
	x.s.Held(t, func() {
		verify(ctx, t, token, "")
		check(t, result(ctx, t), x, setup{}, "error", map[string]any{"status": "error", "error": "internal_error"})
	})
}

// A page that gives the SDK no token is told so at once.
func TestTokenMissing(t *testing.T) {
	x := newSite(t)
	ctx := x.open(t, setup{})
	var e ending
	run(ctx, t, chromedp.Evaluate(`FaceGuard.verify({}).then((r) => { window.result = r; }); 0`, nil),
		chromedp.Poll(`window.result && {result: window.result, messages, frames: document.querySelectorAll('iframe').length}`, &e, chromedp.WithPollingTimeout(patience)))
	if want := map[string]any{"status": "error", "error": "token_missing"}; !maps.Equal(e.Result, want) || len(e.Messages) != 0 || e.Frames != 0 {
		t.Errorf("without a token: %v", e)
	}
}

// The page speaks the first of the browser's languages that it knows, and says everything in each.
func TestLanguages(t *testing.T) {
	f := apitest.NewFaces(t)
	x := newSite(t)
	for speaks, want := range map[string]string{"de-CH,en": "Zeigen Sie Ihr Gesicht", "cs,fr-FR,en": "Montrez votre visage", "es-MX": "Muestre su cara", "cs": "Show your face"} {
		ctx := x.open(t, setup{camera: [][]byte{f.None(), f.None()}, speaks: speaks})
		verify(ctx, t, x.token(t, "user_a"), "")
		run(ctx, t, chromedp.WaitVisible("iframe", chromedp.ByQuery))
		in := chromedp.FromNode(frame(ctx, t))
		var title, say string
		run(ctx, t, chromedp.WaitVisible("#phone", chromedp.ByQuery, in), chromedp.Text("h1", &title, chromedp.ByQuery, in), chromedp.Text("#say", &say, chromedp.ByQuery, in))
		if title != want || say == "" {
			t.Errorf("%s: the page is called %q and says %q, want %q", speaks, title, say, want)
		}
	}
	ctx := x.open(t, setup{})
	var differ []string
	run(ctx, t, chromedp.Navigate(x.s.URL+"/faceguard/app"), chromedp.Evaluate(`(() => {
		const list = (o) => Object.entries(o).flatMap(([k, v]) => typeof v === 'string' ? (v ? [k] : []) : list(v).map((n) => k + '.' + n));
		const names = (o) => list(o).sort().join();
		const { languages } = FaceGuardWords;
		return Object.keys(languages).filter((l) => names(languages[l]) !== names(languages.en));
	})()`, &differ))
	if len(differ) > 0 {
		t.Errorf("these do not say all that English says: %v", differ)
	}
}

// A page that lends the frame no camera is told so.
func TestFrameWithoutCamera(t *testing.T) {
	f := apitest.NewFaces(t)
	x := newSite(t)
	ctx := x.open(t, setup{camera: [][]byte{f.A2()}})
	run(ctx, t, chromedp.Evaluate(`const frame = document.createElement('iframe');
		frame.src = "`+x.s.URL+`/faceguard/app#" + new URLSearchParams({token: "`+x.token(t, "user_a")+`", origin: location.origin});
		document.body.append(frame); 0`, nil))
	var messages []map[string]any
	run(ctx, t, chromedp.Poll(`messages.length && messages`, &messages, chromedp.WithPollingTimeout(patience)))
	want := map[string]any{"origin": x.s.URL, "action": "close", "reason": "error", "error": "camera_insecure_context"}
	if len(messages) != 1 || !maps.Equal(messages[0], want) {
		t.Errorf("messages %v", messages)
	}
}

// A phone takes over by the code, and the host's page learns what came of it.
func TestPhone(t *testing.T) {
	f := apitest.NewFaces(t)
	x := newSite(t)
	desk := x.open(t, setup{camera: [][]byte{f.None(), f.None()}})
	verify(desk, t, x.token(t, "user_a"), "")
	run(desk, t, chromedp.WaitVisible("iframe", chromedp.ByQuery))
	in := chromedp.FromNode(frame(desk, t))
	var code string
	run(desk, t, chromedp.Click("#phone", chromedp.ByQuery, in), chromedp.WaitVisible("#code", chromedp.ByQuery, in),
		chromedp.Text("#code", &code, chromedp.ByQuery, in))
	phone := x.open(t, setup{camera: [][]byte{f.A2(), f.A3(), f.A4()}})
	var said string
	run(phone, t, chromedp.Navigate(x.s.URL+"/faceguard/app#code="+code),
		chromedp.Poll(`document.getElementById('say').textContent.startsWith('Done') && document.getElementById('say').textContent`, &said, chromedp.WithPollingTimeout(patience)))
	if !strings.Contains(said, "other device") {
		t.Errorf("the phone says %q", said)
	}
	check(t, result(desk, t), x, setup{}, "approved", map[string]any{"status": "approved"})
}

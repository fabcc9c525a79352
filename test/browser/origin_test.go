package browser_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"facegate/api/apitest"
	"facegate/internal/programtest"
)

// What somebody else says in the service's name is not believed.
func TestForgedMessages(t *testing.T) {
	f := apitest.NewFaces(t)
	x := newSite(t)
	ctx := x.open(t, setup{camera: [][]byte{f.None(), f.None()}})
	verify(ctx, t, x.token(t, "user_a"), "")
	run(ctx, t, chromedp.WaitVisible("iframe", chromedp.ByQuery))
	in := chromedp.FromNode(frame(ctx, t))
	run(ctx, t, chromedp.WaitVisible("#video", chromedp.ByQuery, in)) // by the script that listens to the button
	// By the host's own window, by another frame, by the service's origin but not from the frame, and
	// from the frame but not by the service's origin.
	run(ctx, t, chromedp.Evaluate(`postMessage({action: 'close', reason: 'approved', confidence: 100}, '*');
		const other = document.createElement('iframe'); other.srcdoc = '<script>parent.postMessage({action: "close", reason: "approved", confidence: 100}, "*")<\/script>';
		document.body.append(other);
		dispatchEvent(new MessageEvent('message', {data: {action: 'close', reason: 'approved', confidence: 100}, origin: "`+x.s.URL+`", source: window}));
		dispatchEvent(new MessageEvent('message', {data: {action: 'close', reason: 'approved', confidence: 100}, origin: location.origin, source: document.querySelector('iframe').contentWindow}));
		0`, nil))
	var messages int
	run(ctx, t, chromedp.Poll(`messages.length >= 4 && messages.length`, &messages, chromedp.WithPollingTimeout(patience)))
	run(ctx, t, chromedp.Click("#close", chromedp.ByQuery, in))
	var e ending
	run(ctx, t, chromedp.Poll(`window.result && {result: window.result, messages, frames: 0}`, &e, chromedp.WithPollingTimeout(patience)))
	if want := map[string]any{"status": "canceled"}; !maps.Equal(e.Result, want) {
		t.Errorf("a forged message was believed: %v", e.Result)
	}
}

// No other page may hold the capture page in a frame.
func TestForeignPage(t *testing.T) {
	x := newSite(t)
	ctx := x.open(t, setup{})
	foreign := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<!doctype html><script>const messages = []; addEventListener('message', (e) => messages.push(e.data))</script>
			<iframe src="%s/faceguard/app#token=x&origin=http://%s" onload="this.dataset.loaded = 1"></iframe>`, x.s.URL, r.Host)
	}))
	t.Cleanup(foreign.Close)
	var messages int
	run(ctx, t, chromedp.Navigate(foreign.URL), chromedp.WaitReady("iframe[data-loaded]", chromedp.ByQuery), chromedp.Evaluate("messages.length", &messages))
	if shown := frame(ctx, t).ContentDocument.DocumentURL; !strings.HasPrefix(shown, "chrome-error:") {
		t.Errorf("a page of another origin shows %s", shown)
	}
	if messages != 0 {
		t.Errorf("a page of another origin was sent %d messages", messages)
	}
}

// A page of another workflow's origin may hold the capture page, but is told nothing of a customer
// of this one.
func TestOriginOfAnotherWorkflow(t *testing.T) {
	f := apitest.NewFaces(t)
	x := newSite(t)
	other := x.page(t)
	x.workflow(t, "other", other.URL)
	for _, tt := range []struct {
		name, customer string
		says           string // of the page in the frame
	}{
		{"approved", "user_a", "Done"},
		{"no base photo", "user_new", "Something went wrong"},
		{"canceled", "user_a", "Canceled"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			live := [][]byte{f.A2(), f.A3(), f.A4()}
			if tt.name == "canceled" {
				live = [][]byte{f.None(), f.None()}
			}
			ctx := x.open(t, setup{camera: live})
			run(ctx, t, chromedp.Navigate(other.URL), chromedp.Evaluate(`FaceGuard.verify({token: "`+x.token(t, tt.customer)+`"}).then((r) => { window.foreign = r; }); 0`, nil))
			ends(ctx, t, tt.name == "canceled", tt.says)
			// What this workflow's customer comes to is said to the same page: there is one message, and
			// it is that.
			verify(ctx, t, x.tokenOf(t, "other", "user_new"), "")
			e := result(ctx, t)
			x.heardOnce(t, &e)
			if want := map[string]any{"status": "error", "error": "no_base_photo"}; !maps.Equal(e.Result, want) {
				t.Errorf("result %v, want %v", e.Result, want)
			}
			var foreign bool
			if run(ctx, t, chromedp.Evaluate("'foreign' in window", &foreign)); foreign || e.Frames != 1 {
				t.Errorf("closed for a page of another workflow: %v; %d frames stay", foreign, e.Frames)
			}
		})
	}
}

// ends waits until the capture page in the frame says how it ended, which it does once it is closed
// where somebody is to close it.
func ends(ctx context.Context, t *testing.T, closed bool, says string) {
	t.Helper()
	in := chromedp.FromNode(frame(ctx, t))
	if closed {
		run(ctx, t, chromedp.WaitVisible("#video", chromedp.ByQuery, in), chromedp.Click("#close", chromedp.ByQuery, in))
	}
	programtest.Until(t, "the page in the frame says "+says, func() bool {
		var said string
		run(ctx, t, chromedp.Text("#say", &said, chromedp.ByQuery, in))
		return said == says
	})
}

// heardOnce checks that the one message the host's page had is that there is no base photo.
func (x *site) heardOnce(t *testing.T, e *ending) {
	t.Helper()
	want := map[string]any{"origin": x.s.URL, "action": "close", "reason": "no_base_photo"}
	if len(e.Messages) != 1 || !maps.Equal(e.Messages[0], want) {
		t.Errorf("messages %v, want one: %v", e.Messages, want)
	}
}

// The capture page speaks to the very origin it was told, and to no other: a page that may hold it
// hears nothing of what is meant for another origin of the same workflow.
func TestOtherOriginOfTheWorkflow(t *testing.T) {
	f := apitest.NewFaces(t)
	x := newSite(t)
	other := x.page(t)
	x.workflow(t, "shop", x.host.URL, other.URL)
	nobody := [][]byte{f.None(), f.None()}
	for _, tt := range []struct {
		name, customer, origin string
		camera                 [][]byte
		says                   string // of the page in the frame
	}{
		{"approved", "user_a", other.URL, [][]byte{f.A2(), f.A3(), f.A4()}, "Done"},
		{"canceled", "user_a", other.URL, nobody, "Canceled"},
		{"no base photo", "user_new", other.URL, nil, "Something went wrong"},
		{"everybody", "user_new", "*", nil, "Something went wrong"},
		{"no origin but an address", "user_new", x.host.URL + "/", nil, "Something went wrong"},
		{"no origin", "user_new", "", nil, "Something went wrong"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx := x.open(t, setup{camera: tt.camera})
			run(ctx, t, chromedp.Evaluate(`const frame = document.createElement('iframe'); frame.allow = 'camera';
				frame.src = "`+x.s.URL+`/faceguard/app#" + new URLSearchParams({token: "`+x.token(t, tt.customer)+`", origin: "`+tt.origin+`"});
				document.body.append(frame); 0`, nil))
			ends(ctx, t, tt.name == "canceled", tt.says)
			// What is meant for this page comes after it, and is all that comes.
			verify(ctx, t, x.token(t, "user_new"), "")
			e := result(ctx, t)
			x.heardOnce(t, &e)
		})
	}
}

// The token is in the fragment of the frame's address, which no server is sent: it goes to the
// service in a header alone, and is written down nowhere.
func TestTokenIsInNoAddress(t *testing.T) {
	f := apitest.NewFaces(t)
	x := newSite(t)
	to, err := url.Parse(x.s.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}
	var mu sync.Mutex
	asked := make(map[string]int) // paths
	with := make(map[string]bool) // tokens
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[r.URL.Path]++
		if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
			with[token] = true
		}
		if r.URL.RawQuery != "" || r.Referer() != "" && strings.Contains(r.Referer(), "token") || strings.Contains(r.RequestURI, "eyJ") || r.Header.Get("Cookie") != "" {
			t.Errorf("%s was asked for from %q with cookies %q", r.RequestURI, r.Referer(), r.Header.Get("Cookie"))
		}
		mu.Unlock()
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)

	ctx := x.open(t, setup{camera: [][]byte{f.A2(), f.A3(), f.A4()}})
	token := x.token(t, "user_a")
	verify(ctx, t, token, server.URL)
	var address string
	run(ctx, t, chromedp.Evaluate("document.querySelector('iframe').src", &address))
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	fragment, err := url.ParseQuery(u.EscapedFragment())
	if err != nil || fragment.Get("token") != token || fragment.Get("origin") != x.host.URL {
		t.Errorf("the fragment of the frame's address is %q, %v", u.Fragment, err)
	}
	if u.Fragment, u.RawFragment = "", ""; u.String() != server.URL+"/faceguard/app" {
		t.Errorf("without its fragment the frame's address is %s", u)
	}
	check(t, result(ctx, t), x, setup{arrive: server.URL}, "approved", map[string]any{"status": "approved"})

	mu.Lock()
	defer mu.Unlock()
	for _, path := range []string{"app", "app/config", "session", "session/capture"} {
		if asked["/faceguard/"+path] == 0 {
			t.Errorf("%s was not asked for, but %v", path, asked)
		}
	}
	if len(with) != 2 || !with[token] {
		t.Errorf("%d tokens were sent, want that of the portal and that of the session", len(with))
	}
	log := x.s.Log.String()
	for token := range with {
		if strings.Contains(log, token) {
			t.Error("a token is in the log")
		}
		for _, e := range x.s.Events(t) {
			if bytes.Contains(e.Line(), []byte(token)) {
				t.Errorf("a token is in the trail, in an event %s", e.Kind)
			}
		}
	}
}

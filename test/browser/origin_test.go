package browser_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
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
	run(ctx, t, chromedp.WaitVisible("#close", chromedp.ByQuery, in))
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
			in := chromedp.FromNode(frame(ctx, t))
			if tt.name == "canceled" {
				run(ctx, t, chromedp.WaitVisible("#video", chromedp.ByQuery, in), chromedp.Click("#close", chromedp.ByQuery, in))
			}
			programtest.Until(t, "the page in the frame says "+tt.says, func() bool {
				var said string
				run(ctx, t, chromedp.Text("#say", &said, chromedp.ByQuery, in))
				return said == tt.says
			})
			// What this workflow's customer comes to is said to the same page: there is one message, and
			// it is that.
			verify(ctx, t, x.tokenOf(t, "other", "user_new"), "")
			e := result(ctx, t)
			want := map[string]any{"origin": x.s.URL, "action": "close", "reason": "no_base_photo"}
			if len(e.Messages) != 1 || !maps.Equal(e.Messages[0], want) {
				t.Errorf("messages %v, want one: %v", e.Messages, want)
			}
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

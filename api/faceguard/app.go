package faceguard

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/ericlevine/zxinggo/qrcode/decoder"
	"github.com/ericlevine/zxinggo/qrcode/encoder"

	"facegate/api"
	"facegate/store"
)

//go:embed static
var static embed.FS //nolint:gochecknoglobals // go:embed needs a variable

// App is where the capture page is. Its token is in the fragment, which is sent to nobody.
const App = "/faceguard/app"

// pages serves what browsers load: the SDK, the capture page, and the picture of a short code.
func (g *guard) pages(mux *http.ServeMux) {
	page := template.Must(template.ParseFS(static, "static/app.html"))
	routes := api.Routes{Mux: mux, Fail: g.fail}
	routes.Nothing("/faceguard/")
	get := func(path string, h http.HandlerFunc) {
		routes.Handle("GET "+path, h)
		routes.Handle(path, func(w http.ResponseWriter, r *http.Request) {
			g.fail(w, r, &api.Error{Code: api.MethodNotAllowed, Allow: "GET, HEAD"})
		})
	}
	get(App, func(w http.ResponseWriter, r *http.Request) { g.app(w, r, page) })
	for name, kind := range map[string]string{
		"sdk.js": "text/javascript; charset=utf-8", "app.js": "text/javascript; charset=utf-8", "words.js": "text/javascript; charset=utf-8", "app.css": "text/css; charset=utf-8",
	} {
		body, err := static.ReadFile("static/" + name)
		if err != nil {
			panic(err) // the binary is broken
		}
		get("/faceguard/"+name, func(w http.ResponseWriter, _ *http.Request) {
			h := w.Header()
			h.Set("Content-Type", kind)
			h.Set("Cache-Control", "no-store")
			h.Set("Cross-Origin-Resource-Policy", "cross-origin") // the hosts' pages load the SDK
			_, _ = w.Write(body)                                  // the caller has gone
		})
	}
	get("/faceguard/qr", g.qr)
}

// app serves the capture page. Only pages of the workflows' origins may embed it, and it talks
// to no other.
func (g *guard) app(w http.ResponseWriter, r *http.Request, page *template.Template) {
	origins, err := g.origins(r)
	if err != nil {
		g.fail(w, r, err)
		return
	}
	ancestors := "'none'"
	if len(origins) > 0 {
		ancestors = strings.Join(origins, " ")
	}
	var body bytes.Buffer
	if err := page.Execute(&body, strings.Join(origins, " ")); err != nil {
		g.fail(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Permissions-Policy", "camera=(self), microphone=(), geolocation=()")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "+
		"base-uri 'none'; form-action 'none'; frame-ancestors "+ancestors)
	_, _ = w.Write(body.Bytes()) // the caller has gone
}

// origins are those of all workflows. A workflow that cannot be read has none.
func (g *guard) origins(r *http.Request) ([]string, error) {
	projects, err := g.s.DB.Projects(r.Context())
	if err != nil && projects == nil {
		return nil, err
	}
	var list []string
	for _, p := range projects {
		if p.API != store.APIFaceguard {
			continue
		}
		if f, err := ParseWorkflow(p.Settings); err == nil {
			list = append(list, f.Origins...)
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// qr draws the address of the capture page with a short code, for a phone's camera. Phones
// give a page no camera without TLS, so the address always has it.
func (g *guard) qr(w http.ResponseWriter, r *http.Request) {
	code, ok := parseCode(r.URL.Query().Get("code"))
	if !ok || len(r.Host) > 256 {
		g.fail(w, r, &api.Error{Code: api.NotFound})
		return
	}
	picture, err := drawQR("https://" + r.Host + App + "#code=" + code)
	if err != nil {
		g.fail(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "image/svg+xml")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'")
	_, _ = w.Write(picture) // the caller has gone
}

// quiet is the margin of a QR code, in modules.
const quiet = 4

// drawQR is a text as the SVG of a QR code.
func drawQR(text string) ([]byte, error) {
	code, err := encoder.Encode(text, decoder.ECLevelM, 0, -1)
	if err != nil {
		return nil, fmt.Errorf("draw QR code: %w", err)
	}
	side := len(code.Matrix.Data) + 2*quiet
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" shape-rendering="crispEdges">`, side, side)
	fmt.Fprintf(&b, `<path fill="#fff" d="M0 0h%dv%dH0z"/><path d="`, side, side)
	for y, row := range code.Matrix.Data {
		for x, module := range row {
			if module == 1 {
				fmt.Fprintf(&b, "M%d %dh1v1h-1z", x+quiet, y+quiet)
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return b.Bytes(), nil
}

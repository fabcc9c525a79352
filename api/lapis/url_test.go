package lapis

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"facegate/api"
	"facegate/api/apitest"
	"facegate/api/fetch"
	"facegate/store"
)

// TestURL reads pictures and videos from a host that the project lists, which the test's resolver
// puts on the internet and its dialer on this machine.
func TestURL(t *testing.T) {
	faces := apitest.NewFaces(t)
	files := map[string][]byte{
		"/card.jpg": faces.Card(), "/face.jpg": faces.A2(), "/junk": faces.Junk(), "/big.jpg": make([]byte, api.MaxBody+1),
		"/video.avi": avi(times(4, faces.A1(), faces.A2(), faces.A3(), faces.A4())...),
	}
	mux := http.NewServeMux()
	for path, content := range files {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) })
	}
	mux.Handle("/inside", http.RedirectHandler("https://127.0.0.1/face.jpg", http.StatusFound))
	server := httptest.NewUnstartedServer(mux)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS() // its certificate is for example.com
	defer server.Close()
	fetcher := fetch.Fetcher{
		Roots: x509.NewCertPool(),
		Resolve: func(_ context.Context, host string) ([]netip.Addr, error) {
			a := netip.MustParseAddr("93.184.215.14")
			if host != "example.com" {
				a = netip.MustParseAddr("10.0.0.1")
			}
			return []netip.Addr{a}, nil
		},
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
		},
	}
	fetcher.Roots.AddCert(server.Certificate())
	s := &site{faces: faces, keys: map[string]string{}, uses: map[string]int{}, Server: apitest.New(t, func(mux *http.ServeMux, s *api.Service) {
		register(mux, s, fetcher)
	}, apitest.Options{})}
	s.Update(t, func(tx *store.Tx) error {
		_, err := tx.SetProject(store.Project{API: store.APILapis, Name: "mine", Settings: json.RawMessage(`{"hosts":["example.com","inside.example.com"]}`)})
		return err
	})
	got := s.post(t, "document-identification", fields{"frontImage": "https://example.com/card.jpg"})
	s.golden(t, got, 200, jsonType, `{"documentIdentificationId":"<uuid>","idInformation":`+info1+`}`)
	for _, both := range []fields{
		{"frontImage": "https://example.com/card.jpg", "backImage": "https://example.com/face.jpg", "sideImage": "https://example.com/face.jpg"},
		{"frontImageBase64": b64(faces.Card()), "backImage": "https://example.com/face.jpg"},
	} {
		s.golden(t, s.post(t, "document-identification", both), 200, jsonType, `{"documentIdentificationId":"<uuid>","idInformation":`+info1+`}`)
	}
	id := s.identified(t, faces.Card())
	for _, tt := range []struct {
		path, field, url string
		status           int
		want             string
	}{
		{"face-authentication", "faceImage", "https://example.com/face.jpg", 200, goldenMatch},
		{"face-authentication", "faceImage", "https://example.com/junk", 400, goldenImage},
		{"face-authentication", "faceImage", "https://example.com/big.jpg", 400, goldenImage},
		{"face-authentication", "faceImage", "https://example.com/absent.jpg", 400, goldenImage},
		{"face-authentication", "faceImage", "https://example.com/inside", 400, goldenImage},
		{"face-authentication", "faceImage", "https://inside.example.com/face.jpg", 400, goldenImage},
		{"face-authentication", "faceImage", "http://example.com/face.jpg", 400, goldenImage},
		{"face-authentication", "faceImage", "https://example.org/face.jpg", 400, goldenImage},
		{"face-authentication", "faceImage", "no URL", 400, goldenImage},
		{"liveliness-verification", "faceVideo", "https://example.com/video.avi", 200, goldenAlive},
		{"liveliness-verification", "faceVideo", "https://example.com/junk", 400, goldenVideo},
		{"document-identification", "frontImage", "https://example.com/junk", 400, goldenDocument},
	} {
		got := s.post(t, tt.path, fields{tt.field: tt.url, "documentIdentificationId": id})
		apitest.Golden(t, got, tt.status, jsonType, tt.want)
	}
	// Another project lists no host.
	got = s.call(t, http.MethodPost, "/api/document-identification", "@yours", fields{"frontImage": "https://example.com/card.jpg"})
	apitest.Golden(t, got, 400, jsonType, goldenDocument)
}

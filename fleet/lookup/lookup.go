// Package lookup asks the central site about one person whom this kiosk does not hold.
//
// A kiosk holds the people of its own doors. Somebody else of the fleet who shows up in a call is
// asked for by id:
//
//	GET URL/ID    over TLS, with the kiosk's certificate
//	200 {"id":"ID","templates":[{"model":"…","vec":"…","masked":false}]}
//	404           nobody there has the id
//
// vec is base64 of little-endian float32 numbers of unit length. Everything else is a failure of
// the central site, which is bounded in time and size and never believed. Nothing that was told is
// kept: it serves one comparison and opens no door. A [Client] is safe for concurrent use.
package lookup

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"facegate/access"
)

// ErrAnswer means that the central site did not answer, or answered something else than it should.
var ErrAnswer = errors.New("the central site gave no valid answer")

// Limits of an answer.
const (
	maxTime      = 5 * time.Second
	maxBytes     = 256 << 10
	maxTemplates = 16
	maxNumbers   = 4096
	maxModel     = 128
	normError    = 1e-3
)

// Options say where the central site is, and who this kiosk is there.
type Options struct {
	URL       string // https
	CA        string // file of the certificates its own is checked against, PEM; empty: the system's
	Cert, Key string // files of the kiosk's certificate and key, PEM; both empty: none is shown
}

// A Client asks.
type Client struct {
	url  string
	http *http.Client
}

// A Template is a face as one embedder sees it.
type Template struct {
	Model  string
	Vector []float32 // unit length
	Masked bool
}

// New returns a Client. The kiosk's certificate is read anew for every connection, so that a
// renewed one is used at once.
func New(o Options) (*Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CA != "" {
		pem, err := os.ReadFile(o.CA)
		if err != nil {
			return nil, fmt.Errorf("read certificates of the central site: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read certificates of the central site: %s has none in PEM", o.CA)
		}
	}
	if o.Cert != "" {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			c, err := tls.LoadX509KeyPair(o.Cert, o.Key)
			return &c, err
		}
	}
	return &Client{strings.TrimSuffix(o.URL, "/"), &http.Client{
		Transport:     &http.Transport{TLSClientConfig: config, MaxConnsPerHost: 4, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Templates are those of a person. The error wraps access.ErrNotFound where the central site knows
// of nobody, and ErrAnswer where it does not answer as it should.
func (c *Client) Templates(ctx context.Context, id string) ([]Template, error) {
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+"/"+url.PathEscape(id), nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrAnswer, err)
	}
	r.Header.Set("Accept", "application/json")
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrAnswer, err)
	}
	defer resp.Body.Close()
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("ask the central site: %w", access.ErrNotFound)
	case resp.StatusCode != http.StatusOK || kind != "application/json":
		return nil, fmt.Errorf("%w: status %d, type %q", ErrAnswer, resp.StatusCode, kind)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBytes+1))
	if err == nil && len(body) > maxBytes {
		err = errors.New("it is too long")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrAnswer, err)
	}
	list, err := parse(id, body)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrAnswer, err)
	}
	return list, nil
}

// parse reads an answer about a person.
func parse(id string, body []byte) ([]Template, error) {
	var in struct {
		ID        string `json:"id"`
		Templates []struct {
			Model  string `json:"model"`
			Vec    string `json:"vec"`
			Masked bool   `json:"masked"`
		} `json:"templates"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, errors.New("it is not JSON of the right form") // the library's error may quote it
	}
	if in.ID != id || len(in.Templates) > maxTemplates {
		return nil, errors.New("it is about somebody else, or has too many templates")
	}
	list := make([]Template, len(in.Templates))
	for i, t := range in.Templates {
		v, err := vector(t.Vec)
		if err != nil || t.Model == "" || len(t.Model) > maxModel {
			return nil, errors.New("a template is none")
		}
		list[i] = Template{t.Model, v, t.Masked}
	}
	return list, nil
}

// vector reads numbers of unit length.
func vector(text string) ([]float32, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) == 0 || len(b)%4 != 0 || len(b) > 4*maxNumbers {
		return nil, errors.New("no vector")
	}
	v, sum := make([]float32, len(b)/4), 0.
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		sum += float64(v[i]) * float64(v[i])
	}
	if !(math.Abs(math.Sqrt(sum)-1) <= normError) { // also where a number is none
		return nil, errors.New("not of unit length")
	}
	return v, nil
}

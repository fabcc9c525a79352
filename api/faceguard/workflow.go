package faceguard

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"slices"

	"facegate/access"
)

// A Workflow is what a host wants of its customers' faces. It is the settings of a project of
// this API, and its name is the workflow_id.
type Workflow struct {
	Threshold float64  `json:"threshold"` // least confidence, 1..100
	Attempts  int      `json:"attempts"`  // captures that may be without a verdict, 1..20
	Origins   []string `json:"origins"`   // of the pages that may embed the capture page, such as https://shop.example
	Bypass    bool     `json:"bypass"`    // a person's bypass spares them the capture
	Liveness  string   `json:"liveness"`  // the tier, of which a browser's pictures have one: passive
}

// NewWorkflow is a workflow of which nothing was said. Nobody may embed its page.
func NewWorkflow() Workflow { return Workflow{Threshold: 80, Attempts: 5, Liveness: passive} }

// ParseWorkflow reads a project's settings. What they do not name is as in [NewWorkflow]. The
// error wraps access.ErrInvalid.
func ParseWorkflow(settings []byte) (Workflow, error) {
	f := NewWorkflow()
	dec := json.NewDecoder(bytes.NewReader(settings))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return f, fmt.Errorf("%w: settings of a workflow: %w", access.ErrInvalid, err)
	}
	return f, f.Check()
}

// passive is the one tier of liveness there is.
const passive = "passive"

// maxOrigins bounds the pages of a workflow: all of all workflows go into one header.
const maxOrigins = 16

// Check returns an error wrapping access.ErrInvalid that names the first thing wrong with f.
func (f Workflow) Check() error {
	if !(f.Threshold >= 1 && f.Threshold <= 100) { // .9 means 90
		return fmt.Errorf("%w: a threshold of %v is not 1 to 100", access.ErrInvalid, f.Threshold)
	}
	if f.Attempts < 1 || f.Attempts > 20 {
		return fmt.Errorf("%w: %d attempts are not 1 to 20", access.ErrInvalid, f.Attempts)
	}
	if f.Liveness != passive {
		return fmt.Errorf("%w: there is no liveness %q, but passive", access.ErrInvalid, f.Liveness)
	}
	if len(f.Origins) > maxOrigins {
		return fmt.Errorf("%w: more than %d origins", access.ErrInvalid, maxOrigins)
	}
	for i, o := range f.Origins {
		if slices.Contains(f.Origins[:i], o) {
			return fmt.Errorf("%w: origin %q is named twice", access.ErrInvalid, o)
		}
		if err := checkOrigin(o); err != nil {
			return err
		}
	}
	return nil
}

// checkOrigin accepts an origin as browsers write it. Without TLS only this machine is one: a
// browser gives no camera to other pages without it.
func checkOrigin(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || len(text) > 256 || text != u.Scheme+"://"+u.Host || !plain(u.Host) {
		return fmt.Errorf("%w: %q is no origin such as https://shop.example", access.ErrInvalid, text)
	}
	addr, _ := netip.ParseAddr(u.Hostname()) // the zero address of a name is no loopback
	here := addr.IsLoopback() || u.Hostname() == "localhost"
	if u.Scheme != "https" && (u.Scheme != "http" || !here) {
		return fmt.Errorf("%w: the origin %q must begin with https://", access.ErrInvalid, text)
	}
	return nil
}

// plain reports whether a host can stand in a header as it is: lower-case letters, digits,
// dots, hyphens, a port, brackets of an address.
func plain(host string) bool {
	for _, c := range host {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' && c != ':' && c != '[' && c != ']' {
			return false
		}
	}
	return true
}

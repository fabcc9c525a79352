package faceguard

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"facegate/api"
	"facegate/store"
)

// A short code is 40 random bits that a person can copy, and holds for a short time.
const (
	codeLength   = 8
	codeAlphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789" // 32, of which no two look alike
	codeFor      = 5 * time.Minute
)

func newCode() string {
	var b [codeLength]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	for i := range b {
		b[i] = codeAlphabet[int(b[i])%len(codeAlphabet)]
	}
	return string(b[:])
}

// parseCode reads a code as a person types it. It reports whether it can be one.
func parseCode(text string) (string, bool) {
	code := strings.ToUpper(text)
	return code, len(code) == codeLength && strings.Trim(code, codeAlphabet) == ""
}

// codeID is what a code is kept by: whoever reads the store cannot use it.
func codeID(code string) string {
	sum := sha256.Sum256([]byte(code))
	return hex.EncodeToString(sum[:])
}

// makeCode makes a short code for the session of a portal token, which it makes where there is
// none. The one before it, if any, no longer holds.
func (g *guard) makeCode(_ http.ResponseWriter, r *http.Request) (answer, error) {
	c, p, err := g.byPortal(r)
	if err != nil {
		return answer{}, err
	}
	a := answer{key: c.key, person: p.Customer, message: "Short code created"}
	if err := g.admit(r.Context(), p.Customer); err != nil {
		return a, err
	}
	code := newCode()
	err = g.s.DB.Update(r.Context(), c.act, func(tx *store.Tx) error {
		if _, _, err := c.session(tx); err != nil {
			return err
		}
		rec, err := read(tx, portalKind, c.claims.ID, &p)
		if err != nil {
			return err
		}
		if p.Code != "" {
			// It may be gone: used, or expired.
			if err := tx.DeleteRecord(codeKind, p.Code); err != nil && statusOf(err) != http.StatusNotFound {
				return err
			}
		}
		p.Code = codeID(code)
		expires := c.act.At.Add(codeFor)
		if rec.Expires.Before(expires) {
			expires = rec.Expires
		}
		a.data = struct {
			Code      string `json:"code"`
			ExpiresAt string `json:"expires_at"`
		}{code, stamp(expires)}
		held := store.Record{Kind: codeKind, ID: p.Code, Owner: p.Workflow, Person: p.Customer, Expires: expires}
		if err := write(tx, held, p.Session); err != nil {
			return err
		}
		return write(tx, rec, p)
	})
	return a, err
}

// redeemCode gives whoever has a short code a token of its session, once.
func (g *guard) redeemCode(_ http.ResponseWriter, r *http.Request) (answer, error) {
	ctx := r.Context()
	if !r.URL.Query().Has("code") {
		return answer{}, &api.Error{Code: api.Missing, Fields: []string{"code"}}
	}
	if err := g.s.Keys.TryOther("at "+network(r.RemoteAddr), time.Now()); err != nil {
		return answer{}, err
	}
	code, ok := parseCode(r.URL.Query().Get("code"))
	if !ok {
		return answer{}, &api.Error{Code: api.NotFound}
	}
	a := answer{message: "Short code redeemed"}
	var id string
	var s session
	// Nobody has to be told who asks: whoever holds the code is as good as another.
	err := g.s.DB.View(ctx, func(tx *store.Tx) error {
		if _, err := read(tx, codeKind, codeID(code), &id); err != nil {
			return err
		}
		_, err := read(tx, sessionKind, id, &s)
		return err
	})
	if err != nil {
		return a, err
	}
	c := new(call)
	if c.project, err = g.s.DB.Project(ctx, store.APIFaceguard, s.Workflow); err != nil {
		return a, err
	}
	if err := g.holder(ctx, c, s.Key); err != nil {
		return a, err
	}
	a.key, a.person = c.key, s.Customer
	if err := g.admit(ctx, s.Customer); err != nil {
		return a, err
	}
	err = g.s.DB.Update(ctx, c.act, func(tx *store.Tx) error {
		if _, err := tx.TakeRecord(codeKind, codeID(code)); err != nil {
			return err
		}
		held, err := read(tx, sessionKind, id, &s)
		if err != nil {
			return err
		}
		token, err := c.issue(&s, held)
		if err != nil {
			return err
		}
		a.data = struct {
			Token string `json:"token"`
		}{token}
		return write(tx, held, s)
	})
	return a, err
}

// network is the network that an address is counted as: codes are guessed from many addresses
// of one.
func network(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return "unknown"
	}
	bits := 64
	if addr = addr.Unmap(); addr.Is4() {
		bits = 32
	}
	prefix, err := addr.WithZone("").Prefix(bits)
	if err != nil {
		return "unknown"
	}
	return prefix.String()
}

package faceguard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"facegate/access"
	"facegate/api"
	"facegate/store"
	"facegate/store/seal"
)

// Kinds of records.
const (
	portalKind  = "faceguard.portal"
	sessionKind = "faceguard.session"
	codeKind    = "faceguard.code"
)

// A portal is whom a portal token is for.
type portal struct {
	Key      string `json:"key"` // id
	Customer string `json:"customer"`
	Workflow string `json:"workflow"`
	Session  string `json:"session,omitempty"` // id; empty until there is one
	Code     string `json:"code,omitempty"`    // id of the short code that holds
}

// A session is one try of a customer to show who they are.
type session struct {
	Key        string    `json:"key"` // id
	Customer   string    `json:"customer"`
	Workflow   string    `json:"workflow"`
	Tokens     []string  `json:"tokens"` // ids of the session tokens that hold
	Tries      int       `json:"tries"`  // captures without a verdict
	Outcome    outcome   `json:"outcome"`
	Reached    int       `json:"reached"` // the stage that is active or failed
	Confidence float64   `json:"confidence"`
	Ended      time.Time `json:"ended,omitzero"`
	Until      time.Time `json:"until,omitzero"` // of the bypass
}

// An outcome is what came of a session.
type outcome string

const (
	open     outcome = ""
	passed   outcome = "passed"
	failed   outcome = "failed"
	bypassed outcome = "bypassed"
)

// The stages in their order.
const (
	stageCapture = iota
	stageLiveness
	stageMatch
	stages // how many there are
)

func stageName(i int) string {
	return [stages]string{"face_capture", "liveness", "face_match"}[i]
}

// maxTokens is how many tokens of a session hold at once: the page's, the phone's, and one
// each that a page loaded anew has left behind. The oldest gives way.
const maxTokens = 4

type stage struct {
	Name  string `json:"name"`
	State string `json:"state"`
}

// A status is tagged by its type; the fields of other types are left out.
type status struct {
	Type        string  `json:"type"`
	Outcome     outcome `json:"outcome,omitempty"`
	Stages      []stage `json:"stages,omitempty"`
	ExpiresAt   string  `json:"expires_at,omitempty"`
	CompletedAt string  `json:"completed_at,omitempty"`
}

func (s *session) status() status {
	switch s.Outcome {
	case open:
		return status{Type: "in_progress", Stages: s.stages("active")}
	case bypassed:
		return status{Type: "bypassed", ExpiresAt: stamp(s.Until), CompletedAt: stamp(s.Ended)}
	}
	return status{Type: "completed", Outcome: s.Outcome, Stages: s.stages(string(s.Outcome)), CompletedAt: stamp(s.Ended)}
}

// stages are the stages where the reached one is in a state.
func (s *session) stages(reached string) []stage {
	list := make([]stage, stages)
	for i := range list {
		state := "pending"
		switch {
		case i < s.Reached:
			state = "passed"
		case i == s.Reached:
			state = reached
		}
		list[i] = stage{stageName(i), state}
	}
	return list
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// A confidence is 0..100. It is written with the one decimal that it was cut to.
type confidence float64

// MarshalJSON is the text of the number.
func (c confidence) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(c), 'f', 1, 64), nil
}

// A sessionStatus is a status as it is sent. The confidence is of a session with a verdict.
type sessionStatus struct {
	Status     status      `json:"status"`
	Confidence *confidence `json:"confidence,omitempty"`
	Hint       string      `json:"hint,omitempty"` // what to do better, as one of the quality codes
}

func (s *session) sent() sessionStatus {
	out := sessionStatus{Status: s.status()}
	if s.Outcome == passed || s.Outcome == failed {
		out.Confidence = new(confidence(s.Confidence))
	}
	return out
}

// A call is a call with a token: what the token says, and what is behind it.
type call struct {
	claims   claims
	key      store.Key
	project  store.Project
	workflow Workflow
	act      store.Act
}

// authorize checks the token of a call and finds the workflow and key behind it. The error is
// an *api.Error of code NoKey or UnknownKey.
func (g *guard) authorize(r *http.Request, typ string) (*call, error) {
	ctx, now := r.Context(), time.Now()
	token := bearer(r)
	c := new(call)
	var err error
	if c.claims, err = unverified(token); err != nil {
		return nil, err
	}
	c.project, err = g.s.DB.Project(ctx, store.APIFaceguard, c.claims.Issuer)
	if errors.Is(err, access.ErrNotFound) {
		return nil, errToken("of no workflow")
	}
	if err != nil {
		return nil, err
	}
	if err := c.claims.verify(token, typ, c.project, now); err != nil {
		return nil, err
	}
	if c.workflow, err = ParseWorkflow(c.project.Settings); err != nil {
		return nil, err
	}
	return c, nil
}

// holder finds the key that a portal or session was made with. Whoever revokes it ends them.
func (g *guard) holder(ctx context.Context, c *call, id string) error {
	key, err := g.s.DB.Key(ctx, id)
	switch {
	case errors.Is(err, access.ErrNotFound), errors.Is(err, seal.ErrSealed), err == nil && !key.Allows(store.ScopeAuthenticate):
		return errToken("of a key that was revoked")
	case err != nil:
		return err
	}
	c.key = key
	c.act = g.s.Act(c.key)
	err = g.s.Keys.Call(c.key, c.claims.ID, c.act.At)
	g.s.Tallied(c.key, err)
	return err
}

// byPortal is authorize for a portal token.
func (g *guard) byPortal(r *http.Request) (*call, portal, error) {
	var p portal
	c, err := g.authorize(r, portalToken)
	if err != nil {
		return nil, p, err
	}
	err = g.s.DB.View(r.Context(), func(tx *store.Tx) error {
		_, err := read(tx, portalKind, c.claims.ID, &p)
		return err
	})
	if err == nil {
		err = g.holder(r.Context(), c, p.Key)
	}
	return c, p, err
}

// bySession is authorize for a session token.
func (g *guard) bySession(r *http.Request) (*call, session, error) {
	var s session
	c, err := g.authorize(r, sessionToken)
	if err != nil {
		return nil, s, err
	}
	err = g.s.DB.View(r.Context(), func(tx *store.Tx) error {
		_, err := read(tx, sessionKind, c.claims.Session, &s)
		return err
	})
	if err == nil && !slices.Contains(s.Tokens, c.claims.ID) {
		err = errToken("revoked")
	}
	if err == nil {
		err = g.holder(r.Context(), c, s.Key)
	}
	return c, s, err
}

// read reads a record's body into v. The error wraps access.ErrNotFound where there is none.
func read(tx *store.Tx, kind, id string, v any) (store.Record, error) {
	rec, err := tx.Record(kind, id)
	if err != nil {
		return rec, err
	}
	if err := json.Unmarshal(rec.Body, v); err != nil {
		return rec, fmt.Errorf("read %v: %w", rec, err)
	}
	return rec, nil
}

// write keeps v as the body of a record that was read.
func write(tx *store.Tx, rec store.Record, v any) (err error) {
	if rec.Body, err = json.Marshal(v); err != nil {
		return err
	}
	return tx.PutRecord(rec)
}

// session gives the portal's session and its record, made where there is none.
func (c *call) session(tx *store.Tx) (s session, held store.Record, err error) {
	var p portal
	rec, err := read(tx, portalKind, c.claims.ID, &p)
	if err != nil {
		return s, held, err
	}
	if p.Session != "" {
		held, err = read(tx, sessionKind, p.Session, &s)
		return s, held, err
	}
	p.Session = newID()
	s = session{Key: p.Key, Customer: p.Customer, Workflow: p.Workflow}
	held = store.Record{Kind: sessionKind, ID: p.Session, Owner: p.Workflow, Person: p.Customer, Expires: rec.Expires}
	if err := write(tx, rec, p); err != nil {
		return s, held, err
	}
	return s, held, write(tx, held, s)
}

// issue makes a token of a session. The session is to be written afterwards.
func (c *call) issue(s *session, held store.Record) (string, error) {
	t := claims{
		Type: sessionToken, Issuer: s.Workflow, ID: newID(), Session: held.ID,
		IssuedAt: c.act.At.Unix(), Expires: held.Expires.Unix(),
	}
	s.Tokens = append(s.Tokens, t.ID)
	s.Tokens = s.Tokens[max(0, len(s.Tokens)-maxTokens):]
	return t.sign(c.project)
}

// bypass ends an open session where the customer's bypass holds and the workflow takes it. Like
// at the door, nothing that ends at a time holds under a clock that may be wrong.
func (c *call) bypass(tx *store.Tx, s *session) error {
	if s.Outcome != open || !c.workflow.Bypass || c.act.Clock != access.ClockSynced {
		return nil
	}
	p, err := tx.Person(s.Customer)
	if err != nil {
		return err
	}
	if b := p.Bypass; b != nil && !c.act.At.Before(b.Since) && c.act.At.Before(b.Until) {
		s.Outcome, s.Until, s.Ended = bypassed, b.Until, c.act.At
	}
	return nil
}

// begin makes the session of a portal token, or a new token of it where there is one.
func (g *guard) begin(_ http.ResponseWriter, r *http.Request) (answer, error) {
	c, p, err := g.byPortal(r)
	if err != nil {
		return answer{}, err
	}
	a := answer{key: c.key, person: p.Customer, message: "Session created"}
	if err := g.admit(r.Context(), p.Customer); err != nil {
		return a, err
	}
	err = g.s.DB.Update(r.Context(), c.act, func(tx *store.Tx) error {
		s, held, err := c.session(tx)
		if err != nil {
			return err
		}
		if err := c.bypass(tx, &s); err != nil {
			return err
		}
		token, err := c.issue(&s, held)
		if err != nil {
			return err
		}
		a.result = string(s.Outcome)
		a.data = struct {
			SessionID string `json:"session_id"`
			Token     string `json:"token"`
			Status    status `json:"status"`
		}{held.ID, token, s.status()}
		return write(tx, held, s)
	})
	return a, err
}

// status tells what became of the session of a portal token.
func (g *guard) status(_ http.ResponseWriter, r *http.Request) (answer, error) {
	c, p, err := g.byPortal(r)
	if err != nil {
		return answer{}, err
	}
	a := answer{key: c.key, person: p.Customer, message: "Session status"}
	if p.Session == "" {
		return a, fmt.Errorf("session of the portal token: %w", access.ErrNotFound)
	}
	var s session
	err = g.s.DB.View(r.Context(), func(tx *store.Tx) error {
		_, err := read(tx, sessionKind, p.Session, &s)
		return err
	})
	a.result, a.data = string(s.Outcome), s.sent()
	return a, err
}

// config tells the page what it needs to know of the customer before it asks for a camera.
func (g *guard) config(_ http.ResponseWriter, r *http.Request) (answer, error) {
	c, p, err := g.byPortal(r)
	if err != nil {
		return answer{}, err
	}
	a := answer{key: c.key, person: p.Customer, message: "Configuration"}
	if err := g.admit(r.Context(), p.Customer); err != nil {
		return a, err
	}
	photos, err := g.basePhotos(r.Context(), p.Customer)
	origins := c.workflow.Origins
	if origins == nil {
		origins = []string{}
	}
	a.data = struct {
		Origins   []string `json:"origins"`
		BasePhoto bool     `json:"base_photo"`
	}{origins, len(photos) > 0}
	return a, err
}

// basePhotos are the templates of a customer, without those that were damaged.
func (g *guard) basePhotos(ctx context.Context, customer string) ([]api.Template, error) {
	var list []api.Template
	err := g.s.DB.View(ctx, func(tx *store.Tx) error {
		for t, err := range tx.TemplatesOf(customer) {
			if errors.Is(err, seal.ErrSealed) {
				continue
			}
			if err != nil {
				return err
			}
			list = append(list, api.Template{Model: t.Model, Vector: t.Vector, Masked: t.Cover == store.CoverMask})
		}
		return nil
	})
	return list, err
}

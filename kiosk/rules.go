package kiosk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"

	"facegate/access"
	"facegate/access/policyfile"
	"facegate/internal/logkey"
	"facegate/store"
)

// Rules keeps a kiosk's policy in step with the store, whoever changes it. Rules that cannot
// be used, such as those of a later release, leave the last good ones in force; where there
// are none yet, nobody is let in.
type Rules struct {
	DB    *store.DB
	Kiosk *Kiosk
	Log   *slog.Logger
	// Changed, where set, is told of the policy that holds now, nil for none, and why a newer one
	// could not be used.
	Changed func(p *access.Policy, refused error)

	revision uint64
	loaded   bool
}

// Load brings the newest rules into force.
func (r *Rules) Load(ctx context.Context) error {
	revision, err := r.DB.PolicyRevision(ctx)
	if err != nil {
		return fmt.Errorf("load rules: %w", err)
	}
	if r.loaded && revision == r.revision {
		return nil
	}
	policy, err := ReadPolicy(ctx, r.DB)
	if errors.Is(err, access.ErrInvalid) {
		r.Log.ErrorContext(ctx, "rules refused", logkey.Revision, revision, logkey.Error, err)
		if !r.loaded {
			r.Kiosk.SetPolicy(nil)
		}
		r.revision, r.loaded = revision, true
		if r.Changed != nil {
			r.Changed(r.Kiosk.Policy(), err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("load rules: %w", err)
	}
	r.Kiosk.SetPolicy(policy)
	r.revision, r.loaded = revision, true
	r.Log.InfoContext(ctx, "rules loaded", logkey.Revision, policy.Revision)
	if r.Changed != nil {
		r.Changed(policy, nil)
	}
	return nil
}

// ReadPolicy is the newest policy of the store; of a store without one, that of a site which
// has set no rules. The error wraps access.ErrInvalid where it cannot be used.
func ReadPolicy(ctx context.Context, db *store.DB) (*access.Policy, error) {
	stored, err := db.Policy(ctx)
	if errors.Is(err, access.ErrNotFound) {
		return &access.Policy{}, nil
	}
	if err != nil {
		return nil, err
	}
	rules, err := policyfile.Load(bytes.NewReader([]byte(stored.Body)))
	if err != nil {
		return nil, fmt.Errorf("policy %d: %w: %w", stored.Revision, access.ErrInvalid, err)
	}
	policy, err := rules.Compile(stored.Revision)
	if err != nil {
		return nil, fmt.Errorf("policy %d: %w", stored.Revision, err)
	}
	return policy, nil
}

// String is the task's name.
func (r *Rules) String() string { return "rules" }

// Ready is closed: Load has been called before the first Run.
func (r *Rules) Ready() <-chan struct{} { return atOnce() }

// Run loads what changes until ctx ends. A store that cannot be read for a moment is tried
// again; the last good rules hold meanwhile.
func (r *Rules) Run(ctx context.Context) error {
	return every(ctx, pollEvery, func() {
		// The store's own condition tells when it is sick.
		_ = r.Load(ctx)
	})
}

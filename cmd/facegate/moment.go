package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"facegate/access"
	"facegate/kiosk"
	"facegate/store"
)

// list is a flag that may be repeated and may hold several values with commas.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

// Set adds the values of one flag.
func (l *list) Set(s string) error {
	for v := range strings.SplitSeq(s, ",") {
		if v = strings.TrimSpace(v); v != "" {
			*l = append(*l, v)
		}
	}
	return nil
}

// moment is a flag that holds a time. Where that has no offset it is read on the site's
// clock, whose zone is known once the store is open.
type moment struct{ text string }

func (m *moment) String() string { return m.text }

// Set keeps a text that is a time, or an empty one.
func (m *moment) Set(s string) error {
	if _, err := readMoment(s, time.UTC); err != nil && s != "" {
		return err
	}
	m.text = s
	return nil
}

// in is the moment, read in a zone; the zero time where there is none.
func (m moment) in(zone *time.Location) time.Time {
	if m.text == "" {
		return time.Time{}
	}
	t, _ := readMoment(m.text, zone) // Set has read it before
	return t
}

func readMoment(s string, zone *time.Location) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: write 2026-03-01 or 2026-03-01T08:00:00Z", s)
}

// zone is the site's time zone: that of its rules, or the machine's own.
func zone(ctx context.Context, db *store.DB) (*time.Location, error) {
	p, err := kiosk.ReadPolicy(ctx, db)
	if err != nil {
		return nil, badRules(err)
	}
	return zoneOf(p)
}

func zoneOf(p *access.Policy) (*time.Location, error) {
	if r := p.Rules(); r != nil && r.TimeZone != "" {
		return time.LoadLocation(r.TimeZone)
	}
	return time.Local, nil
}

// badRules says what to do about rules in the store that cannot be used.
func badRules(err error) error {
	if errors.Is(err, access.ErrInvalid) {
		return hinted{err, "another release saved them; facegate policy apply FILE.toml replaces them"}
	}
	return err
}

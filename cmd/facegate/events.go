package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"facegate/access"
	"facegate/kiosk"
	"facegate/store"
)

func events(ctx context.Context, e *env, args []string) error {
	fs := e.flags("events")
	follow := fs.Bool("follow", false, "go on with new events")
	accept := fs.Bool("accept", false, "verify: go on after a break at the trail's end, which is recorded")
	sign := fs.Bool("sign", false, "head: sign the trail's end as it is now")
	since := fs.Uint64("since", 0, "events after this sequence number")
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	db, err := e.store(ctx)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // only read
	switch {
	case len(rest) == 1 && rest[0] == "verify":
		return verifyEvents(ctx, e, db, *accept)
	case len(rest) == 1 && rest[0] == "head":
		return signedHead(ctx, e, db, *sign)
	case len(rest) > 0:
		return usagef("events knows no %q", rest[0])
	case *follow:
		for ev, err := range db.Follow(ctx, *since, 250*time.Millisecond) {
			if err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return err
			}
			if err := e.printEvent(ev); err != nil {
				return err
			}
		}
		return nil
	}
	for {
		page, err := db.Events(ctx, *since, 1000)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return nil
		}
		for _, ev := range page {
			if err := e.printEvent(ev); err != nil {
				return err
			}
		}
		*since = page[len(page)-1].Seq
	}
}

func (e *env) printEvent(ev access.Event) error {
	return e.print(ev, func(w io.Writer) {
		var more []string
		for _, s := range []struct {
			name string
			v    *float64
		}{{"match", ev.Scores.Match}, {"margin", ev.Scores.Margin}, {"liveness", ev.Scores.Liveness}, {"mask", ev.Scores.Mask}} {
			if s.v != nil {
				more = append(more, fmt.Sprintf("%s %.2f", s.name, *s.v))
			}
		}
		if call := ev.Data["call"]; call != "" {
			more = append(more, fmt.Sprintf("%s: %s (%s)", call, cmp.Or(ev.Data["result"], "done"), ev.Source))
		}
		if why := ev.Data["why"]; why != "" {
			more = append(more, why)
		}
		fmt.Fprintf(w, "%6d  %s  %-16s %-14s %-20s %-6s %s\n", ev.Seq, ev.Time.Local().Format("2006-01-02 15:04:05.000"), ev.Kind,
			ev.Person, ev.Reason, ev.Door, strings.Join(more, ", "))
	})
}

// verifyEvents walks the chain. A chain that does not hold is the answer no, also where the
// operator accepts that its end is lost and goes on.
func verifyEvents(ctx context.Context, e *env, db *store.DB, accept bool) error {
	v, err := db.VerifyEvents(ctx)
	if bad, ok := errors.AsType[*store.ChainError](err); ok {
		err := e.print(map[string]any{"ok": false, "seq": bad.Seq, "why": bad.Why}, func(w io.Writer) {
			fmt.Fprintf(w, "the audit trail is broken at event %d: %s\n", bad.Seq, bad.Why)
		})
		if accept && err == nil {
			_, err = db.Reanchor(ctx, kiosk.Now(admin()))
		}
		return errors.Join(errNo, err)
	}
	if err != nil {
		return err
	}
	return e.print(map[string]any{"ok": true, "events": v.Events, "head": v.Head.String(), "signed": v.Signed}, func(w io.Writer) {
		fmt.Fprintf(w, "%d events, every link holds, head %s\n", v.Events, v.Head)
		if v.Signed > 0 {
			fmt.Fprintf(w, "%d signed heads, all of them in the trail\n", v.Signed)
		}
	})
}

// signedHead prints the newest end of the trail that the device has signed, to be kept
// elsewhere (docs/audit.md), and the key to check it with.
func signedHead(ctx context.Context, e *env, db *store.DB, sign bool) error {
	var h store.SignedHead
	if sign {
		var err error
		if h, err = db.SignHead(ctx, kiosk.Now(admin())); err != nil {
			return err
		}
	} else {
		list, err := db.SignedHeads(ctx)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return hinted{errors.New("no end of the trail was signed yet"), "facegated signs every hour and at its end; facegate events head --sign does it now"}
		}
		h = list[len(list)-1]
	}
	public, err := db.PublicKey(ctx)
	if err != nil {
		return err
	}
	l := struct {
		store.SignedHead
		PublicKey string `json:"public_key"`
	}{h, hex.EncodeToString(public)}
	return e.print(l, func(w io.Writer) {
		fmt.Fprintf(w, "event      %d\nhash       %s\nchain      %s\nsigned at  %s\nsignature  %s\npublic key %s (%s)\n",
			h.Seq, h.Hash, h.Chain, h.At.Format("2006-01-02T15:04:05.000Z07:00"), base64.StdEncoding.EncodeToString(h.Signature), l.PublicKey, h.Key)
	})
}

package facephi

import (
	"context"
	"strings"
	"time"

	"facegate/access"
	"facegate/api"
	"facegate/store"
)

// Age makes a capture so old.
func Age(tx *store.Tx, best string, age time.Duration) error {
	r, err := tx.TakeRecord(captureKind, captureID(strings.TrimPrefix(best, capturePrefix)))
	if err != nil {
		return err
	}
	r.Expires = tx.Now().Add(captureLasts - age)
	return tx.PutRecord(r)
}

// GiveToken registers a token of a template for a person, whatever models there are.
func GiveToken(ctx context.Context, s *api.Service, user string, t api.Template) (text string, err error) {
	h := &handler{Service: s}
	act := store.Act{Source: access.SourceSystem}
	key, err := h.tokenKey(ctx, act)
	if err != nil {
		return "", err
	}
	text, serial := key.seal(s.Site, user, t)
	return text, s.DB.Update(ctx, act, func(tx *store.Tx) error {
		u := &userState{}
		u.register(serial)
		return u.write(tx, user)
	})
}

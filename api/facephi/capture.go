package facephi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"facegate/access"
	"facegate/api"
	"facegate/store"
)

// Captures are pictures that the kiosk's own camera took, each for one use.
const (
	capturePrefix = "capture:"
	captureKind   = "capture"
	captureLasts  = 10 * time.Second
	captureWait   = 10 * time.Second // for somebody to stand before the camera
)

// captureID is what a capture is kept by: whoever reads the store cannot use it.
func captureID(serial string) string {
	sum := sha256.Sum256([]byte(serial))
	return hex.EncodeToString(sum[:])
}

// captureImage takes a picture of whoever stands before the kiosk's camera. It answers what stands
// for it in authenticateUser, as a bestImageToken and, where the face is alive and looks ahead, as
// a template. Using one of them uses up both.
func (c *call) captureImage(ctx context.Context, f fields) (*answer, error) {
	var errs []string
	f.notes(c.data, &errs)
	if len(errs) > 0 {
		return nil, badRequest(api.Malformed, errs...)
	}
	if c.Camera == nil {
		return nil, errors.New("capture: there is no camera")
	}
	wait, cancel := context.WithTimeout(ctx, captureWait)
	defer cancel()
	jpeg, err := c.Camera.Capture(wait)
	if wait.Err() != nil {
		return nil, &api.Error{Code: api.Busy, RetryAfter: time.Second, Err: wait.Err()}
	}
	if err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	taken := time.Now()
	l, err := c.Judge.Look(ctx, jpeg, api.WantLiveness|api.WantTemplate|api.WantQuality)
	if err != nil {
		return nil, err
	}
	code := liveness(l)
	if code == livenessLive || code == livenessNoLive {
		c.scores.Liveness = fraction(l.LiveScore)
	}
	act := c.Act(c.key)
	key, err := c.tokenKey(ctx, act)
	if err != nil {
		return nil, err
	}
	template, serial := key.sealLive(c.Site, l.Template)
	if err := c.DB.Update(ctx, act, func(tx *store.Tx) error { return keepCapture(tx, serial, jpeg, taken) }); err != nil {
		return nil, err
	}
	r := &answer{Log: livenessName(code), Liveness: &code, Best: capturePrefix + serial}
	if code == livenessLive && !l.Turned() && l.Template.Vector != nil {
		r.Live = template
	}
	return r, nil
}

// keepCapture keeps a picture of the kiosk's camera for one call within 10 s.
func keepCapture(tx *store.Tx, serial string, jpeg []byte, taken time.Time) error {
	err := tx.PutRecord(store.Record{Kind: captureKind, ID: captureID(serial), Face: true, Expires: taken.Add(captureLasts), Body: jpeg})
	if err != nil {
		return fmt.Errorf("keep capture: %w", err)
	}
	return nil
}

// takeCapture is the picture of a capture that was not used yet and when it was taken, or nil.
func (c *call) takeCapture(ctx context.Context, serial string) (jpeg []byte, taken time.Time, err error) {
	err = c.DB.Update(ctx, c.Act(c.key), func(tx *store.Tx) error {
		r, err := tx.TakeRecord(captureKind, captureID(serial))
		if errors.Is(err, access.ErrNotFound) {
			return nil
		}
		jpeg, taken = r.Body, r.Expires.Add(-captureLasts)
		return err
	})
	return jpeg, taken, err
}

// takeTemplate is the template of a capture that was not used yet. The error is errToken for any
// other.
func (c *call) takeTemplate(ctx context.Context, text []byte) (api.Template, error) {
	key, err := c.tokenKey(ctx, c.Act(c.key))
	if err != nil {
		return api.Template{}, err
	}
	t, err := key.openLive(c.Site, text)
	if err != nil {
		return api.Template{}, err
	}
	jpeg, _, err := c.takeCapture(ctx, t.serial)
	if err == nil && jpeg == nil {
		err = errToken
	}
	return t.template, err
}

// nobody is in place of the user in what a token is bound to that is of a face before the camera:
// no user has an empty id.
const nobody = ""

// sealLive makes a token of a living face before the kiosk's camera.
func (k *tokenKey) sealLive(site string, t api.Template) (text, serial string) {
	return k.seal(site, nobody, t)
}

// openLive reads one. The error is errToken, whatever is wrong.
func (k *tokenKey) openLive(site string, text []byte) (token, error) {
	return k.open(site, nobody, text)
}

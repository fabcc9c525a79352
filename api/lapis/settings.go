package lapis

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"facegate/access"
	"facegate/api/fetch"
	"facegate/store"
)

// Settings are those of a project of this API.
type Settings struct {
	Similarity float64  `json:"similarity"` // least likeness of a face to the document's, 0..1
	Hosts      []string `json:"hosts"`      // that pictures and videos may be read from by URL
}

// NewSettings are the settings of a key without a project, and of one that says nothing.
func NewSettings() Settings { return Settings{Similarity: .8} }

// ParseSettings reads a project's settings. What they do not name is as in [NewSettings]. The
// error wraps access.ErrInvalid.
func ParseSettings(text []byte) (Settings, error) {
	x := NewSettings()
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&x); err != nil {
		return x, fmt.Errorf("%w: settings of lapis: %w", access.ErrInvalid, err)
	}
	if !(x.Similarity >= .5 && x.Similarity <= 1) {
		return x, fmt.Errorf("%w: a similarity of %v is not 0.5 to 1", access.ErrInvalid, x.Similarity)
	}
	for _, h := range x.Hosts {
		if err := fetch.CheckHost(h); err != nil {
			return x, fmt.Errorf("%w: %w", access.ErrInvalid, err)
		}
	}
	return x, nil
}

// project are the settings of the key's project. A project that nobody has set says nothing.
func (c *call) project(ctx context.Context) (Settings, error) {
	if c.key.Project == "" {
		return NewSettings(), nil
	}
	p, err := c.DB.Project(ctx, store.APILapis, c.key.Project)
	if errors.Is(err, access.ErrNotFound) {
		return NewSettings(), nil
	}
	if err != nil {
		return Settings{}, err
	}
	return ParseSettings(p.Settings)
}

package baf

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"facegate/access"
	"facegate/store"
)

// Settings are those of a project of this API.
type Settings struct {
	Attempts        int      `json:"attempts"`          // at registration, 1..5
	Threshold       float64  `json:"threshold"`         // least likeness of a face that is found, per cent
	MaxFaces        int      `json:"max_faces"`         // that a search gives, 1..50
	SaveFaceProfile bool     `json:"save_face_profile"` // faces may be registered and authorised without a document
	LRS             bool     `json:"lrs"`               // calls must name an endeavor
	Endeavors       []string `json:"endeavors"`         // that there are
}

// NewSettings are the settings of a key without a project, and of one that says nothing.
func NewSettings() Settings {
	return Settings{Attempts: 5, Threshold: 90, MaxFaces: 50, SaveFaceProfile: true}
}

// ParseSettings reads a project's settings. What they do not name is as in [NewSettings]. The
// error wraps access.ErrInvalid.
func ParseSettings(text []byte) (Settings, error) {
	x := NewSettings()
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&x); err != nil {
		return x, fmt.Errorf("%w: settings of baf: %w", access.ErrInvalid, err)
	}
	switch {
	case x.Attempts < 1 || x.Attempts > 5:
		return x, fmt.Errorf("%w: %d attempts are not 1 to 5", access.ErrInvalid, x.Attempts)
	case !(x.Threshold >= 1 && x.Threshold <= 100): // .9 means 90
		return x, fmt.Errorf("%w: a threshold of %v is not 1 to 100 per cent", access.ErrInvalid, x.Threshold)
	case x.MaxFaces < 1 || x.MaxFaces > 50:
		return x, fmt.Errorf("%w: %d faces are not 1 to 50", access.ErrInvalid, x.MaxFaces)
	}
	return x, nil
}

// project are the settings of the key's project. A project that nobody has set says nothing.
func (c *call) project(ctx context.Context) (Settings, error) {
	if c.key.Project == "" {
		return NewSettings(), nil
	}
	p, err := c.DB.Project(ctx, store.APIBaf, c.key.Project)
	if errors.Is(err, access.ErrNotFound) {
		return NewSettings(), nil
	}
	if err != nil {
		return Settings{}, err
	}
	return ParseSettings(p.Settings)
}

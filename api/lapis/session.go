package lapis

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"facegate/access"
	"facegate/api"
	"facegate/pipeline/face"
	"facegate/store"
)

// The kinds of records.
const (
	kindSession = "lapis.document"
	kindRequest = "lapis.request"
)

const sessionFor = 24 * time.Hour

// A session is a document that was identified, and what was compared with it since.
type session struct {
	Info       info      `json:"info"`
	Expires    string    `json:"expires,omitempty"`    // last day of the document, as 2006-01-02
	Portrait   *template `json:"portrait,omitempty"`   // nil: no face was found on it
	Face       *seen     `json:"face,omitempty"`       // nil: none has matched yet
	Liveliness *float64  `json:"liveliness,omitempty"` // 0..1, nil: not verified
}

// seen is a face that matched, with what is needed to enrol it.
type seen struct {
	Template template     `json:"template"`
	Older    []template   `json:"older,omitempty"`
	Quality  face.Quality `json:"quality"`
	Blur     float64      `json:"blur"`
	Score    score        `json:"score"`
}

// look is the face as the judge gave it.
func (s *seen) look() *api.Look {
	l := &api.Look{Quality: s.Quality, Blur: s.Blur, Faces: 1, Template: s.Template.api()}
	for _, o := range s.Older {
		l.Template.Older = append(l.Template.Older, o.api())
	}
	return l
}

func newSeen(l *api.Look, similarity float64) *seen {
	s := &seen{Template: newTemplate(l.Template), Quality: l.Quality, Blur: l.Blur, Score: score(similarity)}
	for _, o := range l.Template.Older {
		s.Older = append(s.Older, newTemplate(o))
	}
	return s
}

// A template is an [api.Template] as it is kept.
type template struct {
	Model  string `json:"model"`
	Vector []byte `json:"vector"` // float32, little-endian
	Masked bool   `json:"masked,omitempty"`
}

func newTemplate(t api.Template) template {
	k := template{Model: t.Model, Masked: t.Masked}
	for _, x := range t.Vector {
		k.Vector = binary.LittleEndian.AppendUint32(k.Vector, math.Float32bits(x))
	}
	return k
}

func (k template) api() api.Template {
	t := api.Template{Model: k.Model, Masked: k.Masked, Vector: make([]float32, len(k.Vector)/4)}
	for i := range t.Vector {
		t.Vector[i] = math.Float32frombits(binary.LittleEndian.Uint32(k.Vector[4*i:]))
	}
	return t
}

// A score is 0..1. It is written with three decimals and cut off there, so that one below its
// threshold never reads as if it were not.
type score float64

// MarshalJSON is the text of the number.
func (s score) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, math.Floor(float64(s)*1000)/1000, 'f', 3, 64), nil
}

// errUnknown is said of a session that there is not.
func errUnknown() error {
	return refuse("There is no document identification data with the provided id!")
}

// session finds a session of the call's owner.
func (c *call) session(tx *store.Tx, id string) (store.Record, *session, error) {
	if len(id) != 36 {
		return store.Record{}, nil, errUnknown()
	}
	r, err := tx.Record(kindSession, id)
	switch {
	case errors.Is(err, access.ErrNotFound), err == nil && r.Owner != c.owner():
		return store.Record{}, nil, errUnknown()
	case err != nil:
		return store.Record{}, nil, err
	}
	s := &session{}
	if err := json.Unmarshal(r.Body, s); err != nil {
		return store.Record{}, nil, fmt.Errorf("%v: %w", r, err)
	}
	return r, s, nil
}

// load is session in a transaction of its own.
func (c *call) load(id string) (s *session, err error) {
	err = c.DB.View(c.ctx(), func(tx *store.Tx) error {
		_, s, err = c.session(tx, id)
		return err
	})
	return s, err
}

// change lets fn change a session as it is by now.
func (c *call) change(id string, fn func(*session)) error {
	return c.DB.Update(c.ctx(), c.Act(c.key), func(tx *store.Tx) error {
		r, s, err := c.session(tx, id)
		if err != nil {
			return err
		}
		fn(s)
		if r.Body, err = json.Marshal(s); err != nil {
			return err
		}
		return tx.PutRecord(r)
	})
}

package facephi

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"facegate/access"
	"facegate/store"
)

// maxTokens is how many tokens of a user are known; the oldest that is superseded is forgotten
// first, and then answered like one of somebody else.
const maxTokens = 16

// What a token of a user is.
const (
	issued     = "issued"     // good for authenticating; not the registered one yet
	current    = "current"    // the registered one
	superseded = "superseded" // another one was registered after it
)

// A userState is what is kept of a person for this API.
type userState struct {
	// Made says that the API made the person, for keys of Project. Only then is the door's
	// template its business: whoever may enrol must not give a face to somebody who exists.
	Made     bool    `json:"made,omitzero"`
	Project  string  `json:"project,omitzero"`
	Template string  `json:"template,omitzero"` // id in the store of the template that the current token holds, of a person who was made
	Tokens   []known `json:"tokens"`            // the oldest first
}

// mine reports whether a key may change the person, or erase them.
func (u *userState) mine(k store.Key) bool { return u.Made && u.Project == k.Project }

type known struct {
	Serial string `json:"serial"`
	State  string `json:"state"`
}

// state is that of a token; "" for one that is not known.
func (u *userState) state(serial string) string {
	i := slices.IndexFunc(u.Tokens, func(k known) bool { return k.Serial == serial })
	if i < 0 {
		return ""
	}
	return u.Tokens[i].State
}

// add makes a token known.
func (u *userState) add(serial, state string) {
	u.Tokens = slices.DeleteFunc(u.Tokens, func(k known) bool { return k.Serial == serial })
	u.Tokens = append(u.Tokens, known{serial, state})
	for _, s := range []string{superseded, issued} {
		if i := slices.IndexFunc(u.Tokens, func(k known) bool { return k.State == s }); i >= 0 && len(u.Tokens) > maxTokens {
			u.Tokens = slices.Delete(u.Tokens, i, i+1)
		}
	}
}

// register makes a token the only one that holds.
func (u *userState) register(serial string) {
	last := ""
	for i, k := range u.Tokens {
		if k.State == current {
			last = k.Serial
		}
		u.Tokens[i].State = superseded
	}
	if last != "" {
		u.add(last, superseded) // it is forgotten last
	}
	u.add(serial, current)
}

const userKind = "facephi.user"

// readUser is what is kept of a person: nothing of one who has no token.
func readUser(tx *store.Tx, id string) (*userState, error) {
	r, err := tx.Record(userKind, id)
	if errors.Is(err, access.ErrNotFound) {
		return &userState{}, nil
	}
	if err != nil {
		return nil, err
	}
	u := new(userState)
	if err := json.Unmarshal(r.Body, u); err != nil {
		return nil, fmt.Errorf("read tokens of %s: %w", id, err)
	}
	return u, nil
}

// write keeps it. It goes with the person, and with their consent.
func (u *userState) write(tx *store.Tx, id string) error {
	body, err := json.Marshal(u)
	if err != nil {
		return err
	}
	return tx.PutRecord(store.Record{Kind: userKind, ID: id, Person: id, Face: true, Body: body})
}

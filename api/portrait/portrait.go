// Package portrait keeps the face of the document that somebody was enrolled with, as a template,
// so that an API can fall back on it where no template of the living face can be compared.
//
// A portrait opens no door: the kiosk does not search it. It is sealed like a template and goes
// with the person and with their consent.
package portrait

import (
	"encoding/json"
	"errors"
	"fmt"

	"facegate/access"
	"facegate/api"
	"facegate/store"
)

const kind = "portrait"

type kept struct {
	Model  string    `json:"model"`
	Vector []float32 `json:"vector"`
}

// Put keeps t as a person's portrait, in place of an earlier one. The caller sees to it that the
// person has agreed.
func Put(tx *store.Tx, person string, t api.Template) error {
	body, err := json.Marshal(kept{t.Model, t.Vector})
	if err != nil {
		return fmt.Errorf("keep portrait: %w", err)
	}
	defer clear(body)
	return tx.PutRecord(store.Record{Kind: kind, ID: person, Person: person, Face: true, Body: body})
}

// Get is a person's portrait, and whether there is one.
func Get(tx *store.Tx, person string) (api.Template, bool, error) {
	r, err := tx.Record(kind, person)
	if errors.Is(err, access.ErrNotFound) {
		return api.Template{}, false, nil
	}
	if err != nil {
		return api.Template{}, false, err
	}
	defer clear(r.Body)
	var k kept
	if err := json.Unmarshal(r.Body, &k); err != nil {
		return api.Template{}, false, fmt.Errorf("read portrait: %w", err)
	}
	return api.Template{Model: k.Model, Vector: k.Vector}, true, nil
}

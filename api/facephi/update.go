package facephi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"facegate/access"
	"facegate/api"
	"facegate/store"
)

// updateTemplate is updateUserTemplate.
func (c *call) updateTemplate(ctx context.Context, f fields) (*answer, error) {
	const newName, otherName = "newRegisteredTemplateRaw", "registeredTemplateRaw"
	if errs := f.missing("userId", "oldRegisteredTemplateRaw", newName+"|"+otherName); len(errs) > 0 {
		return nil, badRequest(api.Missing, errs...)
	}
	var errs []string
	user := f.userID(&errs)
	before := f.bytes("oldRegisteredTemplateRaw", &errs)
	after := f.bytes(newName, &errs)
	if !f.has(newName) {
		after = f.bytes(otherName, &errs)
	}
	f.notes(c.data, &errs)
	if len(errs) > 0 {
		return nil, badRequest(api.Malformed, errs...)
	}

	act := c.Act(c.key)
	key, err := c.tokenKey(ctx, act)
	if err != nil {
		return nil, err
	}
	var r *answer
	err = c.DB.Update(ctx, act, func(tx *store.Tx) error {
		r, err = c.exchange(tx, key, user, before, after)
		return err
	})
	return r, err
}

// exchange registers a token in place of another.
func (c *call) exchange(tx *store.Tx, key *tokenKey, user string, before, after []byte) (*answer, error) {
	if _, err := tx.Person(user); errors.Is(err, access.ErrNotFound) {
		return &answer{status: http.StatusBadRequest, Code: notFound, Log: "User not found"}, nil
	} else if err != nil {
		return nil, err
	}
	c.person = user
	u, err := readUser(tx, user)
	if err != nil {
		return nil, err
	}
	next, err := key.open(c.Site, user, after)
	last, lerr := key.open(c.Site, user, before)
	theirs := err == nil && lerr == nil && u.state(next.serial) != "" && u.state(last.serial) != ""
	if !theirs {
		return &answer{status: http.StatusUnauthorized, Code: notBound, Log: notBoundLog(user)}, nil
	}
	if u.state(last.serial) != current {
		return &answer{
			status: http.StatusUnauthorized, Code: notMatching,
			Log: "The registeredTemplateRaw parameter sent does not match the registered user's templateRaw for the user ID: [" + user + "]. InvalidRegisteredTemplateRaw.",
		}, nil
	}
	r := &answer{Code: done, Log: "The user's templateRaw was updated successfully."}
	if next.serial == last.serial { // a token is exchanged for itself: it is made anew
		r.Template, next.serial = key.seal(c.Site, user, next.template)
	} else if err := u.replace(tx, user, next.template); err != nil {
		return nil, err
	}
	u.register(next.serial)
	return r, u.write(tx, user)
}

// replace makes a template the enrolled one in place of that of the token before it. Other
// templates of the person, which came from elsewhere, stay.
func (u *userState) replace(tx *store.Tx, id string, t api.Template) error {
	fresh := store.Template{Person: id, Model: t.Model, Vector: t.Vector, Quality: 1}
	if t.Masked {
		fresh.Cover = store.CoverMask
	}
	add := tx.AddTemplate
	if u.Template != "" {
		add = func(t store.Template) (store.Template, error) { return tx.RenewTemplate(u.Template, t) }
	}
	kept, err := add(fresh)
	if errors.Is(err, access.ErrNotFound) { // an administrator has removed it
		kept, err = tx.AddTemplate(fresh)
	}
	if errors.Is(err, access.ErrTooMany) {
		err = nil // the person is known well enough at the door; the token holds its template itself
	}
	u.Template = kept.ID
	return err
}

// maxUsers is how many users one call deletes.
const maxUsers = 100

// deleteUsers erases users.
func (c *call) deleteUsers(ctx context.Context, f fields) (*answer, error) {
	if errs := f.missing("userIds"); len(errs) > 0 {
		return nil, badRequest(api.Missing, errs...)
	}
	var ids []string
	if err := json.Unmarshal(f.members["userIds"], &ids); err != nil || len(ids) > maxUsers {
		return nil, badRequest(api.Malformed, "userIds must be a list of at most 100 strings")
	}
	for _, id := range ids {
		if _, err := c.DB.ErasePerson(ctx, c.Act(c.key), id); err != nil && !errors.Is(err, access.ErrNotFound) {
			return nil, err
		}
	}
	return &answer{Log: "The service execution was successful, the module processed the request correctly."}, nil
}

package facephi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"facegate/access"
	"facegate/api"
	"facegate/pipeline/match"
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
	next, err := key.open(c.Site, user, after)
	if err == nil {
		err = c.like(ctx, user, next.template)
	}
	if err != nil && !errors.Is(err, errToken) {
		return nil, err
	}
	if err != nil {
		c.data["why"] = err.Error()
	}
	last, lerr := key.open(c.Site, user, before)
	fit := err == nil && lerr == nil
	var r *answer
	err = c.DB.Update(ctx, act, func(tx *store.Tx) error {
		r, err = c.exchange(tx, key, user, last, next, fit)
		return err
	})
	return r, err
}

// like returns an error wrapping errToken where a template is like somebody else's: the door could
// not tell the two apart.
func (c *call) like(ctx context.Context, user string, t api.Template) error {
	found, err := c.Judge.Search(ctx, t, 2)
	if errors.Is(err, match.ErrModel) {
		return nil // nobody is known by it any more
	}
	for _, f := range found {
		if f.Person != user && f.Score >= threshold {
			return stranger("the face is already enrolled as " + f.Person)
		}
	}
	return err
}

// exchange registers a token in place of another, if they are fit for it.
func (c *call) exchange(tx *store.Tx, key *tokenKey, user string, last, next token, fit bool) (*answer, error) {
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
	if !fit || u.state(next.serial) == "" || u.state(last.serial) == "" {
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
	} else if u.mine(c.key) {
		if err := u.replace(tx, user, next.template); err != nil {
			return nil, err
		}
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
	kept, err := tx.RenewTemplate(u.Template, fresh)
	if errors.Is(err, access.ErrNotFound) { // an administrator has removed it
		kept, err = tx.AddTemplate(fresh)
	}
	if errors.Is(err, access.ErrTooMany) {
		err = nil // the person is known well enough at the door; the token holds its template itself
	}
	u.Template = kept.ID
	return err
}

// mayErase returns an *api.Error of code NoScope unless the key may erase all of some people: it
// is an administrator's, or they were made by the API for its project.
func (c *call) mayErase(ctx context.Context, ids []string) error {
	if c.key.Allows(store.ScopeAdmin) {
		return nil
	}
	return c.DB.View(ctx, func(tx *store.Tx) error {
		for _, id := range ids {
			_, err := tx.Person(id)
			if errors.Is(err, access.ErrNotFound) {
				continue
			}
			u, uerr := readUser(tx, id)
			if err := errors.Join(err, uerr); err != nil {
				return err
			}
			if !u.mine(c.key) {
				return &api.Error{Code: api.NoScope, Detail: id + " was not made by a key of this project"}
			}
		}
		return nil
	})
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
	if err := c.mayErase(ctx, ids); err != nil {
		return nil, err
	}
	for _, id := range ids {
		if _, err := c.DB.ErasePerson(ctx, c.Act(c.key), id); err != nil && !errors.Is(err, access.ErrNotFound) {
			return nil, err
		}
	}
	return &answer{Log: "The service execution was successful, the module processed the request correctly."}, nil
}

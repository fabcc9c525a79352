package api

import (
	"context"
	"errors"

	"facegate/fleet/lookup"
)

// A Directory tells of people whom this kiosk does not hold.
type Directory interface {
	// Templates are those of a person. The error wraps access.ErrNotFound where nobody is known
	// by the id, and is an [*Error] of code Upstream where no valid answer came.
	Templates(ctx context.Context, id string) ([]Template, error)
}

// Fleet is the Directory of the central site.
type Fleet struct{ Client *lookup.Client }

// Templates is [Directory.Templates].
func (f Fleet) Templates(ctx context.Context, id string) ([]Template, error) {
	found, err := f.Client.Templates(ctx, id)
	if errors.Is(err, lookup.ErrAnswer) {
		return nil, &Error{Code: Upstream, Err: err}
	}
	if err != nil {
		return nil, err
	}
	list := make([]Template, len(found))
	for i, t := range found {
		list[i] = Template{Model: t.Model, Vector: t.Vector, Masked: t.Masked}
	}
	return list, nil
}

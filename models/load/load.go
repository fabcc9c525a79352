// Package load turns the roles of the models manifest into running models: it is the one
// place where package models and the inference runtime meet.
package load

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	"facegate/models"
	"facegate/pipeline/litert"
)

// Loader opens models of set on rt, each with the given number of threads (0 means 1). The
// tensors of a model are checked against the manifest. A Loader may be used from several
// goroutines; rt must outlive the models.
func Loader(set *models.Set, rt *litert.Runtime, threads int) litert.Loader {
	return func(role string) (*litert.Model, error) {
		b, e, err := set.Bytes(role)
		if err != nil {
			return nil, err
		}
		var spec litert.Spec
		if spec.Inputs, err = tensors(e.Inputs); err != nil {
			return nil, fmt.Errorf("load %s: %w", role, err)
		}
		if spec.Outputs, err = tensors(e.Outputs); err != nil {
			return nil, fmt.Errorf("load %s: %w", role, err)
		}
		m, err := rt.Load(b, spec, litert.Options{Threads: threads})
		if err != nil {
			return nil, fmt.Errorf("load %s: %w", role, err)
		}
		return m, nil
	}
}

func tensors(in []models.Tensor) ([]litert.Tensor, error) {
	out := make([]litert.Tensor, len(in))
	for i, t := range in {
		typ, err := litert.ParseType(t.Type)
		if err != nil {
			return nil, err
		}
		out[i] = litert.Tensor{Type: typ, Shape: t.Shape}
	}
	return out, nil
}

// An Engine is the inference runtime with the models that are installed.
type Engine struct {
	Runtime *litert.Runtime
	Models  *models.Set
	Load    litert.Loader

	mu   sync.Mutex
	used map[string]*litert.Model // by role, one that [Engine.Share] gave
}

// Share is Load for whoever can wait for others: the models of one role that it gives have their
// weights in common, so that every further one costs little memory, and run one at a time. A
// file is read and verified for the first of them that is open.
func (g *Engine) Share(role string) (*litert.Model, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if m := g.used[role]; m != nil {
		n, err := m.Share()
		if !errors.Is(err, litert.ErrClosed) {
			return n, err
		}
	}
	m, err := g.Load(role)
	if err != nil {
		return nil, err
	}
	if g.used == nil {
		g.used = make(map[string]*litert.Model)
	}
	g.used[role] = m
	return m, nil
}

// Open opens the runtime under home and the models in dir, with the given number of threads a
// model. What is missing is one *models.MissingError that names all of it; the hashes are
// checked as the files are read. Close the engine after every model it loaded.
func Open(home, dir string, threads int) (*Engine, error) {
	return open(home, dir, threads, false)
}

// OpenAny is Open for whoever can do without some of the models: the error of each that is
// missing or not the manifest's comes when it is loaded.
func OpenAny(home, dir string, threads int) (*Engine, error) {
	return open(home, dir, threads, true)
}

func open(home, dir string, threads int, partly bool) (*Engine, error) {
	set, err := models.OpenDir(home, dir)
	if err != nil {
		return nil, err
	}
	if err := set.Missing(runtime.GOARCH); err != nil && !partly {
		return nil, err
	}
	lib, err := set.Runtime(runtime.GOARCH)
	if err != nil {
		return nil, err
	}
	rt, err := litert.Open(lib)
	if err != nil {
		return nil, err
	}
	return &Engine{Runtime: rt, Models: set, Load: Loader(set, rt, threads)}, nil
}

// Close frees the runtime.
func (g *Engine) Close() error { return g.Runtime.Close() }

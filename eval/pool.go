package eval

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"facegate/pipeline"
)

// A pool is the analysers of a run, one a worker.
type pool struct {
	analysers []*pipeline.Analyser

	mu       sync.Mutex
	step     func(done, of int)
	done, of int
}

func newPool(o Options) (*pool, error) {
	p := &pool{step: o.Step}
	for range max(o.Workers, 1) {
		an, err := o.Open()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open models: %w", err), p.close())
		}
		p.analysers = append(p.analysers, an)
	}
	return p, nil
}

func (p *pool) close() error {
	var errs []error
	for _, an := range p.analysers {
		errs = append(errs, an.Close())
	}
	return errors.Join(errs...)
}

func (p *pool) stepped() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	if p.step != nil {
		p.step(p.done, p.of)
	}
}

// each does every job once, side by side, and returns the first error.
func each[T any](ctx context.Context, p *pool, jobs []T, do func(*pipeline.Analyser, T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for _, an := range p.analysers {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(jobs) {
					return
				}
				if err := do(an, jobs[i]); err != nil {
					cancel(err)
					return
				}
				p.stepped()
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

package judge

import (
	"context"
	"sync"
)

// A Priority lets posted pictures wait while somebody before the lens is being decided on. It is
// safe for concurrent use; the zero value lets nobody wait.
type Priority struct {
	mu   sync.Mutex
	free chan struct{} // closed once nobody is there any more; nil: nobody is
}

// Attend says whether somebody is there who is not decided on.
func (p *Priority) Attend(somebody bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case somebody && p.free == nil:
		p.free = make(chan struct{})
	case !somebody && p.free != nil:
		close(p.free)
		p.free = nil
	}
}

// Yield waits until nobody is there or ctx ends.
func (p *Priority) Yield(ctx context.Context) {
	p.mu.Lock()
	free := p.free
	p.mu.Unlock()
	if free == nil {
		return
	}
	select {
	case <-free:
	case <-ctx.Done():
	}
}

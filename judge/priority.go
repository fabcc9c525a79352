package judge

import (
	"context"
	"sync"
	"time"
)

// yieldFor is how long the stage of a picture waits for the camera at most: most visits are
// decided by then, and somebody who stays before the lens undecided does not end the service.
const yieldFor = 2 * time.Second

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

// Yield waits until nobody is there, two seconds have gone by or ctx ends.
func (p *Priority) Yield(ctx context.Context) {
	p.mu.Lock()
	free := p.free
	p.mu.Unlock()
	if free == nil {
		return
	}
	enough := time.NewTimer(yieldFor)
	defer enough.Stop()
	select {
	case <-free:
	case <-enough.C:
	case <-ctx.Done():
	}
}

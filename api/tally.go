package api

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"facegate/access"
	"facegate/internal/logkey"
	"facegate/store"
)

// tallyEvery is how often refused calls are recorded.
const tallyEvery = time.Minute

// A Tally counts the calls that were refused because their key makes too many, and records how
// many there were of each key once a minute: whoever calls too often must not fill the disk. It
// is a task, and safe for concurrent use. Run is called once.
type Tally struct {
	Service *Service

	mu     sync.Mutex
	counts map[string]*refusals // by the key's id
	once   sync.Once
	ready  chan struct{}
}

type refusals struct {
	key store.Key
	n   int
}

// String is the task's name.
func (*Tally) String() string { return "refused calls" }

// Ready is closed from the beginning: there is nothing to wait for.
func (t *Tally) Ready() <-chan struct{} {
	t.once.Do(func() {
		t.ready = make(chan struct{})
		close(t.ready)
	})
	return t.ready
}

// Run records until ctx ends, and then once more.
func (t *Tally) Run(ctx context.Context) error {
	tick := time.NewTicker(tallyEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			t.record(context.WithoutCancel(ctx))
			return nil
		case <-tick.C:
			t.record(ctx)
		}
	}
}

func (t *Tally) add(k store.Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = make(map[string]*refusals)
	}
	r := t.counts[k.ID]
	if r == nil {
		r = &refusals{key: k}
		t.counts[k.ID] = r
	}
	r.n++
}

// record puts what was counted into the trail. What could not be recorded is counted on.
func (t *Tally) record(ctx context.Context) {
	t.mu.Lock()
	counts := t.counts
	t.counts = nil
	t.mu.Unlock()
	s := t.Service
	for _, r := range counts {
		e := access.Event{Kind: access.KindCommandRefused, Data: map[string]string{
			"api": r.key.API, "result": "too many calls", "count": strconv.Itoa(r.n),
		}}
		if _, err := s.DB.AppendEvent(ctx, s.Act(r.key), e); err != nil {
			s.Log.WarnContext(ctx, "refused calls not recorded", logkey.Error, err)
			for range r.n {
				t.add(r.key)
			}
		}
	}
}

// Tallied reports whether an error is that a key makes too many calls, and counts it: such a call
// has no event of its own.
func (s *Service) Tallied(k store.Key, err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok || !e.OfKey || k.ID == "" {
		return false
	}
	s.Tally.add(k)
	return true
}

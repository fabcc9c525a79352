package judge_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	gocmp "github.com/google/go-cmp/cmp"

	"facegate/api"
	"facegate/api/apitest"
	"facegate/document"
	"facegate/judge"
	"facegate/pipeline/imgproc"
)

// A reader calls f with each picture.
type reader func(picture []byte) error

func (r reader) ReadFile(_ context.Context, picture []byte, _ func()) (document.Document, error) {
	return document.Document{Kind: document.TD1}, r(picture)
}

// A reader that breaks down fails the one call.
func TestDocumentsPanic(t *testing.T) {
	broken := true
	d := &judge.Documents{Log: slog.New(slog.DiscardHandler), Reader: reader(func([]byte) error {
		if broken {
			panic("broken")
		}
		return nil
	})}
	if _, err := d.ReadFile(t.Context(), nil); !errors.Is(err, document.ErrEngine) {
		t.Errorf("a panic is %v", err)
	}
	broken = false
	if got, err := d.ReadFile(t.Context(), nil); err != nil || got.Kind != document.TD1 {
		t.Errorf("%+v, %v", got, err)
	}
}

// A large picture waits while another is looked at; a small one does not. All wait for the camera,
// for two seconds.
func TestDocumentsWait(t *testing.T) {
	f := apitest.NewFaces(t)
	small, large := f.A1(), f.Big()
	synctest.Test(t, func(t *testing.T) {
		began, end := make(chan string), make(chan struct{})
		d := &judge.Documents{
			Pictures: api.NewRoom(24 << 20), Log: slog.New(slog.DiscardHandler),
			Yield: func(ctx context.Context) { <-ctx.Done() },
			Reader: reader(func(picture []byte) error {
				if len(picture) == len(small) {
					began <- "small"
					return nil
				}
				began <- "large"
				<-end
				return nil
			}),
		}
		read := func(ctx context.Context, picture []byte) chan error {
			done := make(chan error, 1)
			go func() {
				_, err := d.ReadFile(ctx, picture)
				done <- err
			}()
			return done
		}
		first := read(t.Context(), large)
		if got := <-began; got != "large" {
			t.Fatal(got)
		}
		second := read(t.Context(), large)
		synctest.Wait()
		read(t.Context(), small)
		if got := <-began; got != "small" {
			t.Errorf("a %s picture passed the one that is read", got)
		}
		gone, cancel := context.WithCancel(t.Context())
		third := read(gone, large)
		cancel()
		if e, ok := errors.AsType[*api.Error](<-third); !ok || e.Code != api.Busy {
			t.Error("a call that has gone waited for room")
		}
		close(end)
		if err := <-first; err != nil {
			t.Error(err)
		}
		if got := <-began; got != "large" {
			t.Error(got)
		}
		if err := <-second; err != nil {
			t.Error(err)
		}
	})
}

// threads is how many the process has.
func threads(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// Calls that wait for another's document hold no thread: there may be hundreds, and a unit has
// few tasks. They end with their contexts.
func TestDocumentsWaitWithoutThreads(t *testing.T) {
	const waiting = 200
	reading, arrived, end := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var calls atomic.Int32
	d := &judge.Documents{
		Reader: document.Open(), Log: slog.New(slog.DiscardHandler),
		Yield: func(context.Context) {
			switch calls.Add(1) {
			case 1: // of the first picture, before its turn
			case 2:
				close(reading)
				<-end
			default:
				arrived <- struct{}{}
			}
		},
	}
	results := make(chan error)
	read := func(ctx context.Context) {
		_, err := d.ReadFile(ctx, nil)
		results <- err
	}
	go read(t.Context())
	<-reading
	before := threads(t)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	for range waiting {
		go read(ctx)
	}
	for range waiting {
		<-arrived
	}
	if n := threads(t) - before; n > waiting/4 {
		t.Errorf("%d calls that wait took %d threads", waiting, n)
	}
	leave()
	for range waiting {
		if err := <-results; !errors.Is(err, context.Canceled) {
			t.Errorf("a call that has gone: %v", err)
		}
	}
	close(end)
	if err := <-results; !errors.Is(err, imgproc.ErrPicture) {
		t.Errorf("the first: %v", err)
	}
}

// nice is how much less than others' the calling thread is given.
func nice() int {
	n, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	if err != nil {
		panic(err)
	}
	return 20 - n
}

// Stages notes how nice its thread is before each of its pauses, and after the last.
type stages struct{ nice []int }

func (s *stages) ReadFile(_ context.Context, _ []byte, pause func()) (document.Document, error) {
	for range 2 {
		s.nice = append(s.nice, nice())
		pause()
	}
	s.nice = append(s.nice, nice())
	return document.Document{}, nil
}

// The thread that reads gives way to the camera's from the first pause on, and not before.
func TestDocumentsGiveWay(t *testing.T) {
	own := nice()
	var s stages
	if _, err := (&judge.Documents{Reader: &s, Log: slog.New(slog.DiscardHandler)}).ReadFile(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if d := gocmp.Diff([]int{own, 10, 10}, s.nice); d != "" {
		t.Error(d)
	}
}

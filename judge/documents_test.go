package judge_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"

	"facegate/api"
	"facegate/api/apitest"
	"facegate/document"
	"facegate/judge"
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

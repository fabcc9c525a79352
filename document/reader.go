package document

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"facegate/document/ocrb"
	"facegate/pipeline/imgproc"
)

// How many pixels of a file are looked at: a zone of 44 characters across such a picture has 40
// pixels a character.
const maxPixels = 4_000_000

const defaultLimit = 10 * time.Second

// A Reader reads documents, one picture at a time: calls wait for each other, so that
// however many pictures arrive, memory holds what one needs. It is safe for concurrent use.
type Reader struct {
	// Limit is how long one picture is looked at, seven tenths of it for a zone. 0: 10 s. It is
	// not changed after the first call.
	Limit time.Duration

	finder *ocrb.Finder
	turn   chan struct{} // holds a token while nobody reads
}

// Open returns a Reader. It needs no files.
func Open() *Reader {
	r := &Reader{finder: ocrb.New(), turn: make(chan struct{}, 1)}
	r.turn <- struct{}{}
	return r
}

// Read finds and reads the document in a picture, which it does not change. Where there is
// none the error wraps ErrNotRecognized and the Kind is None; a document whose checks fail
// is no error. It gives up with ErrNotRecognized at its limit, and with the context's error
// when that ends, also while it waits for another call.
func (r *Reader) Read(ctx context.Context, m *imgproc.Image) (Document, error) {
	return r.inTurn(ctx, func(ctx context.Context) (Document, error) { return r.read(ctx, m, nil) })
}

// ReadFile is Read for a picture as it is stored or sent. It decodes the picture when its
// turn has come, a large one reduced to four million pixels. What cannot be decoded is an
// error that wraps [imgproc.ErrPicture]. pause, where it is not nil, is called before each
// step, of which the decoding is the first, by the goroutine that called ReadFile, and may wait.
// It is not called before the turn has come.
func (r *Reader) ReadFile(ctx context.Context, data []byte, pause func()) (Document, error) {
	return r.inTurn(ctx, func(ctx context.Context) (Document, error) {
		if pause != nil {
			pause()
		}
		m, err := imgproc.DecodeWithin(ctx, data, maxPixels)
		if err != nil {
			return Document{}, err
		}
		return r.read(ctx, m, pause)
	})
}

// inTurn calls read when no other call runs, with a limit of time.
func (r *Reader) inTurn(ctx context.Context, read func(context.Context) (Document, error)) (Document, error) {
	none := Document{Kind: None}
	select {
	case <-r.turn:
		defer func() { r.turn <- struct{}{} }()
	case <-ctx.Done():
		return none, ctx.Err()
	}
	limited, cancel := context.WithTimeout(ctx, r.limit())
	defer cancel()
	d, err := read(limited)
	switch {
	case ctx.Err() != nil:
		return none, ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return none, fmt.Errorf("%w in %v", ErrNotRecognized, r.limit())
	case err != nil:
		return none, err
	}
	return d, nil
}

func (r *Reader) limit() time.Duration { return cmp.Or(r.Limit, defaultLimit) }

// steps says before each step whether to go on, after a pause.
func steps(ctx context.Context, pause func()) func() error {
	return func() error {
		if pause != nil {
			pause()
		}
		return ctx.Err()
	}
}

// read prefers what is valid, then a barcode, then a zone whose checks fail.
func (r *Reader) read(ctx context.Context, m *imgproc.Image, pause func()) (Document, error) {
	// A zone that was read whole and is in doubt stays so: another look at the same blur could
	// only make a wrong letter plain by chance.
	var doubted *Document
	accept := func(z ocrb.Zone) bool {
		d, ok := decide(z)
		if ok && doubted == nil && passed(d.Checks[1:]) && !d.Valid {
			doubted = &d
		}
		return ok && (d.Valid || doubted != nil)
	}
	first, cancel := context.WithTimeout(ctx, r.limit()*7/10)
	defer cancel()
	zones, err := r.finder.Find(steps(first, pause), m, accept)
	if err != nil && (ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded)) {
		return Document{}, err
	}
	var best Document
	if doubted != nil {
		best, zones = *doubted, nil
	}
	for _, z := range zones {
		d, ok := decide(z)
		if ok && (best.Kind == "" || d.Valid && !best.Valid) {
			best = d
		}
	}
	if best.Valid {
		return best, nil
	}
	text, err := readBarcode(steps(ctx, pause), m)
	switch {
	case err != nil:
		return Document{}, err
	case text != "":
		return fromText(text), nil
	case best.Kind != "":
		return best, nil
	}
	return Document{}, ErrNotRecognized
}

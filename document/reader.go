package document

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"facegate/document/ocrb"
	"facegate/pipeline/imgproc"
)

// maxTime is how long one picture is looked at.
const maxTime = 10 * time.Second

// A Reader reads documents, one picture at a time: calls of Read wait for each other, so
// that however many pictures arrive, memory holds one. It is safe for concurrent use.
type Reader struct {
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
// is no error. It gives up with ErrNotRecognized after 10 seconds, and with the context's
// error when that ends, also while it waits for another call.
func (r *Reader) Read(ctx context.Context, m *imgproc.Image) (Document, error) {
	none := Document{Kind: None}
	select {
	case <-r.turn:
		defer func() { r.turn <- struct{}{} }()
	case <-ctx.Done():
		return none, ctx.Err()
	}
	limited, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	d, err := r.read(limited, m)
	switch {
	case ctx.Err() != nil:
		return none, ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return none, fmt.Errorf("%w in %v", ErrNotRecognized, maxTime)
	case err != nil:
		return none, err
	}
	return d, nil
}

// read prefers what is valid, then a barcode, then a zone whose checks fail.
func (r *Reader) read(ctx context.Context, m *imgproc.Image) (Document, error) {
	accept := func(z ocrb.Zone) bool {
		d, ok := decide(z)
		return ok && d.Valid
	}
	zones, err := r.finder.Find(ctx, m, accept)
	if err != nil {
		return Document{}, err
	}
	var best Document
	for _, z := range zones {
		d, ok := decide(z)
		if ok && (best.Kind == "" || d.Valid && !best.Valid) {
			best = d
		}
	}
	if best.Valid {
		return best, nil
	}
	text, err := readBarcode(ctx, m)
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

// turned is the picture turned by degrees about its middle, large enough to hold it, on white.
func turned(m *imgproc.Image, degrees float64) *imgproc.Image {
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	w, h := float64(m.W), float64(m.H)
	out := imgproc.New(int(math.Abs(w*cos)+math.Abs(h*sin))+1, int(math.Abs(w*sin)+math.Abs(h*cos))+1)
	inverted := imgproc.New(m.W, m.H)
	for y := range m.H {
		row, to := m.Pix[y*m.Stride:y*m.Stride+3*m.W], inverted.Pix[y*inverted.Stride:]
		for i, v := range row {
			to[i] = 255 - v
		}
	}
	cx, cy, ox, oy := (w-1)/2, (h-1)/2, float64(out.W-1)/2, float64(out.H-1)/2
	imgproc.Warp(out, inverted, imgproc.Affine{A: cos, B: -sin, C: ox - cos*cx + sin*cy, D: sin, E: cos, F: oy - sin*cx - cos*cy})
	for i, v := range out.Pix {
		out.Pix[i] = 255 - v // what Warp left black is white now
	}
	return out
}

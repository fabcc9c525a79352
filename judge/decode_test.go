package judge

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/png"
	"log/slog"
	"testing"

	"facegate/api"
	"facegate/pipeline"
)

// Whatever bytes come, they are decoded, or refused by what their header says.
func FuzzDecode(f *testing.F) {
	for _, m := range []image.Image{
		image.NewGray(image.Rect(0, 0, 40, 40)), image.NewNRGBA(image.Rect(0, 0, 31, 40)), image.NewGray16(image.Rect(0, 0, 40, 40)),
		image.NewPaletted(image.Rect(0, 0, 40, 40), color.Palette{color.Black, color.White}),
	} {
		var b bytes.Buffer
		if err := png.Encode(&b, m); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Add([]byte("\xff\xd8\xff\xc0"))
	f.Fuzz(func(t *testing.T, data []byte) {
		img, size, fault := decode(t.Context(), data)
		if (img == nil) != (fault != api.NoFault) {
			t.Fatalf("picture %v with fault %v", img, fault)
		}
		if img != nil && (img.W != size.X || img.H != size.Y || img.W < minSide || img.H < minSide || img.W*img.H > maxLooked) {
			t.Fatalf("decoded %v", size)
		}
	})
}

// A patience is a context that ends once it has been asked often enough.
type patience struct {
	context.Context
	asked, left int
}

func (p *patience) Err() error {
	if p.asked++; p.asked > p.left {
		return context.Canceled
	}
	return nil
}

// A picture that takes long to decode is given up when its call ends, and nothing is said of it.
func TestLookEndsWhileDecoding(t *testing.T) {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 40, 3000))); err != nil {
		t.Fatal(err)
	}
	long := b.Bytes()
	whole := &patience{Context: t.Context(), left: 1 << 30}
	if _, _, fault := decode(whole, long); fault != api.NoFault || whole.asked < 3000 {
		t.Errorf("asked %d times, fault %v", whole.asked, fault)
	}
	j := New(Options{Log: slog.New(slog.DiscardHandler), Open: func() (*pipeline.Analyser, error) {
		t.Error("the picture was decoded to its end")
		return nil, errors.New("no models")
	}})
	ctx := &patience{Context: t.Context(), left: whole.asked / 2}
	l, err := j.look(ctx, long, 0)
	if e, ok := errors.AsType[*api.Error](err); l != nil || !ok || e.Code != api.Busy || ctx.asked > whole.asked/2+8 {
		t.Errorf("got %+v, %v after it was asked %d times", l, err, ctx.asked)
	}
}

// The limits hold exactly.
func TestLimits(t *testing.T) {
	for _, tt := range []struct {
		m    image.Image
		want api.Fault
	}{
		{image.NewGray(image.Rect(0, 0, 32, 32)), api.NoFault},
		{image.NewGray(image.Rect(0, 0, 31, 32)), api.Unusable},
		{image.NewGray(image.Rect(0, 0, 32, 31)), api.Unusable},
		{image.NewGray(image.Rect(0, 0, 6000, 4000)), api.NoFault},
		{image.NewGray(image.Rect(0, 0, 6000, 4001)), api.Unusable},
		{image.NewNRGBA64(image.Rect(0, 0, 40, 40)), api.Unusable},
	} {
		var b bytes.Buffer
		if err := png.Encode(&b, tt.m); err != nil {
			t.Fatal(err)
		}
		if _, _, fault := decode(t.Context(), b.Bytes()); fault != tt.want {
			t.Errorf("%T of %v: got %v, want %v", tt.m, tt.m.Bounds(), fault, tt.want)
		}
	}
}

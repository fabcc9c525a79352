package judge

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"testing"

	"facegate/api"
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
		img, size, fault := decode(data)
		if (img == nil) != (fault != api.NoFault) {
			t.Fatalf("picture %v with fault %v", img, fault)
		}
		if img != nil && (img.W != size.X || img.H != size.Y || img.W < minSide || img.H < minSide || img.W*img.H > maxLooked) {
			t.Fatalf("decoded %v", size)
		}
	})
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
		if _, _, fault := decode(b.Bytes()); fault != tt.want {
			t.Errorf("%T of %v: got %v, want %v", tt.m, tt.m.Bounds(), fault, tt.want)
		}
	}
}

package document

import (
	"context"
	"fmt"
	"image"

	"github.com/ericlevine/zxinggo"
	"github.com/ericlevine/zxinggo/binarizer"
	"github.com/ericlevine/zxinggo/pdf417"

	"facegate/pipeline/imgproc"
)

// maxBarcode is the longest side, in pixels, at which a barcode is looked for first.
const maxBarcode = 1600

// readBarcode is the text of the picture's PDF417, or "". The library tries quarter turns
// itself; here are the sizes, small skews, both ways to tell black from white, and the
// mirror image.
func readBarcode(ctx context.Context, m *imgproc.Image) (text string, err error) {
	defer func() {
		// Damaged codes run the library into states it did not foresee; nothing is shared with it.
		if p := recover(); p != nil {
			text, err = "", fmt.Errorf("%w: barcode: %v", ErrEngine, p)
		}
	}()
	long := float64(max(m.W, m.H))
	first := min(1, maxBarcode/long)
	for _, try := range []struct {
		scale, turn float64
	}{{first, 0}, {first / 2, 0}, {min(2*first, 3200/long), 0}, {first, 8}, {first, -8}, {first, 16}, {first, -16}, {first, 45}, {first, 30}, {first, -30}} {
		if try.scale*min(float64(m.W), float64(m.H)) < 16 {
			continue
		}
		g := grey(m, try.scale, try.turn)
		for _, mirror := range []bool{false, true} {
			if mirror {
				flip(g)
			}
			src := zxinggo.NewGrayImageLuminanceSource(g)
			for _, b := range []zxinggo.Binarizer{binarizer.NewHybrid(src), binarizer.NewGlobalHistogram(src)} {
				if err := ctx.Err(); err != nil {
					return "", err
				}
				r, err := pdf417.NewPDF417Reader().Decode(zxinggo.NewBinaryBitmap(b), &zxinggo.DecodeOptions{TryHarder: true})
				if err == nil && r.Text != "" {
					return r.Text, nil
				}
			}
		}
	}
	return "", nil
}

// grey is the picture scaled and turned by degrees, on white.
func grey(m *imgproc.Image, scale, turn float64) *image.Gray {
	if scale != 1 {
		small := imgproc.New(max(1, int(float64(m.W)*scale+.5)), max(1, int(float64(m.H)*scale+.5)))
		if scale < 1 {
			imgproc.ResizeArea(small, m)
		} else {
			imgproc.ResizeLinear(small, m)
		}
		m = small
	}
	if turn != 0 {
		m = turned(m, turn)
	}
	g := image.NewGray(image.Rect(0, 0, m.W, m.H))
	for y := range m.H {
		row, out := m.Pix[y*m.Stride:], g.Pix[y*g.Stride:]
		for x := range m.W {
			out[x] = byte((299*int(row[3*x]) + 587*int(row[3*x+1]) + 114*int(row[3*x+2])) / 1000)
		}
	}
	return g
}

// flip swaps left and right.
func flip(g *image.Gray) {
	w := g.Rect.Dx()
	for y := range g.Rect.Dy() {
		row := g.Pix[y*g.Stride : y*g.Stride+w]
		for i, j := 0, w-1; i < j; i, j = i+1, j-1 {
			row[i], row[j] = row[j], row[i]
		}
	}
}

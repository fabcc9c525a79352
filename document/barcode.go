package document

import (
	"fmt"
	"image"
	"math"
	"slices"

	"github.com/ericlevine/zxinggo"
	"github.com/ericlevine/zxinggo/binarizer"
	"github.com/ericlevine/zxinggo/pdf417"

	"facegate/pipeline/imgproc"
)

// maxBarcode is the most pixels at which a barcode is looked for.
const maxBarcode = 1600 * 1600

// A brightness is a picture as the library reads it, which keeps no copy and changes nothing.
type brightness struct{ *image.Gray }

func (b brightness) Row(y int, _ []byte) []byte { return b.Pix[y*b.Stride:][:b.Stride] }
func (b brightness) Matrix() []byte             { return b.Pix }
func (b brightness) Width() int                 { return b.Rect.Dx() }
func (b brightness) Height() int                { return b.Rect.Dy() }

// readBarcode is the text of the picture's PDF417, or "". The library tries quarter turns
// itself; here are the directions in which bars lie, the sizes, both ways to tell black from
// white, and the mirror image. Before each goOn is called, and its error ends it.
func readBarcode(goOn func() error, m *imgproc.Image) (text string, err error) {
	defer func() {
		// Damaged codes run the library into states it did not foresee; nothing is shared with it.
		if p := recover(); p != nil {
			text, err = "", fmt.Errorf("%w: barcode: %v", ErrEngine, p)
		}
	}()
	if m.W == 0 || m.H == 0 {
		return "", nil
	}
	most := math.Sqrt(maxBarcode / float64(m.W) / float64(m.H))
	first := min(1, most)
	g := &image.Gray{}
	for _, turn := range skews(m) {
		for _, scale := range []float64{first, first / 2, min(2, most)} {
			if scale*min(float64(m.W), float64(m.H)) < 16 || scale == min(2, most) && scale < 1.2*first {
				continue
			}
			grey(g, m, scale, turn)
			for _, mirror := range []bool{false, true} {
				if mirror {
					flip(g)
				}
				src := brightness{g}
				for _, b := range []zxinggo.Binarizer{binarizer.NewHybrid(src), binarizer.NewGlobalHistogram(src)} {
					if err := goOn(); err != nil {
						return "", err
					}
					r, err := pdf417.NewPDF417Reader().Decode(zxinggo.NewBinaryBitmap(b), &zxinggo.DecodeOptions{TryHarder: true})
					if err == nil && r.Text != "" {
						return r.Text, nil
					}
				}
			}
		}
	}
	return "", nil
}

// skews are the angles in degrees, within a quarter turn, by which a picture must be turned
// for bars to stand upright or lie: those of most of its edges, and none.
func skews(m *imgproc.Image) []float64 {
	const side, block, bins = 1000, 16, 90
	g := &image.Gray{}
	grey(g, m, min(1, side/float64(max(m.W, m.H))), 0)
	soften(g) // single pixels would say along which of their sides an edge runs
	w, h := g.Rect.Dx(), g.Rect.Dy()
	var votes [bins]float64
	for y0 := 1; y0+block < h; y0 += block {
		for x0 := 1; x0+block < w; x0 += block {
			var xx, yy, xy float64
			for y := y0; y < y0+block; y++ {
				row, up, down := g.Pix[y*g.Stride:], g.Pix[(y-1)*g.Stride:], g.Pix[(y+1)*g.Stride:]
				for x := x0; x < x0+block; x++ {
					dx, dy := float64(row[x+1])-float64(row[x-1]), float64(down[x])-float64(up[x])
					xx, yy, xy = xx+dx*dx, yy+dy*dy, xy+dx*dy
				}
			}
			// Where all edges run one way this is as large as their sum.
			one := math.Hypot(xx-yy, 2*xy)
			if one < .25*(xx+yy) || xx+yy < 60*block*block {
				continue
			}
			angle := math.Atan2(2*xy, xx-yy) / 2 * 180 / math.Pi
			votes[int(math.Mod(angle+360, 90))%bins] += math.Sqrt(one)
		}
	}
	const reach = 6 // of blocks that see the same bars
	var angles []float64
	most := 0.0
	for range 2 {
		best, top, moment := -1, 0.0, 0.0
		for i := range bins {
			var sum, first float64
			for d := -reach; d <= reach; d++ {
				v := votes[(i+d+bins)%bins] * float64(reach+1-max(d, -d))
				sum, first = sum+v, first+v*float64(d)
			}
			if sum > top {
				best, top, moment = i, sum, first
			}
		}
		if top < .3*most || best < 0 {
			break
		}
		most = max(most, top)
		angle := float64(best) + .5 + moment/top
		if angle > 45 {
			angle -= 90
		}
		if math.Abs(angle) < 3 { // the library follows that
			angle = 0
		}
		angles = append(angles, -angle)
		for d := -2 * reach; d <= 2*reach; d++ {
			votes[(best+d+bins)%bins] = 0
		}
	}
	if !slices.Contains(angles, 0) {
		angles = append(angles, 0)
	}
	return angles
}

// soften replaces every pixel by a mean of those up to four away, nearer ones more.
func soften(g *image.Gray) {
	w, h := g.Rect.Dx(), g.Rect.Dy()
	line := make([]byte, max(w, h)+2)
	mean := func(at, n, step int) {
		for i := range n {
			line[i+1] = g.Pix[at+i*step]
		}
		line[0], line[n+1] = line[1], line[n]
		for i := range n {
			g.Pix[at+i*step] = byte((int(line[i]) + int(line[i+1]) + int(line[i+2])) / 3)
		}
	}
	for range 4 {
		for y := range h {
			mean(y*g.Stride, w, 1)
		}
		for x := range w {
			mean(x, h, g.Stride)
		}
	}
}

// grey puts the picture, scaled and turned by degrees about its middle, on white into g.
func grey(g *image.Gray, m *imgproc.Image, scale, turn float64) {
	sin, cos := math.Sincos(turn * math.Pi / 180)
	fw, fh := float64(m.W)*scale, float64(m.H)*scale
	w, h := max(1, int(math.Abs(fw*cos)+math.Abs(fh*sin)+.5)), max(1, int(math.Abs(fw*sin)+math.Abs(fh*cos)+.5))
	if cap(g.Pix) < w*h {
		g.Pix = make([]byte, w*h)
	}
	g.Pix, g.Stride, g.Rect = g.Pix[:w*h], w, image.Rect(0, 0, w, h)
	n := max(1, int(math.Ceil(.8/scale))) // samples a side, so that shrinking averages
	for y := range h {
		row := g.Pix[y*w : (y+1)*w]
		for x := range row {
			sum := 0
			for j := range n {
				for i := range n {
					u := (float64(x) + (float64(i)+.5)/float64(n) - float64(w)/2) / scale
					v := (float64(y) + (float64(j)+.5)/float64(n) - float64(h)/2) / scale
					sum += luma(m, cos*u+sin*v+float64(m.W)/2-.5, cos*v-sin*u+float64(m.H)/2-.5)
				}
			}
			row[x] = byte(sum / (n * n))
		}
	}
}

// luma interpolates the brightness at a place; beyond the picture it is white.
func luma(m *imgproc.Image, x, y float64) int {
	if x < -.5 || y < -.5 || x > float64(m.W)-.5 || y > float64(m.H)-.5 {
		return 255
	}
	u, v := int(max(0, x)*64), int(max(0, y)*64)
	x0, y0 := u>>6, v>>6
	x1, y1 := min(x0+1, m.W-1), min(y0+1, m.H-1)
	x0, y0 = min(x0, x1), min(y0, y1)
	at := func(x, y int) int {
		p := m.Pix[y*m.Stride+3*x : y*m.Stride+3*x+3]
		return 299*int(p[0]) + 587*int(p[1]) + 114*int(p[2])
	}
	fx, fy := u&63, v&63
	if fx == 0 && fy == 0 {
		return at(x0, y0) / 1000
	}
	return ((at(x0, y0)*(64-fx)+at(x1, y0)*fx)*(64-fy) + (at(x0, y1)*(64-fx)+at(x1, y1)*fx)*fy) / (1000 * 4096)
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

package replay

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // decode reads JPEG
	_ "image/png"  // and PNG
	"math"
	"math/rand/v2"

	"golang.org/x/image/draw"
)

const (
	grey   = 118 // of an empty scene and of the border round a smaller picture: 18 % reflectance in sRGB
	shifts = 8   // positions a still is seen at; the first is the still itself
	reach  = 0.3 // pixels a position is off at most, each way
	sigma  = 1.0 // of the sensor noise, in 8-bit steps
)

// decode is the decoder used when the caller brings none.
func decode(data []byte) (w, h int, rgb []byte, err error) {
	cfg, _, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return 0, 0, nil, err
	}
	if cfg.Width < 1 || cfg.Height < 1 || cfg.Width > maxPixels/cfg.Height {
		return 0, 0, nil, fmt.Errorf("%d x %d pixels are too many", cfg.Width, cfg.Height)
	}
	img, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return 0, 0, nil, err
	}
	b := img.Bounds()
	if b.Dx() != cfg.Width || b.Dy() != cfg.Height {
		return 0, 0, nil, errors.New("header and picture differ in size")
	}
	rgba := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(rgba, rgba.Rect, img, b.Min, draw.Src)
	return b.Dx(), b.Dy(), packRGB(rgba), nil
}

// packRGB drops the fourth channel.
func packRGB(m *image.RGBA) []byte {
	rgb := make([]byte, 0, 3*m.Rect.Dx()*m.Rect.Dy())
	for i := 0; i < len(m.Pix); i += 4 {
		rgb = append(rgb, m.Pix[i], m.Pix[i+1], m.Pix[i+2])
	}
	return rgb
}

// expandRGB adds an opaque fourth channel.
func expandRGB(rgb []byte, w, h int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for i, j := 0, 0; j < len(m.Pix); i, j = i+3, j+4 {
		m.Pix[j], m.Pix[j+1], m.Pix[j+2], m.Pix[j+3] = rgb[i], rgb[i+1], rgb[i+2], 255
	}
	return m
}

// fit puts a picture on a frame of the wanted size: itself if the sizes are equal, else
// scaled with its proportions kept, in the middle of grey.
func fit(w, h int, rgb []byte, toW, toH int) []byte {
	if w == toW && h == toH {
		return rgb
	}
	scale := min(float64(toW)/float64(w), float64(toH)/float64(h))
	sw := min(toW, max(1, int(math.Round(float64(w)*scale))))
	sh := min(toH, max(1, int(math.Round(float64(h)*scale))))
	dst := image.NewRGBA(image.Rect(0, 0, toW, toH))
	for i := range dst.Pix {
		dst.Pix[i] = grey
	}
	x, y := (toW-sw)/2, (toH-sh)/2
	draw.CatmullRom.Scale(dst, image.Rect(x, y, x+sw, y+sh), expandRGB(rgb, w, h), image.Rect(0, 0, w, h), draw.Src, nil)
	return packRGB(dst)
}

// A still is one picture seen from a few positions, each drawn when first asked for.
type still struct {
	w, h int
	seen [shifts][]byte
	rows [4][]int32
}

func (s *still) set(rgb []byte, w, h int) {
	*s = still{w: w, h: h, rows: s.rows}
	s.seen[0] = rgb
}

// at returns the picture seen from position i. The caller does not write to it.
func (s *still) at(i int) []byte {
	if s.seen[i] == nil {
		// The positions go round a circle by the golden angle: never the same way twice in
		// a row, never far.
		sin, cos := math.Sincos(float64(i) * math.Pi * (3 - math.Sqrt(5)))
		r := reach * math.Sqrt(float64(i)/(shifts-1))
		s.seen[i] = s.shifted(r*cos, r*sin)
	}
	return s.seen[i]
}

// cubic is the Catmull-Rom kernel for a shift of t pixels, in 1/4096. Linear interpolation
// would blur, and blur is what liveness looks for.
func cubic(t float64) [4]int32 {
	k := [4]float64{
		((-t+2)*t - 1) * t / 2,
		(3*t-5)*t*t/2 + 1,
		((-3*t+4)*t + 1) * t / 2,
		(t - 1) * t * t / 2,
	}
	var q [4]int32
	sum := int32(0)
	for i, v := range k {
		q[i] = int32(math.Round(v * 4096))
		sum += q[i]
	}
	q[1] += 4096 - sum // a flat area stays exactly what it is
	return q
}

// shifted draws the picture moved by (-dx, -dy), the border repeated.
func (s *still) shifted(dx, dy float64) []byte {
	x0, y0 := int(math.Floor(dx)), int(math.Floor(dy))
	kx, ky := cubic(dx-float64(x0)), cubic(dy-float64(y0))
	src, stride := s.seen[0], 3*s.w
	dst := make([]byte, len(src))
	if len(s.rows[0]) != stride {
		for i := range s.rows {
			s.rows[i] = make([]int32, stride)
		}
	}
	across := func(out []int32, y int) { // one source row, moved sideways, in 1/16 steps
		row := src[stride*y:][:stride]
		for x := range s.w {
			var o [4]int
			for i := range o {
				o[i] = 3 * min(max(x+x0+i-1, 0), s.w-1)
			}
			for c := range 3 {
				v := kx[0]*int32(row[o[0]+c]) + kx[1]*int32(row[o[1]+c]) + kx[2]*int32(row[o[2]+c]) + kx[3]*int32(row[o[3]+c])
				out[3*x+c] = (v + 128) >> 8
			}
		}
	}
	var window [4][]int32
	for i := range 3 {
		window[i+1] = s.rows[i+1]
		across(window[i+1], min(max(y0+i-1, 0), s.h-1))
	}
	spare := s.rows[0]
	for y := range s.h {
		window[0], window[1], window[2], window[3] = window[1], window[2], window[3], spare
		across(window[3], min(max(y+y0+2, 0), s.h-1))
		out := dst[stride*y:][:stride]
		for i := range out {
			v := ky[0]*window[0][i] + ky[1]*window[1][i] + ky[2]*window[2][i] + ky[3]*window[3][i]
			out[i] = uint8(min(max((v+1<<15)>>16, 0), 255))
		}
		spare = window[0]
	}
	return dst
}

// noise is a supply of sensor noise: one table of normal deviates, entered at random places.
type noise struct {
	seed  uint64
	table [1 << 16]int8
}

func newNoise(seed uint64) *noise {
	n := &noise{seed: seed}
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range n.table {
		n.table[i] = int8(math.Round(sigma * r.NormFloat64()))
	}
	return n
}

// add sets dst to src with the noise of the given frame.
func (n *noise) add(dst, src []byte, frame uint64) {
	const run = 4096
	r := rand.New(rand.NewPCG(n.seed, frame+1))
	for len(src) > 0 {
		l := min(run, len(src))
		from := r.IntN(len(n.table) - run)
		table, in, out := n.table[from:][:l], src[:l], dst[:l]
		for i, v := range in {
			out[i] = uint8(min(max(int32(v)+int32(table[i]), 0), 255))
		}
		src, dst = src[l:], dst[l:]
	}
}

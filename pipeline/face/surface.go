package face

import (
	"math"

	"facegate/pipeline/imgproc"
)

// A Surface is what light and lens made of a face. It is measured on the face brought to
// the size at which it is embedded, so that the size of the face in the picture counts only
// where it takes detail away.
type Surface struct {
	Brightness float64 // mean luma, 0..1
	Highlight  float64 // the luma that a twentieth of the face exceeds, 0..1
	Clipped    float64 // share of the face so bright that it shows nothing
	Blur       float64 // 0 sharp .. 1 without detail
}

const (
	surfaceSide = 112 // pixels of the aligned face
	noseRow     = 72  // its tip lies here
	clippedLuma = 250

	half, quarter = surfaceSide / 2, surfaceSide / 4
)

// A Meter measures surfaces. It keeps its working memory between calls; the zero value is
// ready. It is not safe for concurrent use.
type Meter struct {
	crop  imgproc.Image
	gray  imgproc.Gray
	mask  imgproc.Gray
	outer [len(Oval)]imgproc.Point

	fine, smooth, rows          [half * half]float32
	coarse, smoother, coarseRow [quarter * quarter]float32
}

// Measure measures the face of img under the mesh. A mesh without extent is a black face
// without detail.
//
// Light is measured above the tip of the nose: masks are black or white, skin there is
// neither. Highlight and Clipped say how the exposure used the sensor's range, not how light
// the skin is: on dark skin under enough light the brightest twentieth is well lit.
//
// Blur compares the energy of the structure of 1 to 2 pixels of the aligned face with that
// of 2 to 6 pixels, inside the outline. Both rise and fall with contrast and light, and the
// noise of a sensor is finer than either.
func (t *Meter) Measure(img *imgproc.Image, m *Mesh) Surface {
	five := m.Five()
	tpl := aligned()
	to := imgproc.Similarity(five[:], tpl[:])
	if s := to.Scale(); !(s > 0) || math.IsInf(s, 0) {
		return Surface{Blur: 1}
	}
	t.crop.Reset(surfaceSide, surfaceSide)
	imgproc.Warp(&t.crop, img, to)
	imgproc.ToGray(&t.gray, &t.crop)
	t.mask.Reset(surfaceSide, surfaceSide)
	clear(t.mask.Pix)
	for i, p := range Oval {
		t.outer[i] = to.Apply(m.At(p))
	}
	imgproc.FillPolygon(&t.mask, t.outer[:], 1)
	s := t.light()
	s.Blur = t.blur()
	return s
}

// aligned is where the five points lie on the aligned face (ArcFace's template).
func aligned() [5]imgproc.Point {
	return [5]imgproc.Point{{X: 38.2946, Y: 51.6963}, {X: 73.5318, Y: 51.5014}, {X: 56.0252, Y: 71.7366}, {X: 41.5493, Y: 92.3655}, {X: 70.7299, Y: 92.2041}}
}

func (t *Meter) light() Surface {
	var count [256]int
	n, sum, clipped := 0, 0, 0
	for i, v := range t.gray.Pix[:noseRow*surfaceSide] {
		if t.mask.Pix[i] == 0 {
			continue
		}
		n++
		sum += int(v)
		count[v]++
		if v >= clippedLuma {
			clipped++
		}
	}
	if n == 0 {
		return Surface{}
	}
	top, above := 255, count[255]
	for top > 0 && above*20 < n {
		top--
		above += count[top]
	}
	return Surface{
		Brightness: float64(sum) / float64(n) / 255,
		Highlight:  float64(top) / 255,
		Clipped:    float64(clipped) / float64(n),
	}
}

// blur is one less twice the amplitude of the fine band over that of the coarse one.
func (t *Meter) blur() float64 {
	// Each smoothing by 1 4 6 4 1 has a deviation of one pixel of its grid; every second
	// pixel is kept where the next one is coarser.
	for y := range half {
		for x := range half {
			var sum float32
			for k, w := range binomial() {
				row := t.gray.Pix[reflect(2*y+k-2, surfaceSide)*surfaceSide:]
				s := row[2*x]
				sum += w * (6*float32(s) + 4*(float32(row[reflect(2*x-1, surfaceSide)])+float32(row[2*x+1])) +
					float32(row[reflect(2*x-2, surfaceSide)]) + float32(row[reflect(2*x+2, surfaceSide)])) / 16
			}
			t.fine[y*half+x] = sum
		}
	}
	smooth(t.smooth[:], t.fine[:], t.rows[:], half)
	for y := range quarter {
		for x := range quarter {
			t.coarse[y*quarter+x] = t.smooth[2*y*half+2*x]
		}
	}
	smooth(t.smoother[:], t.coarse[:], t.coarseRow[:], quarter)
	smooth(t.smoother[:], t.smoother[:], t.coarseRow[:], quarter)
	fine := t.energy(t.fine[:], t.smooth[:], half)
	coarse := t.energy(t.coarse[:], t.smoother[:], quarter)
	if !(coarse > 1e-6) {
		return 1
	}
	return max(0, 1-2*math.Sqrt(fine/coarse))
}

// energy is the mean square difference of two grids of n by n inside the outline.
func (t *Meter) energy(a, b []float32, n int) float64 {
	step := surfaceSide / n
	var sum float64
	count := 0
	for y := range n {
		for x := range n {
			if t.mask.Pix[step*(y*surfaceSide+x)] == 0 {
				continue
			}
			d := float64(a[y*n+x] - b[y*n+x])
			sum += d * d
			count++
		}
	}
	if count == 0 {
		return 0
	}
	return sum / float64(count)
}

// smooth is one binomial smoothing of an n by n grid; dst may be src.
func smooth(dst, src, tmp []float32, n int) {
	for y := range n {
		for x := range n {
			var sum float32
			for k, w := range binomial() {
				sum += w * src[y*n+reflect(x+k-2, n)]
			}
			tmp[y*n+x] = sum
		}
	}
	for y := range n {
		for x := range n {
			var sum float32
			for k, w := range binomial() {
				sum += w * tmp[reflect(y+k-2, n)*n+x]
			}
			dst[y*n+x] = sum
		}
	}
}

func binomial() [5]float32 { return [5]float32{1. / 16, 4. / 16, 6. / 16, 4. / 16, 1. / 16} }

// reflect mirrors an index at the ends of n, which are not repeated.
func reflect(i, n int) int {
	if i < 0 {
		return -i
	}
	if i >= n {
		return 2*n - 2 - i
	}
	return i
}

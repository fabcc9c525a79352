package imgproc

import (
	"math"
	"slices"
)

// FillPolygon sets the pixels of dst whose centres lie inside the outline, by the even-odd
// rule, to v, and leaves the others. OpenCV's fillPoly sets the pixels the outline itself
// touches as well, up to one more on each side.
func FillPolygon(dst *Gray, outline []Point, v byte) {
	spans(outline, dst.W, dst.H, func(y, x0, x1 int) {
		row := dst.row(y)[x0:x1]
		for i := range row {
			row[i] = v
		}
	})
}

// spans calls fn for each run of pixels inside the outline, cut to w x h. An outline with a
// coordinate that is not finite is empty.
func spans(outline []Point, w, h int, fn func(y, x0, x1 int)) {
	if len(outline) < 3 {
		return
	}
	top, bottom := math.Inf(1), math.Inf(-1)
	for _, p := range outline {
		if math.IsNaN(p.X-p.X) || math.IsNaN(p.Y-p.Y) {
			return
		}
		top, bottom = min(top, p.Y), max(bottom, p.Y)
	}
	var room [64]float64
	y1 := int(min(math.Floor(bottom), float64(h-1)))
	for y := int(max(math.Ceil(top), 0)); y <= y1; y++ {
		cuts := crossings(room[:0], outline, float64(y))
		for i := 0; i+1 < len(cuts); i += 2 {
			x0 := int(max(math.Ceil(cuts[i]), 0))
			x1 := int(min(math.Floor(cuts[i+1]), float64(w-1))) + 1
			if x0 < x1 {
				fn(y, x0, x1)
			}
		}
	}
}

// crossings are the sorted places where the outline crosses a line. An edge has its upper
// end and not its lower, so that a vertex counts once.
func crossings(cuts []float64, outline []Point, y float64) []float64 {
	for i, p := range outline {
		q := outline[(i+1)%len(outline)]
		if (p.Y <= y) != (q.Y <= y) {
			cuts = append(cuts, p.X+(y-p.Y)*(q.X-p.X)/(q.Y-p.Y))
		}
	}
	slices.Sort(cuts)
	return cuts
}

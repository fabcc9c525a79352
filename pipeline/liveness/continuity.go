package liveness

import (
	"math"
	"time"

	"facegate/pipeline/imgproc"
)

// The limits of a face that moves like one, between frames 100 ms apart or less; over longer
// intervals they widen in proportion. A person who walks up and turns the head stays well
// inside: half a box width in 100 ms would be about a metre a second.
const (
	maxGap       = 250 * time.Millisecond // frames further apart do not belong together
	frameTime    = 100 * time.Millisecond // the interval for which the limits below hold
	minOverlap   = 0.4                    // intersection over union of the boxes
	maxJump      = 0.35                   // of the centre, in widths of the box
	maxScaleJump = 1.3                    // of the box's width, either way
)

// Continuous reports whether the box b can be the face of box a, an interval later: the boxes
// overlap by 0.4 (intersection over union), the centre has moved by less than 0.35 widths,
// the width changed by less than a factor of 1.3. The limits hold for 100 ms and less; up to
// 250 ms they widen in proportion, and nothing is continuous over a longer interval, or
// backwards in time.
func Continuous(a, b imgproc.Box, interval time.Duration) bool {
	if interval < 0 || interval > maxGap {
		return false
	}
	k := max(1, float64(interval)/float64(frameTime))
	ca, cb := a.Centre(), b.Centre()
	ratio := b.W() / a.W()
	w, h := min(a.X1, b.X1)-max(a.X0, b.X0), min(a.Y1, b.Y1)-max(a.Y0, b.Y0)
	overlap := w * h / (a.W()*a.H() + b.W()*b.H() - w*h)
	return w > 0 && h > 0 && overlap >= minOverlap/k &&
		math.Hypot(cb.X-ca.X, cb.Y-ca.Y) < k*maxJump*a.W() &&
		max(ratio, 1/ratio) < math.Pow(maxScaleJump, k)
}

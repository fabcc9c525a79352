package wallclock

import "time"

// stepAbove is how far the clock must move at once to have been changed. A leap second is not.
const stepAbove = time.Second

// Steps notices that the clock was changed: it compares the time of day with a clock that
// nobody can set. Time services that only make the clock run faster or slower move both. A
// machine that slept shows as a step forward. The zero value is ready; it is for one goroutine.
type Steps struct {
	ready bool
	wall  time.Time
	mono  time.Duration
}

// Sample takes a reading of both clocks: the time of day, and the time since any fixed moment.
// It returns how far the time of day has been moved since the first sample or the last step it
// reported, and whether that is a step; several small ones add up to one.
func (s *Steps) Sample(wall time.Time, mono time.Duration) (by time.Duration, stepped bool) {
	wall = wall.Round(0) // its monotonic reading would hide every step
	if s.ready {
		by = wall.Sub(s.wall) - (mono - s.mono)
		stepped = by > stepAbove || by < -stepAbove
	}
	if !s.ready || stepped {
		s.ready, s.wall, s.mono = true, wall, mono
	}
	return by, stepped
}

package liveness

import (
	"testing"
	"time"

	"facegate/pipeline/imgproc"
)

func TestContinuous(t *testing.T) {
	box := func(x, y, w float64) imgproc.Box { return imgproc.Box{X0: x, Y0: y, X1: x + w, Y1: y + w} }
	from := box(100, 100, 100)
	tests := []struct {
		name string
		to   imgproc.Box
		ms   time.Duration
		want bool
	}{
		{"the same", from, 100, true},
		{"a step sideways", box(130, 100, 100), 100, true},
		{"too far sideways", box(136, 100, 100), 100, false},
		{"so far, in twice the time", box(136, 100, 100), 200, true},
		{"closer", box(88, 88, 124), 100, true},
		{"much closer at once", box(80, 80, 140), 100, false},
		{"elsewhere", box(400, 100, 100), 200, false},
		{"a gap", from, 251, false},
		{"time that runs back", from, -1, false},
		{"no box", imgproc.Box{}, 100, false},
	}
	for _, tt := range tests {
		if got := Continuous(from, tt.to, tt.ms*time.Millisecond); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
	if Continuous(imgproc.Box{}, from, 0) {
		t.Error("a face out of nothing is continuous")
	}
}

package pipeline

import (
	"testing"

	"facegate/pipeline/cover"
)

func TestWear(t *testing.T) {
	full, out, none, bad := cover.MaskFull, cover.MaskNoseOut, cover.MaskNone, cover.MaskUnknown
	glance := func(score float64, s cover.MaskState) cover.Result {
		r := cover.NotRun()
		r.Mask, r.MaskState = score, s
		return r
	}
	masked, bare := glance(.95, bad), glance(.05, none)
	tests := []struct {
		name  string
		looks []cover.Result
		want  cover.MaskState
		open  bool
	}{
		{"no look", nil, bad, true},
		{"bare throughout", []cover.Result{bare, bare, bare}, none, false},
		{"bare, and once not sure", []cover.Result{bare, glance(.45, bad), bare}, none, false},
		{"a mask throughout", []cover.Result{masked, glance(.95, full), glance(.95, full)}, full, false},
		{"worn right in one look only", []cover.Result{masked, masked, glance(.95, full)}, bad, true},
		{"worn right in one look, the other cannot tell", []cover.Result{masked, glance(.9, bad), glance(.95, full)}, bad, true},
		{"the nose out once", []cover.Result{masked, glance(.95, full), glance(.95, out), glance(.95, full)}, bad, true},
		{"the nose out", []cover.Result{masked, glance(.9, bad), glance(.95, out)}, out, false},
		{"taken off", []cover.Result{glance(.95, full), glance(.95, full), bare}, bad, true},
		{"put on", []cover.Result{bare, masked, glance(.95, full)}, bad, true},
		{"a mask in one of three", []cover.Result{bare, masked, bare}, bad, true},
		{"what is long past does not count", []cover.Result{bare, masked, glance(.95, full), masked, glance(.95, full)}, full, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var w wear
			for i := range tt.looks {
				w.add(2*i, &tt.looks[i])
			}
			if got := w.mask(agreeing); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if got := w.open(Wants{Mask: true}); got != tt.open {
				t.Errorf("open: got %v, want %v", got, tt.open)
			}
			if w.open(Wants{}) {
				t.Error("what is not asked is open")
			}
		})
	}
}

func TestWearOnTheHead(t *testing.T) {
	helmet, other, none, bad := cover.HeadHelmet, cover.HeadOther, cover.HeadNone, cover.HeadUnknown
	tests := []struct {
		looks []cover.HeadCover
		want  cover.HeadCover
	}{
		{nil, bad},
		{[]cover.HeadCover{helmet}, bad},
		{[]cover.HeadCover{helmet, bad, helmet}, helmet},
		{[]cover.HeadCover{helmet, other, helmet}, bad},
		{[]cover.HeadCover{none, none}, none},
		{[]cover.HeadCover{helmet, helmet, none}, bad},
		{[]cover.HeadCover{none, helmet, helmet, helmet, helmet}, helmet},
	}
	for _, tt := range tests {
		var w wear
		for i, h := range tt.looks {
			r := cover.NotRun()
			r.HeadCover = h
			w.add(i, &r)
		}
		if got := w.head(agreeing); got != tt.want {
			t.Errorf("%v: got %s, want %s", tt.looks, got, tt.want)
		}
	}
}

// Two looks at one frame are one opinion.
func TestWearCountsAFrameOnce(t *testing.T) {
	var w wear
	r := cover.NotRun()
	r.Mask, r.MaskState = .95, cover.MaskFull
	w.add(4, &r)
	w.add(4, &r)
	if got := w.mask(agreeing); got != cover.MaskUnknown {
		t.Errorf("got %s, want unknown", got)
	}
}

package pipeline

import (
	"math"
	"testing"
	"time"

	"facegate/device"
	"facegate/pipeline/face"
)

func axis(i int) []float32 {
	v := make([]float32, 4)
	v[i] = 1
	return v
}

func TestTrackAgrees(t *testing.T) {
	tests := []struct {
		name   string
		votes  []string
		person string
		n      int
	}{
		{"no votes", nil, "", 0},
		{"one", []string{"ada"}, "ada", 1},
		{"three of five", []string{"ada", "", "ada", "bob", "ada"}, "ada", 3},
		{"the last five count", []string{"ada", "ada", "ada", "bob", "bob", "bob", ""}, "bob", 3},
		{"nobody is no person", []string{"", "", "", "", "ada"}, "ada", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var tr track
			tr.reset(time.Unix(0, 0))
			for _, p := range tt.votes {
				tr.cast([][]float32{axis(0)}, nearest{p, p})
			}
			if person, n := tr.agree(false); person != tt.person || n != tt.n {
				t.Errorf("got %q with %d votes, want %q with %d", person, n, tt.person, tt.n)
			}
		})
	}
}

func TestTrackMeanIsOfUnitLength(t *testing.T) {
	var tr track
	tr.reset(time.Unix(0, 0))
	tr.cast([][]float32{axis(0)}, nearest{})
	tr.cast([][]float32{axis(1)}, nearest{})
	mean := tr.template()[0]
	if d := dot(mean, mean); math.Abs(d-1) > 1e-6 {
		t.Errorf("got squared length %v, want 1", d)
	}
	if mean[0] != mean[1] || mean[2] != 0 {
		t.Errorf("got %v, want the middle of two axes", mean)
	}
}

// A track that is used again knows nothing of the visit before.
func TestTrackForgets(t *testing.T) {
	var tr track
	tr.reset(time.Unix(0, 0))
	for range votes {
		tr.cast([][]float32{axis(0)}, nearest{"ada", "ada"})
	}
	tr.codes[face.Dark] = 3
	tr.reset(time.Unix(9, 0))
	if person, n := tr.agree(true); person != "" || n != 0 {
		t.Errorf("got %q with %d votes, want none", person, n)
	}
	if got := tr.refusal(); got != face.NoFace {
		t.Errorf("got refusal %s, want none", got)
	}
	if !tr.sameFace(axis(1), .9) {
		t.Error("a new track compares with the old one's face")
	}
}

func TestTrackRefusalIsTheCommonestFault(t *testing.T) {
	var tr track
	tr.reset(time.Unix(0, 0))
	tr.codes[face.OK], tr.codes[face.Dark], tr.codes[face.Angle] = 9, 2, 4
	if got := tr.refusal(); got != face.Angle {
		t.Errorf("got %s, want angle", got)
	}
}

// plainFrame is a frame of one grey, with a brighter part of the given width on the left.
func plainFrame(at time.Time, level byte, width int) *device.Frame {
	f := &device.Frame{Width: 64, Height: 48, Stride: 192, Format: device.RGB24, At: at, Data: make([]byte, 64*48*3)}
	for i := range f.Data {
		f.Data[i] = level
		if i%192/3 < width {
			f.Data[i] = level + 60
		}
	}
	return f
}

func TestGate(t *testing.T) {
	at := time.Unix(0, 0)
	ms := func(n int) time.Time { return at.Add(time.Duration(n) * time.Millisecond) }
	var g Gate
	if !g.Pass(plainFrame(at, 90, 0)) {
		t.Error("the first frame is not looked at")
	}
	g.Empty(true, at)
	if g.Pass(plainFrame(ms(66), 94, 0)) {
		t.Error("a still scene with noise is looked at")
	}
	if !g.Pass(plainFrame(ms(133), 90, 8)) {
		t.Error("a scene with something new in it is not looked at")
	}
	if !g.Pass(plainFrame(ms(600), 90, 0)) {
		t.Error("a still scene is never looked at again")
	}
	g.Empty(false, ms(600))
	if !g.Pass(plainFrame(ms(666), 90, 0)) {
		t.Error("a scene with a face in it is skipped")
	}
	g.Empty(true, ms(700))
	if short := plainFrame(ms(710), 90, 0); true {
		short.Data = short.Data[:10]
		if !g.Pass(short) {
			t.Error("a frame that cannot be sampled is skipped instead of being refused further on")
		}
	}
}

func TestMailboxKeepsTheNewest(t *testing.T) {
	m := NewMailbox()
	released := map[uint64]int{}
	for seq := range uint64(3) {
		f := &device.Frame{Seq: seq}
		f.Lend(func() { released[seq]++ })
		if err := m.Put(f); err != nil {
			t.Fatal(err)
		}
	}
	f, err := m.Take(t.Context())
	if err != nil || f.Seq != 2 {
		t.Fatalf("got frame %v, %v; want the last", f, err)
	}
	if released[0] != 1 || released[1] != 1 || released[2] != 0 || m.Dropped() != 2 {
		t.Errorf("released %v, dropped %d; want the first two once each", released, m.Dropped())
	}
}

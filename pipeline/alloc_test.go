package pipeline_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"facegate/device"
	"facegate/internal/sharedtest"
	"facegate/kiosk"
	"facegate/models"
	"facegate/pipeline"
	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/liveness"
	"facegate/pipeline/match"
)

// A scene is a pipeline before which somebody, or nobody, stands still.
type scene struct {
	an    *pipeline.Analyser
	id    *pipeline.Identifier
	pipe  *pipeline.Pipeline
	frame *device.Frame
	at    time.Time
}

// newScene shows the portrait that set-up brings, or grey noise, on frames of YUYV.
func newScene(tb testing.TB, level liveness.Level, somebody bool) *scene {
	tb.Helper()
	home := sharedtest.Home(tb)
	s := &scene{at: time.Unix(1e9, 0)}
	var err error
	if s.an, err = pipeline.Open(sharedtest.Loader(tb), ""); err != nil {
		tb.Fatal(err)
	}
	if s.id, err = kiosk.NewIdentifier(models.Manifest(), s.an); err != nil {
		tb.Fatal(err)
	}
	if s.pipe, err = pipeline.New(s.an, s.id, pipeline.Options{Level: level}); err != nil {
		tb.Fatal(err)
	}
	var m *imgproc.Image
	if somebody {
		m = portrait(tb, home)
	} else {
		m = imgproc.New(1280, 720)
		r := rand.New(rand.NewPCG(1, 2))
		for i := range m.Pix {
			m.Pix[i] = byte(128 + 3*r.NormFloat64())
		}
	}
	s.frame = yuyv(m)
	return s
}

// portrait is as large as a camera's picture, the face a third of its height.
func portrait(tb testing.TB, home string) *imgproc.Image {
	tb.Helper()
	set, err := models.Open(home)
	if err != nil {
		tb.Fatal(err)
	}
	path, err := set.Demo("astronaut")
	if err != nil {
		tb.Skip("the portrait of the demonstration is not installed: run facegate setup")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	m, err := imgproc.Decode(data)
	if err != nil {
		tb.Fatal(err)
	}
	large := imgproc.New(1280, 1280)
	imgproc.ResizeLinear(large, m)
	part := large.Sub(0, 100, 1280, 820)
	return &part
}

// yuyv is a picture of even width, its rows without gaps, as a frame; colours are roughly kept.
func yuyv(m *imgproc.Image) *device.Frame {
	f := &device.Frame{Width: m.W, Height: m.H, Stride: 2 * m.W, Format: device.YUYV, Data: make([]byte, 2*m.W*m.H)}
	for i := range m.W * m.H {
		r, g, b := int(m.Pix[3*i]), int(m.Pix[3*i+1]), int(m.Pix[3*i+2])
		y := (66*r + 129*g + 25*b) / 256
		c := 128 + (112*b-38*r-74*g)/256
		if i%2 == 1 {
			c = 128 + (112*r-94*g-18*b)/256
		}
		f.Data[2*i], f.Data[2*i+1] = byte(16+y), byte(c)
	}
	return f
}

// next shows the next frame, so much later.
func (s *scene) next(tb testing.TB, after time.Duration) {
	tb.Helper()
	s.at = s.at.Add(after)
	s.frame.At = s.at
	s.frame.Seq++
	if _, _, err := s.pipe.Frame(s.frame); err != nil {
		tb.Fatal(err)
	}
}

// enrol fills the gallery with n strangers and the person in the frame.
func (s *scene) enrol(tb testing.TB, n int) {
	tb.Helper()
	r := rand.New(rand.NewPCG(3, 4))
	s.id.Gallery.Grow(n + 1)
	for i := range n {
		v := make([]float32, s.an.Dim())
		for k := range v {
			v[k] = float32(r.NormFloat64())
		}
		add(tb, s.id.Gallery, fmt.Sprint("stranger-", i), unit(v))
	}
	s.next(tb, time.Hour)
	if e := s.pipe.Analysis().Embedding; e != nil {
		add(tb, s.id.Gallery, "visitor", unit(e))
	}
	s.pipe.End()
}

// unit is a copy of v of length one.
func unit(v []float32) []float32 {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(float64(x) / math.Sqrt(sum))
	}
	return out
}

func add(tb testing.TB, g *match.Gallery, person string, v []float32) {
	tb.Helper()
	if err := g.Add(person, match.Template{Model: g.Model(), Vector: v}); err != nil {
		tb.Fatal(err)
	}
}

// interval is the time between frames.
const interval = 33 * time.Millisecond

func TestFramesAllocateNothing(t *testing.T) {
	tests := []struct {
		name     string
		level    liveness.Level
		somebody bool
		interval time.Duration
		want     pipeline.Guidance // after every frame, as far as it is compared
	}{
		{"nobody, every frame looked at", liveness.LevelDepth, false, time.Second, pipeline.Guidance{Quality: face.NoFace}},
		{"nobody, the gate spares the detector", liveness.LevelDepth, false, time.Millisecond, pipeline.Guidance{Quality: face.NoFace}},
		{"somebody who is asked to turn", liveness.LevelDepth, true, interval, pipeline.Guidance{Quality: face.OK}},
		{"somebody who was decided on", liveness.LevelPassive, true, interval, pipeline.Guidance{Quality: face.OK, Settled: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t, tt.level, tt.somebody)
			s.enrol(t, 100)
			// Memory grows to its final size within the first frames of a track.
			for range 20 {
				s.next(t, tt.interval)
			}
			if n := testing.AllocsPerRun(20, func() { s.next(t, tt.interval) }); n != 0 {
				t.Errorf("got %v allocations a frame, want 0", n)
			}
			if g := s.pipe.Guidance(); g.Quality != tt.want.Quality || g.Settled != tt.want.Settled {
				t.Errorf("got quality %v, settled %v; want %v, %v", g.Quality, g.Settled, tt.want.Quality, tt.want.Settled)
			}
		})
	}
}

// BenchmarkFrame is a frame that goes through every stage, searched for among 10 000
// templates, and one without a face.
func BenchmarkFrame(b *testing.B) {
	for _, somebody := range []bool{true, false} {
		b.Run(map[bool]string{true: "face", false: "empty"}[somebody], func(b *testing.B) {
			s := newScene(b, liveness.LevelDepth, somebody)
			s.enrol(b, 10_000)
			for range 20 {
				s.next(b, interval)
			}
			b.ReportAllocs()
			for b.Loop() {
				if somebody {
					s.next(b, interval)
				} else {
					s.next(b, time.Second)
				}
				if s.pipe.Guidance().Settled {
					s.pipe.End()
				}
			}
		})
	}
}

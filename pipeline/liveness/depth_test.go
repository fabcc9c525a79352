package liveness

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
)

// head is the mesh of a head, or of a flat card with the same face on it, turned by yaw and
// pitch degrees (the nose to the picture's left, the chin down) and seen from far away.
func head(yaw, pitch float64, flatCard bool) *face.Mesh {
	var at [face.MeshPoints][3]float64
	for i := range at { // somewhere on the front of the face
		r, a := .7*math.Sqrt(float64(i)/face.MeshPoints), 2.4*float64(i)
		at[i] = [3]float64{r * math.Cos(a), r * math.Sin(a), -.2 + .8*r*r}
	}
	for k, i := range face.Oval {
		s, c := math.Sincos(float64(k)/18*math.Pi - math.Pi/2)
		at[i] = [3]float64{.75 * c, s, .5}
	}
	for i, p := range map[int][3]float64{
		33: {-.5, -.3, .1}, 133: {-.2, -.3, .05}, 362: {.2, -.3, .05}, 263: {.5, -.3, .1},
		159: {-.35, -.34, .05}, 145: {-.35, -.26, .05}, 386: {.35, -.34, .05}, 374: {.35, -.26, .05},
		61: {-.3, .45, .05}, 291: {.3, .45, .05}, 40: {-.15, .42, 0}, 270: {.15, .42, 0}, 0: {0, .4, -.05}, 17: {0, .55, -.05},
		1: {0, .15, -.45}, 4: {0, .1, -.45},
	} {
		at[i] = p
	}
	m := &face.Mesh{Presence: 1} // its yaw has the sign of [face.Pose]
	sy, cy := math.Sincos(yaw * math.Pi / 180)
	sp, cp := math.Sincos(pitch * math.Pi / 180)
	for i, p := range at {
		x, y, z := p[0], p[1], p[2]
		if flatCard {
			z = 0
		}
		y, z = cp*y-sp*z, sp*y+cp*z
		x, z = cy*x+sy*z, -sy*x+cy*z
		if flatCard {
			z = at[i][2] // what a mesh sees on a card: a head, hardly turned
		}
		m.Points[i] = face.Point3{X: float32(240 + 60*x), Y: float32(180 + 60*y), Z: float32(60 * z)}
	}
	return m
}

// noise is a picture that is like no other one.
func noise(seed uint64) *imgproc.Image {
	img := imgproc.New(480, 360)
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range img.Pix {
		img.Pix[i] = byte(r.Uint32())
	}
	return img
}

// A stage feeds a Depth frames at a steady rate.
type stage struct {
	d     Depth
	at    time.Time
	every time.Duration
	n     uint64
	last  DepthState
}

var where = imgproc.Box{X0: 180, Y0: 120, X1: 300, Y1: 240}

func (s *stage) frame(m *face.Mesh, img *imgproc.Image) DepthState {
	s.n++
	s.at = s.at.Add(s.every)
	s.last = s.d.Feed(s.at, img, m, where, false)
	return s.last
}

// straight holds the head straight for n frames.
func (s *stage) straight(n int) {
	for range n {
		s.frame(head(0, 0, false), noise(1))
	}
}

// turn turns the head from straight to the given yaw, or pitch, in equal steps, and stops at
// the first verdict.
func (s *stage) turn(yaw, pitch float64, steps int) DepthState {
	for i := 1; i <= steps; i++ {
		k := float64(i) / float64(steps)
		if st := s.frame(head(k*yaw, k*pitch, false), noise(s.n+10)); st.Verdict != DepthPending {
			return st
		}
	}
	return s.last
}

func newStage() *stage { return &stage{every: 100 * time.Millisecond} }

func TestHeadsTurnedAtEaseAreAccepted(t *testing.T) {
	for _, tt := range []struct {
		yaw, pitch float64
		want       Direction
	}{{35, 0, Right}, {-35, 0, Left}, {0, -35, Up}, {0, 35, Down}} {
		for _, every := range []time.Duration{33, 66, 100, 150, 200} {
			s := newStage()
			s.every = every * time.Millisecond
			s.straight(3)
			got := s.turn(tt.yaw, tt.pitch, int(1500*time.Millisecond/s.every))
			if got.Verdict != DepthAccepted || got.Direction() != tt.want || got.Progress != 1 {
				t.Errorf("yaw %g, pitch %g, every %v: got %v (%s), %v, want accepted, %v", tt.yaw, tt.pitch, s.every, got.Verdict, got.Cause, got.Direction(), tt.want)
			}
		}
	}
}

func TestDepthRefuses(t *testing.T) {
	tests := []struct {
		name string
		play func(s *stage) DepthState
		want DepthVerdict
		why  Cause
	}{
		{"a still", func(s *stage) DepthState { s.straight(39); return s.last }, DepthPending, ""},
		{"a turned card", func(s *stage) DepthState {
			s.straight(3)
			for a := 0.; s.last.Verdict == DepthPending && a < 60; a += 4 {
				s.frame(head(a, 0, true), noise(s.n+10))
			}
			return s.last
		}, DepthVetoed, CauseSquash},
		{"a head whose picture does not change", func(s *stage) DepthState {
			s.straight(3)
			for a := 0.; s.last.Verdict == DepthPending && a < 40; a += 3 {
				m := head(0, 0, false)
				for i := range m.Points { // the face as it was, the nose and the cheeks moved alone
					m.Points[i] = head(0, 0, false).Points[i]
				}
				for _, i := range nosePoints {
					m.Points[i].X += float32(a)
				}
				s.frame(m, noise(1))
			}
			return s.last
		}, DepthVetoed, CauseFlat},
		{"a print swapped for one of a turned head", func(s *stage) DepthState {
			s.straight(8)
			return s.frame(head(30, 0, false), noise(2))
		}, DepthVetoed, CauseFast},
		{"the second print held on", func(s *stage) DepthState {
			s.straight(8)
			for range 20 {
				s.frame(head(30, 0, false), noise(2))
			}
			return s.last
		}, DepthPending, CauseFast},
		{"a turn that is never straight", func(s *stage) DepthState {
			for range 30 {
				s.frame(head(12, 0, false), noise(3))
			}
			return s.turn(40, 0, 9)
		}, DepthPending, ""},
		{"a turn across a gap", func(s *stage) DepthState {
			s.straight(3)
			s.turn(15, 0, 6)
			s.at = s.at.Add(200 * time.Millisecond)
			for a := 18.; a < 36; a += 3 {
				s.frame(head(a, 0, false), noise(s.n+10))
			}
			return s.last
		}, DepthPending, CauseGap},
		{"a turn of five frames", func(s *stage) DepthState {
			s.every = 200 * time.Millisecond
			s.straight(3)
			return s.turn(30, 0, 5)
		}, DepthPending, ""},
		{"no picture", func(s *stage) DepthState {
			for range 3 {
				s.frame(head(0, 0, false), nil)
			}
			for a := 3.; s.last.Verdict == DepthPending && a < 40; a += 3 {
				s.frame(head(a, 0, false), nil)
			}
			return s.last
		}, DepthVetoed, CauseFlat},
		{"a mesh of nothing", func(s *stage) DepthState {
			s.straight(3)
			return s.frame(new(face.Mesh), noise(2))
		}, DepthVetoed, CauseBroken},
		{"three tries of four seconds", func(s *stage) DepthState { s.straight(125); return s.last }, DepthFailed, CauseTime},
		{"a turn the other way", func(s *stage) DepthState {
			s.d.Want = Left
			s.straight(3)
			return s.turn(35, 0, 11)
		}, DepthVetoed, CauseDirection},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.play(newStage())
			if got.Verdict != tt.want || got.Cause != tt.why {
				t.Errorf("got %v, %q at depth %.2f, squash %.2f, NCC %.2f; want %v, %q", got.Verdict, got.Cause, got.Depth, got.Squash, got.NCC, tt.want, tt.why)
			}
		})
	}
}

func TestAcceptanceEndsWithTheTrack(t *testing.T) {
	for name, breakIt := range map[string]func(s *stage) DepthState{
		"another face": func(s *stage) DepthState {
			return s.d.Feed(s.at.Add(s.every), noise(9), head(30, 0, false), where, true)
		},
		"a gap": func(s *stage) DepthState {
			return s.d.Feed(s.at.Add(time.Second), noise(9), head(30, 0, false), where, false)
		},
		"a jump": func(s *stage) DepthState {
			b := where
			b.X0, b.X1 = b.X0+100, b.X1+100
			return s.d.Feed(s.at.Add(s.every), noise(9), head(30, 0, false), b, false)
		},
		"time that runs back": func(s *stage) DepthState {
			return s.d.Feed(s.at.Add(-s.every), noise(9), head(30, 0, false), where, false)
		},
	} {
		s := newStage()
		s.straight(3)
		if got := s.turn(35, 0, 11); got.Verdict != DepthAccepted {
			t.Fatalf("got %v, want accepted", got.Verdict)
		}
		if got := s.frame(head(0, 0, false), noise(8)); got.Verdict != DepthAccepted {
			t.Errorf("back to straight: got %v, want accepted still", got.Verdict)
		}
		if got := breakIt(s); got.Verdict == DepthAccepted {
			t.Errorf("%s: still accepted", name)
		}
	}
}

// Whatever the depths and times of a track: an accepted one had two successive frames deep
// enough, enough frames before them, and never rose faster than a head.
func TestDepthRuleHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Depth{held: true}
		at := time.Unix(0, 0)
		d.recent[0] = sampleOf{at: at}
		last, lastAt, n, deep := 0., at, 0, 0
		for range 40 {
			step := time.Duration(rapid.IntRange(10, 250).Draw(t, "ms")) * time.Millisecond
			at = at.Add(step)
			m := Measure{Depth: max(0, last+rapid.Float64Range(-.2, .3).Draw(t, "rise")), Squash: rapid.Float64Range(-.1, .2).Draw(t, "squash")}
			m.Shift.X = m.Depth
			ncc := rapid.Float64Range(-.2, 1).Draw(t, "ncc")
			rose := m.Depth - last
			cause := d.step(at, &m, func() float64 { return ncc })
			n++
			if m.Depth >= acceptDepth {
				deep++
			} else {
				deep = 0
			}
			if cause != "" {
				return
			}
			if limit := riseLimit * max(1, float64(at.Sub(lastAt))/float64(frameTime)); rose > limit {
				t.Fatalf("rose by %.2f in %v", rose, at.Sub(lastAt))
			}
			if m.Squash >= squashFrom && m.Depth < squashFactor*m.Squash {
				t.Fatal("squashed, and not vetoed")
			}
			if d.accepted {
				if deep < acceptFrames || n <= minTracked || math.IsNaN(m.NCC) || flat(&m) {
					t.Fatalf("accepted after %d frames, %d deep, NCC %.2f at depth %.2f", n, deep, m.NCC, m.Depth)
				}
				return
			}
			last, lastAt = m.Depth, at
		}
	})
}

func TestDepthAllocatesNothing(t *testing.T) {
	s := newStage()
	s.straight(1)
	straight, turned, a, b := head(0, 0, false), head(15, 0, false), noise(1), noise(2)
	play := func() {
		s.d.Reset()
		for range 3 {
			s.frame(straight, a)
		}
		s.d.likeness(b, turned)
		s.frame(turned, b)
	}
	play()
	if n := testing.AllocsPerRun(5, play); n != 0 {
		t.Errorf("%g allocations a turn", n)
	}
}

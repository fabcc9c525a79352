package liveness

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/liveness/card"
)

// A still to make cards of: the picture and its mesh.
type still struct {
	path string
	mesh face.Mesh
}

// frontalStills are n straight portraits: one a client of Replay-Attack, one a person of the
// phone selfies, the rest one a person of LFW, spread over the alphabet.
func frontalStills(t *testing.T, e *eye, n int) []still {
	t.Helper()
	var out []still
	done := map[string]bool{}
	take := func(r row, who string) {
		if done[who] || len(out) == n {
			return
		}
		s, ok := e.look(t, read(t, r["path"]))
		if p := s.mesh.Pose(); ok && s.mesh.Presence > .9 && math.Abs(p.Yaw) < 8 && math.Abs(p.Pitch) < 10 {
			done[who] = true
			out = append(out, still{r["path"], s.mesh})
		}
	}
	for _, set := range []struct{ name, who string }{{"spoof_replay_attack", "client"}, {"spoof_phone_selfies", "person"}} {
		for _, r := range rows(t, set.name) {
			if r["label"] == "live" && len(out) < n/3 {
				take(r, set.name+r[set.who])
			}
		}
	}
	lfw := rows(t, "lfw")
	for i := range lfw {
		take(lfw[i*89%len(lfw)], "lfw"+lfw[i*89%len(lfw)]["identity"])
	}
	return out
}

const (
	cardW, cardH = 480, 360
	cardShare    = .40
)

// eachStill runs work for every still, on two goroutines with their own models.
func eachStill(t *testing.T, n int, work func(t *testing.T, e *eye, i int, c *card.Card)) {
	t.Helper()
	eyes := []*eye{newEye(t), newEye(t)}
	stills := frontalStills(t, eyes[0], n)
	if len(stills) < n {
		t.Fatalf("only %d of %d stills are frontal", len(stills), n)
	}
	var wg sync.WaitGroup
	for k, e := range eyes {
		wg.Go(func() {
			for i := k; i < len(stills); i += len(eyes) {
				c, err := card.New(read(t, stills[i].path), stills[i].mesh.Outline(), cardW, cardH, cardShare)
				if err != nil {
					t.Error(err)
					return
				}
				c.Relief(&stills[i].mesh)
				work(t, e, i, c)
			}
		})
	}
	wg.Wait()
}

func shapeName(radius float64) string {
	if radius == 0 {
		return "flat"
	}
	return fmt.Sprintf("radius %.1f", radius)
}

// A single frame of a turned card against the frontal one, as liveness.md's table has it: an
// attacker wins with a still when some frame of the sweep shows enough depth and neither it
// nor one at a smaller angle is vetoed.
func TestCardsFrameByFrame(t *testing.T) {
	n := 64
	if testing.Short() {
		n = 6
	}
	angles := []float64{25, 35, 45, 55, 65}
	shapes := []float64{0, 1.5, 1.0, .7}
	type cell struct {
		m        Measure
		lost     bool
		presence float64
		yaw      float64
	}
	results := make([][4][5]cell, n)
	eachStill(t, n, func(t *testing.T, e *eye, i int, c *card.Card) {
		r := rand.New(rand.NewPCG(uint64(i), 1))
		var img imgproc.Image
		shoot := func(v card.View) (seen, bool) {
			v.Light, v.Background, v.Noise, v.Seed, v.JPEG = card.RandomLight(r), r.Uint64(), 3, r.Uint64(), 90
			if err := c.Render(&img, v); err != nil {
				t.Error(err)
				return seen{}, false
			}
			s, ok := e.look(t, &img)
			return s, ok && s.mesh.Presence >= .3
		}
		var room darkroom
		var align aligner
		var other patch
		for k, radius := range shapes {
			base, ok := shoot(card.View{Radius: radius})
			if ok {
				align.take(&room, &img, &base.mesh)
			}
			for j, a := range angles {
				a *= float64(1 - 2*r.IntN(2))
				s, seen := shoot(card.View{Radius: radius, Yaw: a, Pitch: -4 + 8*r.Float64()})
				if !ok || !seen {
					results[i][k][j].lost = true
					continue
				}
				m := compare(&base.mesh, &s.mesh)
				room.cut(&other, &img, &s.mesh)
				m.NCC = align.ncc(&other, &s.mesh)
				results[i][k][j] = cell{m: m, presence: s.mesh.Presence, yaw: s.mesh.Pose().Yaw - base.mesh.Pose().Yaw}
			}
		}
	})
	for k, radius := range shapes {
		for j, a := range angles {
			var depth, squash, unlike []float64
			lost := 0
			for i := range results {
				c := results[i][k][j]
				if c.lost {
					lost++
					continue
				}
				depth, squash, unlike = append(depth, c.m.Depth), append(squash, c.m.Squash), append(unlike, 1-c.m.NCC)
			}
			t.Logf("%-10s turned %2.0f: lost %2d, depth %s, squash %s, 1-NCC %s", shapeName(radius), a, lost, spread(depth), spread(squash), spread(unlike))
		}
		passed, alone := 0, 0
		for i := range results {
			ok, frame, vetoed := false, false, false
			for _, c := range results[i][k] {
				if c.lost {
					continue
				}
				bad := squashed(&c.m) || flat(&c.m)
				vetoed = vetoed || bad
				ok = ok || !vetoed && c.m.Depth >= acceptDepth
				frame = frame || !bad && c.m.Depth >= acceptDepth
			}
			if ok {
				passed++
			}
			if frame {
				alone++
			}
		}
		t.Logf("%-10s: %d of %d stills pass in a sweep; some frame passes alone: %d", shapeName(radius), passed, n, alone)
		if radius == 0 && passed > 0 {
			t.Errorf("%d of %d flat cards pass, want none", passed, n)
		}
	}
}

// spread is the median and the 5th and 95th percentile.
func spread(v []float64) string {
	if len(v) == 0 {
		return "-"
	}
	s := slices.Sorted(slices.Values(v))
	q := func(p float64) float64 { return s[int(p*float64(len(s)-1)+.5)] }
	return fmt.Sprintf("%.3f (%.3f to %.3f)", q(.5), q(.05), q(.95))
}

// full runs every sweep over every still (`make cards`); without it the flat cards are turned
// for every third still, the bent ones and the heads for every sixth.
func full() bool { return os.Getenv("FACEGATE_ALL_CARDS") != "" }

// Cards turned before the camera as a person would turn one, frame by frame through the
// door's rule: no flat one is ever accepted. Heads moulded from the same stills, turned the
// same way, are.
func TestCardsSwept(t *testing.T) {
	n := 64
	if testing.Short() {
		n = 6
	}
	type sweep struct {
		shape string
		turning
	}
	sweeps := []sweep{
		{"flat", turning{speed: 45, fps: 12}},
		{"flat", turning{speed: -90, fps: 15}},
		{"flat", turning{speed: 30, fps: 10, nod: true}},
		{"radius 1.5", turning{radius: 1.5, speed: 35, fps: 10}},
		{"radius 1.0", turning{radius: 1.0, speed: -35, fps: 10}},
		{"radius 0.7", turning{radius: .7, speed: 35, fps: 10}},
		{"head", turning{relief: true, speed: 30, fps: 10}},
		{"head", turning{relief: true, speed: -30, fps: 15}},
	}
	if full() {
		sweeps = append(sweeps,
			sweep{"flat", turning{speed: -45, fps: 12}},
			sweep{"flat", turning{speed: 20, fps: 10}},
			sweep{"flat", turning{speed: -30, fps: 10, nod: true}},
			sweep{"radius 1.5", turning{radius: 1.5, speed: -20, fps: 12}},
			sweep{"radius 1.0", turning{radius: 1.0, speed: 20, fps: 12}},
			sweep{"radius 0.7", turning{radius: .7, speed: -20, fps: 12}},
			sweep{"head", turning{relief: true, speed: 45, fps: 12}},
			sweep{"head", turning{relief: true, speed: -60, fps: 15}},
			sweep{"head", turning{relief: true, speed: 30, fps: 10, nod: true}},
		)
	}
	type outcome struct {
		ran   bool
		state DepthState
	}
	outcomes := make([][]outcome, n)
	eachStill(t, n, func(t *testing.T, e *eye, i int, c *card.Card) {
		outcomes[i] = make([]outcome, len(sweeps))
		for k, w := range sweeps {
			if !full() && (i%3 != 0 || w.shape != "flat" && i%6 != 0) {
				continue
			}
			r := rand.New(rand.NewPCG(uint64(i), uint64(k)))
			outcomes[i][k] = outcome{true, w.run(t, e, c, r)}
		}
	})
	for k, w := range sweeps {
		ran, accepted := 0, 0
		causes := map[Cause]int{}
		for i := range outcomes {
			o := outcomes[i][k]
			if !o.ran {
				continue
			}
			ran++
			if o.state.Verdict == DepthAccepted {
				accepted++
				if w.shape == "flat" {
					t.Errorf("the flat card of still %d is accepted: %+v", i, o.state)
				}
			} else {
				causes[o.state.Cause]++
			}
		}
		t.Logf("%-10s %v: %d of %d accepted; the others: %v", w.shape, w.turning, accepted, ran, causes)
		if w.shape == "head" && math.Abs(w.speed) <= 30 && !w.nod && accepted*2 < ran {
			t.Errorf("%d of %d heads accepted, want most", accepted, ran)
		}
	}
}

// A turning is a card or a head that is held straight for half a second, then turned.
type turning struct {
	radius     float64
	relief     bool
	speed, fps float64 // degrees a second, + = yaw or pitch grows; frames a second
	nod        bool
}

func (w turning) String() string {
	how := "turned"
	if w.nod {
		how = "nodded"
	}
	return fmt.Sprintf("%s by %+.0f degrees a second at %.0f frames a second", how, w.speed, w.fps)
}

// run turns it to 65 degrees (a head to 40) and returns the door's state when it accepted, or
// in the end, with the first cause for which the turn started again.
func (w turning) run(t *testing.T, e *eye, c *card.Card, r *rand.Rand) (last DepthState) {
	v := card.View{Radius: w.radius, Relief: w.relief, Light: card.RandomLight(r), Background: r.Uint64(), Noise: 3, JPEG: 90}
	var d Depth
	var img imgproc.Image
	var first Cause
	tilt, most := -4+8*r.Float64(), 65.
	if w.relief {
		most = 40
	}
	for f := 0; ; f++ {
		at := float64(f) / w.fps
		angle := math.Abs(w.speed) * max(0, at-.5)
		if angle > most+5 {
			last.Cause = first
			return last
		}
		angle = math.Copysign(min(angle, most), w.speed)
		v.Seed, v.Yaw, v.Pitch = r.Uint64(), angle, tilt*min(1, math.Abs(angle)/25)
		if w.nod {
			v.Yaw, v.Pitch = v.Pitch, v.Yaw
		}
		v.DX, v.DY = 4*math.Sin(3*at), 3*math.Sin(2*at) // an unsteady hand
		if err := c.Render(&img, v); err != nil {
			t.Error(err)
			return last
		}
		s, ok := e.look(t, &img)
		if !ok || s.mesh.Presence < .5 {
			continue
		}
		last = d.Feed(time.Time{}.Add(time.Duration(at*float64(time.Second))), &img, &s.mesh, s.box, false)
		if first == "" {
			first = last.Cause
		}
		if last.Verdict == DepthAccepted {
			return last
		}
	}
}

package liveness

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"facegate/pipeline/imgproc"
	"facegate/pipeline/liveness/card"
)

// A still to make cards of: the picture and the outline of its face.
type still struct {
	path string
	box  imgproc.Box
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
			out = append(out, still{r["path"], s.mesh.Outline()})
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
				c, err := card.New(read(t, stills[i].path), stills[i].box, cardW, cardH, cardShare)
				if err != nil {
					t.Error(err)
					return
				}
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

var _ = time.Second

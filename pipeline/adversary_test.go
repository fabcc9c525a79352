package pipeline

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"facegate/access"
	"facegate/device"
	"facegate/internal/sharedtest"
	"facegate/models"
	"facegate/pipeline/litert"
	"facegate/pipeline/liveness"
	"facegate/pipeline/liveness/card"
	"facegate/pipeline/match"
)

// Plays that are over when the whole list has been shown: who is let in, at which level.
func TestPlays(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	passive, depth := liveness.LevelPassive, liveness.LevelDepth
	type play struct {
		name  string
		level liveness.Level
		shots []shot
		in    []string
	}
	plays := []play{
		{"a living person who turns", depth, visit(ada), []string{ada}},
		{"one after the other, without a gap", depth, slices.Concat(visit(ada), visit(bob)), []string{ada, bob}},
		{"again after leaving", depth, slices.Concat(visit(ada), nobody(15), visit(ada)), []string{ada, ada}},
		{"a stranger who turns", depth, visit(sam), nil},
		{"a picture", depth, flat(ada, 30), nil},
		{"a living person who does not turn", depth, alive(ada, 30), nil},

		{"stranger and picture in turns", depth, weave(visit(sam), flat(ada, 46)), nil},
		{"two frames of the stranger, one of the picture", depth, weave(visit(sam)[:26], visit(sam)[:26], flat(ada, 26)), nil},
		{"one frame of the stranger, two of the picture", depth, weave(visit(sam)[:26], flat(ada, 26), flat(ada, 26)), nil},
		{"a picture for four frames, then the stranger", depth, slices.Concat(flat(ada, 4), visit(sam)), nil},
		{"a picture until it could vote, then the stranger", depth, slices.Concat(flat(ada, 9), visit(sam), flat(ada, 9)), nil},
		{"the stranger turns in the dark, the picture is lit", depth, slices.Concat(dim(visit(sam)[:32]), flat(ada, 12)), nil},
		{"the picture before and after a stranger who turns in the dark", depth, slices.Concat(flat(ada, 8), dim(visit(sam)[:32]), flat(ada, 12)), nil},
		{"a tilted stranger turns between pictures", depth, slices.Concat(flat(ada, 8), tilted(visit(sam)[:32], 38), flat(ada, 12)), nil},
		{"another enrolled person turns, then the picture", depth, slices.Concat(visit(bob)[:18], flat(ada, 12)), nil},

		{"a print", passive, flat(print, 20), nil},
		{"a print and a tilted living stranger in turns", passive, weave(flat(print, 20), tilted(alive(sam, 20), 38)), nil},
		{"a print between two tilted living strangers", passive, weave(tilted(alive(sam, 20), 38), flat(print, 20), tilted(alive(sam, 20), -38)), nil},
		{"a print and the living stranger in turns", passive, weave(flat(print, 20), alive(sam, 20)), nil},
		{"a print and a dim living stranger", passive, weave(flat(print, 20), dim(alive(sam, 20))), nil},
	}
	// The change comes at every stage of the turn.
	for _, at := range []int{10, 20, 22, 23, 24, 30} {
		plays = append(plays,
			play{fmt.Sprintf("a stranger until frame %d, then the picture", at), depth, slices.Concat(visit(sam)[:at], flat(ada, 12)), nil},
		)
		if at == 20 {
			plays = append(plays, play{fmt.Sprintf("a living person until frame %d, then a stranger's picture", at), depth, slices.Concat(visit(ada)[:at], flat(sam, 12)), nil})
		}
	}
	for _, p := range plays {
		t.Run(p.name, func(t *testing.T) {
			s.curtain(t, p.level)
			s.play(t, p.shots...)
			s.end()
			s.expect(t, p.in...)
			if len(s.errs) > 0 {
				t.Error(s.story())
			}
		})
	}
}

// Two faces of one size: whoever is alive, nobody is let in, and the record says why.
func TestTwoFacesSideBySide(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for _, level := range []liveness.Level{liveness.LevelPassive, liveness.LevelDepth} {
		s.curtain(t, level)
		left, right := flat(ada, 46), visit(sam)
		for i := range left {
			left[i].beside, left[i].besideView = sam, right[i].view
			left[i].view.DX, left[i].besideView.DX = -120, 120
		}
		s.play(t, left...)
		s.end()
		s.expect(t)
		if len(s.verdicts) != 1 || s.verdicts[0].Reason != "several_faces" {
			t.Errorf("level %s: got %s, want several_faces once", level, s.story())
		}
		// The stranger steps aside and leaves the picture alone.
		s.curtain(t, liveness.LevelDepth)
		s.play(t, left[:30]...)
		for i := range left {
			left[i].beside = ""
		}
		s.play(t, left[30:]...)
		s.end()
		s.expect(t)
	}
}

// A stream that stands still, and one that repeats itself, show no depth.
func TestFrozenAndLoopedStreams(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for name, clip := range map[string][]shot{
		"frozen": visit(ada)[:1], "frozen while turning": visit(ada)[20:21],
		"looped": visit(ada)[:14], "looped over a cut": slices.Concat(visit(ada)[:4], visit(ada)[22:26]),
	} {
		t.Run(name, func(t *testing.T) {
			s.curtain(t, liveness.LevelDepth)
			s.step = time.Second / 6
			for s.fed < 80 { // longer than the tries last
				s.play(t, clip...)
			}
			s.end()
			s.expect(t)
			if len(s.verdicts) == 0 || len(s.verdicts) > 2 {
				t.Errorf("%d records, want one a try: %s", len(s.verdicts), s.story())
			}
		})
	}
}

// A clock that was set back does not blind the door until it has caught up.
func TestGateAfterTheClockWasSetBack(t *testing.T) {
	var g Gate
	now := time.Unix(1e9, 0)
	g.Pass(plainFrame(now, 90, 0))
	g.Empty(true, now)
	if !g.Pass(plainFrame(now.Add(-time.Hour), 90, 0)) {
		t.Error("a still scene is not looked at")
	}
}

// Whatever the clock does, the wrong person is not let in and a picture stays one; as long as
// it runs evenly, at the pace of any camera, the right one is.
func TestClocks(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	even := func(d time.Duration) func(int) time.Duration { return func(int) time.Duration { return d } }
	clocks := []struct {
		name string
		step func(int) time.Duration
	}{
		{"backwards", even(-time.Second / 15)},
		{"standing", even(0)},
		{"one frame a second", even(time.Second)},
		{"one frame in ten seconds", even(10 * time.Second)},
		{"sixty frames a second", even(time.Second / 60)},
		{"gaps of seconds", func(i int) time.Duration {
			return map[bool]time.Duration{true: 3 * time.Second, false: time.Second / 15}[i%9 == 8]
		}},
		{"an hour to and fro", func(i int) time.Duration { return map[bool]time.Duration{true: time.Hour, false: -time.Hour}[i%2 == 0] }},
		{"set back by a year", func(i int) time.Duration {
			return map[bool]time.Duration{true: -365 * 24 * time.Hour, false: time.Second / 15}[i == 20]
		}},
	}
	for _, c := range clocks {
		for _, zero := range []bool{false, true} {
			if zero && (testing.Short() || c.name != "backwards" && c.name != "standing") {
				continue
			}
			t.Run(fmt.Sprintf("%s, zero %v", c.name, zero), func(t *testing.T) {
				s.curtain(t, liveness.LevelDepth)
				if zero {
					s.at = time.Time{}
				}
				for i, sh := range slices.Concat(flat(ada, 6), visit(sam)[:26], flat(ada, 8), nobody(3), flat(ada, 6)) {
					s.step = c.step(i)
					s.play(t, sh)
				}
				s.end()
				s.expect(t)
			})
		}
	}
	for _, fps := range []int{10, 60} {
		s.curtain(t, liveness.LevelDepth)
		s.step = time.Second / time.Duration(fps)
		for i := range int(float64(len(visit(ada))) / 15 * float64(fps)) {
			s.play(t, visit(ada)[i*15/fps])
		}
		if s.end(); fps <= 15 {
			s.expect(t, ada)
		} else {
			s.expect(t, s.granted()...) // the same frame several times is no turn; nobody else is let in
		}
		for _, who := range s.granted() {
			if who != ada {
				t.Errorf("%d frames a second: let in %s", fps, who)
			}
		}
	}
}

// Frames that cannot be read are errors and nothing else: the visit around them goes on.
func TestGarbageBetweenFrames(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	whole := s.pixels(t, visit(ada)[0])
	garbage := []device.Frame{
		{Width: stageW, Height: stageH, Stride: 3 * stageW, Format: device.RGB24, Data: whole[:len(whole)/2]},
		{Width: stageW, Height: stageH, Stride: 3 * stageW, Format: device.RGB24},
		{Width: stageW, Height: stageH, Stride: -3 * stageW, Format: device.RGB24, Data: whole},
		{Width: -1, Height: stageH, Stride: 3, Format: device.RGB24, Data: whole},
		{Width: 1 << 30, Height: 1 << 30, Stride: 3 << 30, Format: device.RGB24, Data: whole},
		{Width: stageW, Height: stageH, Format: device.MJPEG, Data: []byte{0xff, 0xd8, 0xff, 0xdb}},
		{Width: stageW, Height: stageH, Format: device.MJPEG, Data: whole},
		{Width: stageW, Height: stageH, Stride: stageW, Format: device.NV12, Data: whole[:stageW*stageH]},
		{Width: stageW, Height: stageH, Stride: 2 * stageW, Format: 99, Data: whole},
		{},
	}
	s.curtain(t, liveness.LevelDepth)
	for range 3 {
		for i := range garbage {
			s.feed(&device.Frame{Width: garbage[i].Width, Height: garbage[i].Height, Stride: garbage[i].Stride, Format: garbage[i].Format, Data: garbage[i].Data})
		}
	}
	if s.end(); len(s.verdicts) > 0 || len(s.errs) != 3*len(garbage) {
		t.Errorf("garbage alone: %d errors of %d frames, %s", len(s.errs), 3*len(garbage), s.story())
	}
	for _, tt := range []struct {
		name  string
		shots []shot
		in    []string
	}{{"a living person", visit(ada), []string{ada}}, {"stranger, then picture", slices.Concat(visit(sam)[:26], flat(ada, 12)), nil}} {
		t.Run(tt.name, func(t *testing.T) {
			s.curtain(t, liveness.LevelDepth)
			for i, sh := range tt.shots {
				g := &garbage[i%len(garbage)]
				s.play(t, sh)
				s.step = 0
				s.feed(&device.Frame{Width: g.Width, Height: g.Height, Stride: g.Stride, Format: g.Format, Data: g.Data})
				s.step = time.Second / 15
			}
			s.end()
			s.expect(t, tt.in...)
			if len(s.errs) != len(tt.shots) {
				t.Errorf("%d errors, want one for each of %d", len(s.errs), len(tt.shots))
			}
		})
	}
}

// A model that gives nothing but NaN from some frame on lets nobody in, and the person who
// stands there has a record.
func TestModelsThatFail(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	healthy := s.an
	set, err := models.Open(sharedtest.Home(t))
	if err != nil {
		t.Fatal(err)
	}
	rt := sharedtest.Runtime(t)
	load := sharedtest.Loader(t)
	for _, role := range []string{"detect_short", "mesh", "iris", "live_27", "live_40", "live_se18", "mask", "parsing", "embed_foamliu", "embed_0095"} {
		if testing.Short() && role != "live_40" && role != "embed_0095" {
			continue
		}
		t.Run(role, func(t *testing.T) {
			sick := open(t, func(r string) (*litert.Model, error) {
				if r != role {
					return load(r)
				}
				b, _, err := set.Bytes(role)
				if err != nil {
					return nil, err
				}
				spoil(b)
				return rt.Load(b, litert.Spec{}, litert.Options{})
			})
			s.an = healthy
			s.curtain(t, liveness.LevelDepth)
			s.play(t, visit(ada)[:6]...)
			s.p.an = sick
			s.play(t, visit(ada)[6:]...)
			s.p.an = healthy
			s.end()
			s.expect(t)
			if len(s.verdicts) != 1 || s.verdicts[0].Reason != access.ReasonLivenessUnavailable && role != "parsing" {
				t.Errorf("got %s, want liveness_unavailable once", s.story()) // parsing gives classes, which are never NaN
			}
		})
	}
}

// spoil fills the weights of a .tflite file with NaN, of 16 bits or of 32: what its buffers
// hold that are larger than any shape.
func spoil(b []byte) {
	at := func(p int) int { return p + int(int32(binary.LittleEndian.Uint32(b[p:]))) }
	field := func(table, i int) int {
		v := table - int(int32(binary.LittleEndian.Uint32(b[table:])))
		if 4+2*i >= int(binary.LittleEndian.Uint16(b[v:])) {
			return 0
		}
		o := int(binary.LittleEndian.Uint16(b[v+4+2*i:]))
		if o == 0 {
			return 0
		}
		return at(table + o)
	}
	buffers := field(at(0), 4)
	for i := range int(binary.LittleEndian.Uint32(b[buffers:])) {
		data := field(at(buffers+4+4*i), 0)
		if data == 0 {
			continue
		}
		n := int(binary.LittleEndian.Uint32(b[data:]))
		for k := data + 4; n >= 64 && k+1 < data+4+n; k += 2 {
			b[k], b[k+1] = 0xc0, 0x7f
		}
	}
}

// Who is enrolled changes during a visit: the decision is about who is enrolled at its end.
func TestGalleryChangesDuringAVisit(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for _, at := range []int{4, 20, 22, 23} {
		for _, tt := range []struct {
			name   string
			change func()
			never  string
		}{
			{"emptied", func() { s.id.Gallery.Remove(ada); s.id.Gallery.Remove(bob) }, ada},
			{"replaced", func() { s.enrol(t, ada, sam) }, ada},
			{"given to another", func() { s.enrol(t, ada, sam); s.enrol(t, bob, ada) }, ada},
		} {
			s.curtain(t, liveness.LevelDepth)
			shots := visit(ada)
			s.play(t, shots[:at]...)
			if len(s.verdicts) > 0 {
				continue // decided before the change
			}
			tt.change()
			s.play(t, shots[at:]...)
			s.end()
			if slices.Contains(s.granted(), tt.never) {
				t.Errorf("%s after %d frames: %s", tt.name, at, s.story())
			}
		}
	}
	// A name that a search gives is not enough: three frames must have given it.
	s.curtain(t, liveness.LevelPassive)
	s.play(t, alive(ada, votes-1)...)
	s.enrol(t, ada, sam)
	s.enrol(t, bob, ada)
	s.play(t, alive(ada, votes)...)
	if s.expect(t); len(s.verdicts) != 1 || s.verdicts[0].Reason != access.ReasonUnknownPerson {
		t.Errorf("got %s, want unknown_person once", s.story())
	}

	s.curtain(t, liveness.LevelDepth)
	nan := slices.Clone(s.actors[ada].template)
	nan[3] = float32(math.NaN())
	for _, v := range [][]float32{make([]float32, s.an.Dim()), nan, nil} {
		if err := s.id.Gallery.Add("mallory", match.Template{Model: s.an.Model(), Vector: v}); !errors.Is(err, match.ErrVector) && !errors.Is(err, match.ErrModel) {
			t.Errorf("a template of %d numbers that are none is taken: %v", len(v), err)
		}
	}
}

// Who leaves before a decision leaves one record and is not let in; who is hardly seen, none.
func TestLeavingEarly(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for _, level := range []liveness.Level{liveness.LevelPassive, liveness.LevelDepth} {
		for _, n := range []int{1, 2, 3, 4, 8, 20} {
			if level == liveness.LevelPassive && n > 4 {
				continue
			}
			s.curtain(t, level)
			s.play(t, alive(ada, n)...)
			s.play(t, nobody(20)...)
			s.end()
			s.expect(t)
			if want := min(n/leastFrames, 1); len(s.verdicts) != want {
				t.Errorf("level %s, %d frames: want %d records, got %s", level, n, want, s.story())
			}
		}
	}
}

// Long before the lens: who was let in is let in once, who was refused is judged anew every
// ten seconds.
func TestLongPresence(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for who, want := range map[string][]string{ada: {ada}, sam: nil} {
		s.curtain(t, liveness.LevelPassive)
		s.step = time.Second / 5
		s.play(t, alive(who, 5*25)...)
		s.end()
		s.expect(t, want...)
		if records := map[string]int{ada: 1, sam: 3}[who]; len(s.verdicts) != records {
			t.Errorf("%d records in 25 s, want %d: %s", len(s.verdicts), records, s.story())
		}
	}
}

// Any order of frames of anybody, alive or not: a track has one sighting at most, and who is
// let in is who three of the last five good frames showed.
func TestInterleavings(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	checks := flag.Lookup("rapid.checks")
	was := checks.Value.String()
	n := "16"
	if testing.Short() {
		n = "6"
	}
	if err := checks.Value.Set(n); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = checks.Value.Set(was) })
	turn := visit(ada)[8:38]
	rapid.Check(t, func(rt *rapid.T) {
		s.curtain(t, rapid.SampledFrom([]liveness.Level{liveness.LevelPassive, liveness.LevelDepth}).Draw(rt, "level"))
		var good []string // whom the good frames of the track show
		track, told := time.Time{}, 0
		for s.fed < 40 {
			who := rapid.SampledFrom([]string{ada, ada, bob, sam, ""}).Draw(rt, "who")
			sh := shot{who: who, view: card.View{Noise: 1, Background: 1, Relief: rapid.Bool().Draw(rt, "living")}}
			length := rapid.IntRange(1, 14).Draw(rt, "frames")
			from := rapid.IntRange(0, 20).Draw(rt, "from")
			for i := range length {
				if sh.view.Relief && who != "" {
					sh.view.Yaw = turn[min(from+i, len(turn)-1)].view.Yaw
				}
				s.step = time.Duration(rapid.SampledFrom([]int{33, 66, 66, 66, 200, 900, 6000}).Draw(rt, "ms")) * time.Millisecond
				before := len(s.verdicts)
				s.play(t, sh)
				now := len(s.verdicts) - before
				if s.p.active && s.p.t.first.Equal(track) || !s.p.active {
					if told += now; told > 1 {
						rt.Fatalf("frame %d: a second sighting of one track: %s", s.fed, s.story())
					}
				} else {
					track, told, good = s.p.t.first, 0, good[:0]
				}
				if s.p.t.n > len(good) {
					good = append(good, who)
				}
				if now == 0 || s.verdicts[before].Outcome != access.Grant {
					continue
				}
				agree := 0
				for _, g := range good[max(0, len(good)-votes):] {
					if g == s.verdicts[before].Person {
						agree++
					}
				}
				if agree < quorum {
					rt.Fatalf("frame %d: let in %s, whom %d of the last good frames show", s.fed, s.verdicts[before].Person, agree)
				}
			}
		}
	})
}

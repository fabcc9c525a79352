package liveness

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"facegate/pipeline/imgproc"
	"facegate/pipeline/liveness/card"
)

// The live recordings of the phone set, a handful of pictures each: everyone turns by more
// than 20 degrees, and everyone is accepted. Recordings of such recordings are accepted as
// well: geometry cannot tell them, see docs/liveness.md.
func TestLiveSequencesAreAccepted(t *testing.T) {
	e := newEye(t)
	people := map[string][]row{}
	for _, r := range rows(t, "spoof_phone_selfies") {
		who := r["label"] + " " + strings.Split(filepath.Base(r["file"]), "_")[0]
		people[who] = append(people[who], r)
	}
	live, replayed, passed := 0, 0, 0
	for who, rs := range people {
		slices.SortFunc(rs, func(a, b row) int { return strings.Compare(a["file"], b["file"]) })
		q := NewSequence(LevelDepth, len(rs))
		most := 0.
		for _, r := range rs {
			img := read(t, r["path"])
			s, ok := e.look(t, img)
			if !ok {
				q.Miss()
				continue
			}
			most = max(most, math.Abs(s.mesh.Pose().Yaw))
			q.Feed(Frame{Image: img, Mesh: &s.mesh, Box: s.box, Scored: true, Fusion: good})
		}
		if r := q.End(); strings.HasPrefix(who, "live") {
			live++
			if most >= 20 && r.Verdict != Live {
				t.Errorf("%s: turned by %.0f degrees, got %v (%s), want live", who, most, r.Verdict, r.Detail)
			}
		} else if replayed++; r.Verdict == Live {
			passed++
		}
	}
	t.Logf("%d live recordings; %d of %d replayed ones pass the geometry", live, passed, replayed)
}

// Two frames of one person before a webcam, without a turn: no veto.
func TestWebcamFramesAreNeverVetoed(t *testing.T) {
	e := newEye(t)
	people := map[string][]row{}
	for _, r := range rows(t, "spoof_replay_attack") {
		if r["label"] == "live" {
			people[r["client"]+r["light"]] = append(people[r["client"]+r["light"]], r)
		}
	}
	pairs := 0
	var room darkroom
	var a aligner
	var p patch
	for who, rs := range people {
		for _, ra := range rs {
			ia := read(t, ra["path"])
			sa, ok := e.look(t, ia)
			if !ok {
				t.Fatalf("%s: no face", ra["file"])
			}
			a.take(&room, ia, &sa.mesh)
			for _, rb := range rs {
				ib := read(t, rb["path"])
				sb, ok := e.look(t, ib)
				if !ok || ra["file"] == rb["file"] {
					continue
				}
				pairs++
				m := compare(&sa.mesh, &sb.mesh)
				room.cut(&p, ib, &sb.mesh)
				m.NCC = a.ncc(&p, &sb.mesh)
				if squashed(&m) || flat(&m) {
					t.Errorf("%s: vetoed at depth %.2f, squash %.2f, NCC %.2f", who, m.Depth, m.Squash, m.NCC)
				}
			}
		}
	}
	t.Logf("%d ordered pairs", pairs)
}

// Two prints of one person, one straight and one of a turned head, swapped before the camera
// as deftly as can be: without a frame between them, at the same place.
func TestSwappedPrintsAreRefused(t *testing.T) {
	e := newEye(t)
	people := map[string][]row{}
	for _, r := range rows(t, "spoof_phone_selfies") {
		if r["label"] == "live" {
			people[r["person"]] = append(people[r["person"]], r)
		}
	}
	swaps := 0
	for who, rs := range people {
		var straight, turned *card.Card
		for _, r := range rs {
			img := read(t, r["path"])
			s, ok := e.look(t, img)
			if !ok {
				continue
			}
			c, err := card.New(img, s.mesh.Outline(), cardW, cardH, cardShare)
			if err != nil {
				t.Fatal(err)
			}
			switch yaw := math.Abs(s.mesh.Pose().Yaw); {
			case yaw < 8 && straight == nil:
				straight = c
			case yaw > 20 && yaw < 50 && turned == nil:
				turned = c
			}
		}
		if straight == nil || turned == nil {
			continue
		}
		swaps++
		var d Depth
		var img imgproc.Image
		fast := false
		for f := range 60 {
			c := straight
			if f%20 >= 10 {
				c = turned
			}
			if err := c.Render(&img, card.View{Noise: 3, Seed: uint64(f), JPEG: 90}); err != nil {
				t.Fatal(err)
			}
			s, ok := e.look(t, &img)
			if !ok {
				continue
			}
			st := d.Feed(time.Unix(0, int64(f)*1e8), &img, &s.mesh, s.box, false)
			if st.Verdict == DepthAccepted {
				t.Fatalf("%s: accepted at frame %d", who, f)
			}
			fast = fast || st.Cause == CauseFast || st.Cause == CauseJump
		}
		if !fast {
			t.Errorf("%s: the swap was not noticed", who)
		}
	}
	if swaps == 0 {
		t.Error("nobody with a straight and a turned picture")
	}
}

// A few pictures of a turned card, given as a sequence without times, or many.
func TestCardSequencesAreRefused(t *testing.T) {
	n := 24
	if testing.Short() {
		n = 4
	}
	for _, angles := range [][]float64{{0, 25, 35, 45, 55, 65}, {0, 10, 20, 30}, {0, 0, 0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65}} {
		verdicts := make([]Verdict, n)
		eachStill(t, n, func(t *testing.T, e *eye, i int, c *card.Card) {
			q := NewSequence(LevelDepth, len(angles))
			var img imgproc.Image
			for k, a := range angles {
				if err := c.Render(&img, card.View{Yaw: a, Noise: 3, Seed: uint64(100*i + k), Background: uint64(i), JPEG: 90}); err != nil {
					t.Error(err)
				}
				s, ok := e.look(t, &img)
				if !ok || s.mesh.Presence < .5 {
					q.Miss()
					continue
				}
				q.Feed(Frame{Image: &img, Mesh: &s.mesh, Box: s.box, Scored: true, Fusion: good})
			}
			verdicts[i] = q.End().Verdict
		})
		for i, v := range verdicts {
			if v != Spoof {
				t.Errorf("still %d at %v: got %v, want spoof", i, angles, v)
			}
		}
	}
}

// The demonstration's attack: a portrait turned to and fro in the hand until the tries are
// used up.
func TestCardInTheHandIsASpoof(t *testing.T) {
	n := 8
	if testing.Short() {
		n = 2
	}
	verdicts := make([]Verdict, n)
	eachStill(t, n, func(t *testing.T, e *eye, i int, c *card.Card) {
		s := NewSession(LevelDepth)
		var img imgproc.Image
		for at := time.Duration(0); at < 13*time.Second; at += 100 * time.Millisecond {
			if err := c.Render(&img, card.InHand(at)); err != nil {
				t.Error(err)
				return
			}
			f, ok := e.look(t, &img)
			if !ok || f.mesh.Presence < .5 {
				continue
			}
			r := s.Feed(Frame{At: time.Unix(0, 0).Add(at), Image: &img, Mesh: &f.mesh, Box: f.box, Scored: true, Fusion: good})
			if verdicts[i] = r.Verdict; r.Verdict != Pending {
				return
			}
		}
	})
	for i, v := range verdicts {
		if v != Spoof {
			t.Errorf("still %d: got %v, want spoof", i, v)
		}
	}
}

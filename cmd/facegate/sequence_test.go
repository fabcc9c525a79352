package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"facegate/internal/sharedtest"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/liveness/card"
)

// labels reads the rows of a labelled set, by column.
func labels(t *testing.T, set string) (dir string, rows []map[string]string) {
	t.Helper()
	dir = filepath.Join(sharedtest.Dir(t, "faces"), set)
	f, err := os.Open(filepath.Join(dir, "labels.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range all[1:] {
		row := map[string]string{}
		for i, v := range rec {
			row[all[0][i]] = v
		}
		rows = append(rows, row)
	}
	return dir, rows
}

// A judged sequence is what the command printed.
type judged struct {
	frames []struct {
		File    string
		Quality string
		Live    *bool
		YawMesh *float64 `json:"yaw_mesh"`
		Depth   *float64
		Squash  *float64
		NCC     *float64
	}
	code   int
	live   bool
	reason string
}

// turned is the widest mesh yaw.
func (j *judged) turned() (most float64) {
	for _, f := range j.frames {
		if f.YawMesh != nil {
			most = max(most, math.Abs(*f.YawMesh))
		}
	}
	return most
}

// alive reports whether most frames look alive to the passive check, so that it is the depth
// check that has to refuse.
func (j *judged) alive() bool {
	live, scored := 0, 0
	for _, f := range j.frames {
		if f.Live != nil {
			scored++
			if *f.Live {
				live++
			}
		}
	}
	return 2*live > scored
}

func judgeSequence(t *testing.T, home, dir string, flags ...string) judged {
	t.Helper()
	var out, diag bytes.Buffer
	var j judged
	j.code = run(t.Context(), &env{stdout: &out, stderr: &diag}, append([]string{"--home", home, "analyse", "--sequence", dir}, flags...))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	j.frames = slices.Grow(j.frames, len(lines))[:len(lines)-1]
	for i := range j.frames {
		if err := json.Unmarshal([]byte(lines[i]), &j.frames[i]); err != nil {
			t.Fatalf("%q: %v", lines[i], err)
		}
	}
	var v struct {
		Sequence string
		Live     *bool
		Reason   *string
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &v); err != nil || v.Live == nil || v.Sequence != dir {
		t.Fatalf("verdict %q, %v\n%s", lines[len(lines)-1], err, diag.Bytes())
	}
	if j.live = *v.Live; v.Reason != nil {
		j.reason = *v.Reason
	}
	if j.live != (j.code == exitDone) || j.live != (v.Reason == nil) {
		t.Errorf("%s: live %v, reason %q, exit code %d", dir, j.live, j.reason, j.code)
	}
	return j
}

// sequenceOf is a directory of links to pictures, in the order of their names.
func sequenceOf(t *testing.T, files []string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		if err := os.Symlink(f, filepath.Join(dir, filepath.Base(f))); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A few frames of everyone's video, the head turning. Everyone who turns by 20 degrees is
// accepted; one frame without a turn is not.
func TestSequencesOfPeople(t *testing.T) {
	home := sharedtest.Home(t)
	dir, rows := labels(t, "spoof_phone_selfies")
	people := map[string][]string{}
	for _, r := range rows {
		who, _, _ := strings.Cut(filepath.Base(r["file"]), "_")
		people[r["label"]+" "+who] = append(people[r["label"]+" "+who], filepath.Join(dir, r["file"]))
	}
	live, turns := 0, 0
	for who, files := range people {
		slices.Sort(files)
		j := judgeSequence(t, home, sequenceOf(t, files))
		t.Logf("%s: %d frames, turned by %.0f degrees: live %v %s", who, len(files), j.turned(), j.live, j.reason)
		if !strings.HasPrefix(who, "live ") {
			continue // a replayed video turns its head too: the passive check has to tell
		}
		if live++; j.turned() < 20 {
			continue
		}
		turns++
		if !j.live {
			t.Errorf("%s turned by %.0f degrees and was refused: %s", who, j.turned(), j.reason)
		}
		var straight []string
		for i, f := range j.frames {
			if f.YawMesh != nil && math.Abs(*f.YawMesh) < 8 && f.Quality == "ok" && (f.Depth == nil || *f.Depth < .3) {
				straight = append(straight, files[i])
			}
		}
		if j := judgeSequence(t, home, sequenceOf(t, straight[:1])); j.live || j.reason != spoof {
			t.Errorf("%s without a turn: live %v, reason %q, want spoof", who, j.live, j.reason)
		}
		if j := judgeSequence(t, home, sequenceOf(t, straight[:1]), "--level", "passive"); !j.live {
			t.Errorf("%s without a turn at level passive: refused, %s", who, j.reason)
		}
	}
	if live == 0 || turns == 0 {
		t.Errorf("%d people, %d of them turn: want some", live, turns)
	}
}

// A deck is how a card is shown: at which angles, and of what shape.
type deck struct {
	name   string
	angles []float64
	radius float64 // in face widths; 0 is flat
	head   bool    // moulded: what is to be accepted where it looks alive
	nod    bool
}

// never says that none may be accepted.
func (d *deck) never() bool { return d.radius == 0 && !d.head }

func decks() []deck {
	dense := func(speed, most float64) []float64 {
		turn := []float64{0, 0, 0, 0, 0}
		for a := speed / 10; a <= most; a += speed / 10 {
			turn = append(turn, a)
		}
		return turn
	}
	sparse := []float64{0, 25, 45, 65}
	all := []deck{
		{name: "flat, 30 degrees a second", angles: dense(30, 65)},
		{name: "flat, four frames", angles: sparse},
		{name: "flat, three frames", angles: []float64{0, 25, 35}},
		{name: "head, 30 degrees a second", angles: dense(30, 40), head: true},
	}
	if os.Getenv("FACEGATE_ALL_CARDS") == "" {
		return all
	}
	return append(
		all,
		deck{name: "flat, 60 degrees a second", angles: dense(60, 65)},
		deck{name: "flat, nodding", angles: dense(30, 65), nod: true},
		deck{name: "flat, two frames", angles: []float64{0, 55}},
		deck{name: "flat, frontal last", angles: []float64{65, 45, 25, 0}},
		deck{name: "head, four frames", angles: []float64{0, 15, 25, 35}, head: true},
		deck{name: "radius 1.5, dense", angles: dense(30, 65), radius: 1.5},
		deck{name: "radius 1.5, sparse", angles: sparse, radius: 1.5},
		deck{name: "radius 1.0, dense", angles: dense(30, 65), radius: 1},
		deck{name: "radius 1.0, sparse", angles: sparse, radius: 1},
		deck{name: "radius 0.7, dense", angles: dense(30, 65), radius: .7},
		deck{name: "radius 0.7, sparse", angles: sparse, radius: .7},
	)
}

// Cards of open stills, rendered and given as sequences: no flat one is accepted. A head
// moulded from a still is told beside them, to show that turns are accepted at all.
// `make cards` takes 24 stills, and bent cards.
func TestSequencesOfCards(t *testing.T) {
	home := sharedtest.Home(t)
	n := 3
	if os.Getenv("FACEGATE_ALL_CARDS") != "" {
		n = 24
	}
	cards := cardsOfStills(t, home, n)
	for _, d := range decks() {
		accepted, alive := 0, 0
		for i, c := range cards {
			j := judgeSequence(t, home, shoot(t, c, d, uint64(i)))
			if j.alive() {
				alive++
			}
			if j.live {
				accepted++
				if d.never() {
					t.Errorf("%s, still %d: accepted", d.name, i)
				}
			} else if j.reason != spoof {
				t.Errorf("%s, still %d: reason %q, want spoof", d.name, i, j.reason)
			}
		}
		if d.head && alive > 0 && accepted == 0 {
			t.Errorf("%s: none of %d heads that look alive is accepted", d.name, alive)
		}
		t.Logf("%-26s %d of %d accepted; %d look alive to the passive check", d.name+":", accepted, len(cards), alive)
	}
}

// shoot renders a card's frames into a directory.
func shoot(t *testing.T, c *card.Card, d deck, seed uint64) string {
	t.Helper()
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(seed, 7))
	sign, light := float64(1-2*r.IntN(2)), card.RandomLight(r)
	var frame imgproc.Image
	for k, a := range d.angles {
		v := card.View{
			Yaw: sign * a, Radius: d.radius, Relief: d.head, Light: light, Noise: 3, Seed: r.Uint64(), Background: seed,
			DX: 4 * math.Sin(.3*float64(k)), DY: 3 * math.Sin(.2*float64(k)), // an unsteady hand
		}
		if d.nod {
			v.Yaw, v.Pitch = 0, sign*a
		}
		if err := c.Render(&frame, v); err != nil {
			t.Fatal(err)
		}
		m := image.NewRGBA(image.Rect(0, 0, frame.W, frame.H))
		for i := range frame.W * frame.H {
			copy(m.Pix[4*i:], frame.Pix[3*i:3*i+3])
			m.Pix[4*i+3] = 255
		}
		var b bytes.Buffer
		if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 90}); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%03d.jpg", k)), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// cardsOfStills are cards of n straight portraits that look alive: webcam, phone, and press.
func cardsOfStills(t *testing.T, home string, n int) []*card.Card {
	t.Helper()
	s, err := (&env{stdout: io.Discard, stderr: io.Discard, home: home}).sight()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var out []*card.Card
	take := func(path string) bool {
		img, err := picture(path)
		if err != nil {
			t.Fatal(err)
		}
		a, err := s.an.Picture(img, 0)
		if err != nil {
			t.Fatal(err)
		}
		if a.Quality != "ok" || math.Abs(a.Pose.Yaw) > 6 || math.Abs(a.Pose.Pitch) > 10 {
			return false
		}
		c, err := card.New(img, a.Mesh.Outline(), 480, 360, .4)
		if err != nil {
			t.Fatal(err)
		}
		c.Relief(&a.Mesh)
		out = append(out, c)
		return true
	}
	for _, set := range []struct {
		name, who string
		share     int
	}{{"spoof_phone_selfies", "person", n / 3}, {"spoof_replay_attack", "client", n * 2 / 3}, {"lfw", "identity", n}} {
		dir, rows := labels(t, set.name)
		done := map[string]bool{}
		for i := range rows {
			r := rows[i*89%len(rows)]
			if done[r[set.who]] || r["label"] == "spoof" || len(out) >= set.share {
				continue
			}
			done[r[set.who]] = take(filepath.Join(dir, r["file"]))
		}
	}
	if len(out) < n {
		t.Fatalf("only %d of %d stills are straight", len(out), n)
	}
	return out
}

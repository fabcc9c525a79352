package pipeline

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"facegate/access"
	"facegate/internal/sharedtest"
	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/liveness"
	"facegate/pipeline/match"
)

// doors are four doors that everybody may pass, each with a demand of its own.
func doors(t *testing.T) *access.Policy {
	t.Helper()
	rules := access.Rules{
		Doors: map[string]access.DoorRule{
			"any": {}, "mask": {Demand: access.Demand{Mask: access.CoverRequired}},
			"no mask": {Demand: access.Demand{Mask: access.CoverForbidden}}, "helmet": {Demand: access.Demand{Helmet: access.CoverRequired}},
		},
		Access: []access.AccessRule{{Groups: []string{access.Everybody}, Doors: []string{"any", "mask", "no mask", "helmet"}}},
	}
	p, err := rules.Compile(1)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// at is the answer of a door to a sighting: the reason of a refusal, or "granted".
func at(p *access.Policy, door string, s access.Sighting) string {
	d := p.Decide(access.Visit{Door: door, At: time.Unix(1e9, 0), Clock: access.ClockSynced, Seen: &s}, people, nil)
	if d.Outcome == access.Grant {
		return "granted"
	}
	return string(d.Reason)
}

// Two people who were enrolled with and without a mask, each in four states before each door.
func TestMaskStatesBeforeDoors(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(sharedtest.Dir(t, "faces"), "mask_states")
	an := open(t, sharedtest.Loader(t))
	id, p := identifier(t, an), doors(t)
	rows := labelled(t, dir)
	for _, r := range rows {
		if r["mask"] != "none" && r["mask"] != "full" {
			continue
		}
		a := still(t, an, filepath.Join(dir, r["file"]), AllStages)
		if err := id.Gallery.Add(r["person"], match.Template{Model: an.Model(), Vector: a.Embedding, Masked: r["mask"] == "full"}); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]map[string]string{
		"full":     {"any": "granted", "mask": "granted", "no mask": "mask_forbidden"},
		"nose_out": {"any": "granted", "mask": "mask_required", "no mask": "mask_forbidden"},
		"none":     {"any": "granted", "mask": "mask_required", "no mask": "granted"},
		"chin":     {"any": "granted", "mask": "mask_required", "no mask": "granted"},
	}
	for _, r := range rows {
		s, err := id.Sighting(still(t, an, filepath.Join(dir, r["file"]), AllStages))
		if err != nil {
			t.Fatal(err)
		}
		if at(p, "any", s) == "granted" {
			t.Fatal("granted without liveness")
		}
		s.Liveness, s.Score = access.Live, 1
		for door, want := range want[r["mask"]] {
			if got := at(p, door, s); got != want {
				t.Errorf("%s (%s, %s): door %q: got %s, want %s", r["file"], r["mask"], s.Mask, door, got, want)
			}
		}
		if len(s.Matches) == 0 || s.Matches[0].Person != r["person"] {
			t.Errorf("%s: matches %v", r["file"], s.Matches)
		}
	}
}

// Helmets from a yard, and LFW's bare heads and caps, before a door that asks for a helmet:
// whoever is judged at all. Rates are the report's.
func TestHelmetsBeforeDoors(t *testing.T) {
	t.Parallel()
	dir := sharedtest.Dir(t, "faces")
	an := open(t, sharedtest.Loader(t))
	p := doors(t)
	granted, judged := map[string]int{}, map[string]int{}
	look := func(set, kind string, every int, yes func(map[string]string) bool) {
		i := 0
		for _, r := range labelled(t, filepath.Join(dir, set)) {
			if !yes(r) {
				continue
			}
			if i++; i%every != 0 {
				continue
			}
			a := still(t, an, filepath.Join(dir, set, r["file"]), Mask|Parsing)
			if a.Quality != face.OK {
				continue
			}
			// Who it is is not in question here.
			s := access.Sighting{
				Quality: "ok", Liveness: access.Live, Score: 1, Matches: []access.Match{{Person: "somebody", Score: 99, Cosine: .9}},
				Threshold: access.Threshold{Score: 80, Margin: .1}, Mask: string(a.Cover.MaskState), Head: string(a.Cover.HeadCover),
			}
			judged[kind]++
			if got := at(p, "helmet", s); got == "granted" {
				granted[kind]++
			} else if got != "head_cover_required" {
				t.Errorf("%s: got %s, want head_cover_required", r["file"], got)
			}
		}
	}
	look("head_helmet", "helmet", 4, func(map[string]string) bool { return true })
	look("head_lfw", "bare", 2, func(r map[string]string) bool { return r["cover"] == "none" })
	t.Logf("granted %v of %v", granted, judged)
	if n := granted["helmet"]; judged["helmet"] < 10 || 10*n < 7*judged["helmet"] {
		t.Errorf("%d of %d helmets pass, want seven in ten", n, judged["helmet"])
	}
	if n := granted["bare"]; judged["bare"] < 15 || n > 0 {
		t.Errorf("%d of %d bare heads pass, want none", n, judged["bare"])
	}
}

// masked is a copy of a picture with a mask drawn on its face, over the nose or below it.
func masked(img *imgproc.Image, m *face.Mesh, over bool) *imgproc.Image {
	upper := []int{352, 347, 329, 277, 197, 47, 100, 118, 123}
	if !over {
		upper = []int{401, 435, 432, 410, 391, 164, 165, 186, 212, 215, 177}
	}
	outline := []imgproc.Point{}
	for _, i := range slices.Concat([]int{93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323}, upper) {
		outline = append(outline, m.At(i))
	}
	inside := imgproc.NewGray(img.W, img.H)
	imgproc.FillPolygon(inside, outline, 1)
	out := *img
	out.Pix = slices.Clone(img.Pix)
	left, right := m.At(234), m.At(454)
	for y := range img.H {
		for x := range img.W {
			if inside.Pix[y*inside.Stride+x] == 0 {
				continue
			}
			d := (2*float64(x) - left.X - right.X) / (right.X - left.X)
			for c, v := range [3]float64{150, 190, 214} {
				out.Pix[y*out.Stride+3*x+c] = byte(v * (1 - .25*d*d)) // round, as a cloth on a face
			}
		}
	}
	return &out
}

// dressUp adds two actors: Ada in a mask, and with a mask that leaves the nose out.
func (s *stage) dressUp(t *testing.T) (full, out string) {
	t.Helper()
	file := filepath.Join(sharedtest.Dir(t, "faces"), "spoof_replay_attack", "live", ada+"_session01_webcam_authenticate_controlled_1.jpg")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	img, err := imgproc.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.an.Picture(img, 0)
	if err != nil {
		t.Fatal(err)
	}
	mesh := a.Mesh
	full, out = ada+" in a mask", ada+" with the nose out"
	s.actors[full] = s.castOf(t, full, masked(img, &mesh, true))
	s.actors[out] = s.castOf(t, out, masked(img, &mesh, false))
	return full, out
}

// A template taken behind a mask that is as like as two strangers' masks are names nobody who
// wears one. Who is bare is as unlike such templates as bare ones.
func TestMasksAreAlike(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	full, _ := s.dressUp(t)
	for who, want := range map[string][]string{full: nil, ada: {"mallory"}} {
		s.curtain(t, liveness.LevelPassive)
		s.id.Gallery.Remove(ada)
		own, other := s.actors[who].template, s.actors[bob].template
		along, v := dot(own, other), make([]float32, len(own))
		for i := range v {
			v[i] = .65*own[i] + float32(math.Sqrt((1-.65*.65)/(1-along*along)))*(other[i]-float32(along)*own[i])
		}
		s.id.Gallery.Remove(bob)
		if err := s.id.Gallery.Add("mallory", match.Template{Model: s.an.Model(), Vector: v, Masked: true}); err != nil {
			t.Fatal(err)
		}
		s.play(t, alive(who, 8)...)
		s.end()
		s.expect(t, want...)
		if len(s.verdicts) != 1 || len(s.verdicts[0].Matches) != 1 {
			t.Errorf("%s: %s", who, s.story())
		}
		s.id.Gallery.Remove("mallory")
	}
}

// A person in front of the camera: enrolled both ways, bare, masked, masked below the nose.
func TestMaskedVisits(t *testing.T) {
	t.Parallel()
	s, p := newStage(t), doors(t)
	full, out := s.dressUp(t)
	for _, wants := range []Wants{{}, {Mask: true}, {Mask: true, Head: true}} {
		for _, tt := range []struct{ who, mask, forbidden string }{
			{ada, "mask_required", "granted"}, {full, "granted", "mask_forbidden"}, {out, "mask_required", "mask_forbidden"},
		} {
			s.curtain(t, liveness.LevelPassive)
			if err := s.id.Gallery.Add(ada, match.Template{Model: s.an.Model(), Vector: s.actors[full].template, Masked: true}); err != nil {
				t.Fatal(err)
			}
			s.p.Want(wants)
			s.play(t, alive(tt.who, 12)...)
			s.end()
			if len(s.verdicts) != 1 || len(s.errs) > 0 {
				t.Errorf("%+v, %s: %s", wants, tt.who, s.story())
				continue
			}
			v := s.verdicts[0]
			t.Logf("%+v, %s: frame %d, liveness %.2f, %s %s, %v of %v", wants, tt.who, v.frame, v.Score, v.Mask, v.Head, v.Matches, v.Threshold)
			if v.Liveness != access.Live || v.frame > votes-1+retries {
				t.Errorf("%+v, %s: liveness %v, at frame %d", wants, tt.who, v.Liveness, v.frame)
			}
			if got := at(p, "mask", v.Sighting); got != tt.mask {
				t.Errorf("%+v, %s before the mask door: got %s, want %s", wants, tt.who, got, tt.mask)
			}
			if got := at(p, "no mask", v.Sighting); got != tt.forbidden {
				t.Errorf("%+v, %s before the door without masks: got %s, want %s", wants, tt.who, got, tt.forbidden)
			}
		}
	}
}

// Somebody who was told to put on a mask is judged again without leaving, once.
func TestAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.curtain(t, liveness.LevelPassive)
	s.play(t, alive(ada, 6)...)
	s.expect(t, ada)
	s.p.Again()
	s.play(t, alive(ada, 30)...) // 2 s
	s.expect(t, ada)
	s.play(t, alive(ada, 30)...)
	s.expect(t, ada, ada)
	s.play(t, alive(ada, 90)...)
	s.end()
	s.expect(t, ada, ada)
	s.p.Again() // nobody is there
}

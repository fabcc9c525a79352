package pipeline

import (
	"encoding/csv"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"facegate/access"
	"facegate/internal/sharedtest"
	"facegate/models"
	"facegate/pipeline/embed"
	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/litert"
	"facegate/pipeline/liveness"
	"facegate/pipeline/match"
)

// labelled are the rows of a set's labels.
func labelled(t *testing.T, dir string) []map[string]string {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "labels.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var rows []map[string]string
	for _, l := range lines[1:] {
		row := map[string]string{}
		for i, v := range l {
			row[lines[0][i]] = v
		}
		rows = append(rows, row)
	}
	return rows
}

// still looks into a picture.
func still(t *testing.T, an *Analyser, file string, st Stages) *Analysis {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	img, err := imgproc.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	a, err := an.Picture(img, st)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// addOlder adds an embedder to the Analyser, and an empty gallery of it to an Identifier.
func addOlder(t *testing.T, load litert.Loader, an *Analyser, id *Identifier, embedder string) Reference {
	t.Helper()
	e, err := embed.New(load, embedder)
	if err != nil {
		t.Fatal(err)
	}
	if err := an.AddEmbedder(load, e.Model()); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := NewReference(models.Manifest(), an, e.Model())
	if err != nil {
		t.Fatal(err)
	}
	id.Older = append(id.Older, r)
	return r
}

func identifier(t *testing.T, an *Analyser) *Identifier {
	t.Helper()
	r, err := NewReference(models.Manifest(), an, an.Model())
	if err != nil {
		t.Fatal(err)
	}
	return &Identifier{
		Gallery: r.Gallery, Calibration: r.Calibration, Masked: r.Masked,
		FPIR: match.DefaultFPIR, PolicyScore: match.DefaultPolicyScore, Margin: match.DefaultMargin,
	}
}

// Half of the people are enrolled with the older model and half with the present one, and
// some with both: each is named as if everybody had one model, nobody as somebody else. Then
// everybody is made anew with the present one, and the older model is gone.
func TestTwoModels(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(sharedtest.Dir(t, "faces"), "lfw")
	load := sharedtest.Loader(t)
	an, err := Open(load, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = an.Close() })
	id := identifier(t, an)
	was := addOlder(t, load, an, id, "foamliu")

	pictures := map[string][]string{}
	for _, r := range labelled(t, dir) {
		pictures[r["identity"]] = append(pictures[r["identity"]], filepath.Join(dir, r["file"]))
	}
	maps.DeleteFunc(pictures, func(_ string, files []string) bool { return len(files) < 2 })
	n := 40
	if testing.Short() {
		n = 16
	}
	all := slices.Sorted(maps.Keys(pictures))
	names := make([]string, n)
	for i := range names {
		names[i] = all[i*len(all)/n]
	}
	add := func(g *match.Gallery, who string, v []float32) {
		t.Helper()
		if err := g.Add(who, match.Template{Model: g.Model(), Vector: v}); err != nil {
			t.Fatalf("%s: %v", who, err)
		}
	}
	for i, who := range names {
		a := still(t, an, pictures[who][0], Mask|Embedding)
		if len(a.Older) != 1 || len(a.Older[0].Vector) == len(a.Embedding) {
			t.Fatalf("%s: %d older vectors", who, len(a.Older))
		}
		if i%2 == 0 || i%10 == 5 {
			add(was.Gallery, who, a.Older[0].Vector)
		}
		if i%2 == 1 {
			add(id.Gallery, who, a.Embedding)
		}
	}
	check := func(what string, most int) {
		t.Helper()
		missed := 0
		for _, who := range names {
			a := still(t, an, pictures[who][1], Mask|Embedding)
			s, err := id.Sighting(a)
			if err != nil {
				t.Fatal(err)
			}
			s.Liveness, s.Score = access.Live, 1
			if a.Quality != face.OK {
				missed++ // LFW has pictures that no door would take
				continue
			}
			switch d := new(access.Policy).Decide(access.Visit{Door: access.MainDoor, Clock: access.ClockSynced, Seen: &s}, people, nil); {
			case d.Outcome == access.Grant && d.Person != who:
				t.Errorf("%s: %s is taken for %s", what, who, d.Person)
			case d.Outcome != access.Grant:
				missed++
			}
			switch other, err := id.Duplicate(a, who); {
			case err != nil || other != "":
				t.Errorf("%s: %s is a duplicate of %q, %v", what, who, other, err)
			case len(s.Matches) > 0 && s.Matches[0].Score >= s.Threshold.Score:
				if other, err := id.Duplicate(a, "somebody new"); err != nil || other != who {
					t.Errorf("%s: enrolled anew, %s is taken for %q, %v", what, who, other, err)
				}
			}
		}
		t.Logf("%s: %d of %d missed", what, missed, n)
		if missed > most {
			t.Errorf("%s: %d of %d missed, want at most %d", what, missed, n, most)
		}
	}
	check("half in each model", n/6)

	// Whoever has one name in one gallery and another in the other is nobody.
	a := still(t, an, pictures[names[0]][0], Mask|Embedding)
	add(id.Gallery, "under another name", a.Embedding)
	s, err := id.Sighting(a)
	if err != nil {
		t.Fatal(err)
	}
	s.Liveness, s.Score = access.Live, 1
	if d := new(access.Policy).Decide(access.Visit{Door: access.MainDoor, Clock: access.ClockSynced, Seen: &s}, people, nil); d.Reason != access.ReasonAmbiguous {
		t.Errorf("two names, one in each model: got %v %s, want ambiguous", d.Outcome, d.Reason)
	}
	id.Gallery.Remove("under another name")

	if err := id.Gallery.Add("crossed", match.Template{Model: was.Gallery.Model(), Vector: a.Older[0].Vector}); !errors.Is(err, match.ErrModel) {
		t.Errorf("a template of the older model in the present gallery: got %v, want ErrModel", err)
	}

	for i, who := range names {
		if i%2 == 0 {
			add(id.Gallery, who, still(t, an, pictures[who][0], Mask|Embedding).Embedding)
		}
		was.Gallery.Remove(who)
	}
	id.Older = nil
	if err := an.DropEmbedder(was.Gallery.Model()); err != nil {
		t.Fatal(err)
	}
	if a := still(t, an, pictures[names[0]][0], Mask|Embedding); len(a.Older) != 0 {
		t.Error("the older model still makes templates")
	}
	check("all in the present one", n/6)
}

// An Analyser takes no embedder but the one that made the templates.
func TestAddEmbedder(t *testing.T) {
	t.Parallel()
	load := sharedtest.Loader(t)
	an := open(t, load)
	for _, model := range []string{"", "@", "foamliu", "foamliu@00000000", "never@00000000", "never"} {
		if err := an.AddEmbedder(load, model); err == nil {
			t.Errorf("%q is added", model)
		}
	}
	if err := an.AddEmbedder(load, "foamliu@00000000"); !errors.Is(err, match.ErrModel) {
		t.Errorf("other weights: got %v, want ErrModel", err)
	}
	if err := an.AddEmbedder(load, an.Model()); err != nil || len(an.older) != 0 {
		t.Errorf("its own embedder: %v, %d added", err, len(an.older))
	}
	if _, err := NewReference(models.Manifest(), an, "foamliu@00000000"); !errors.Is(err, match.ErrModel) {
		t.Errorf("a reference without an embedder: got %v, want ErrModel", err)
	}
	id := identifier(t, an)
	was := addOlder(t, load, an, id, "foamliu")
	if _, err := New(an, id, Options{}); err != nil {
		t.Error(err)
	}
	if err := an.DropEmbedder(was.Gallery.Model()); err != nil {
		t.Fatal(err)
	}
	if err := an.DropEmbedder(was.Gallery.Model()); err != nil {
		t.Errorf("twice: %v", err)
	}
	if _, err := New(an, id, Options{}); !errors.Is(err, match.ErrModel) {
		t.Errorf("a gallery that no embedder is there for: got %v, want ErrModel", err)
	}
}

// Who has a template of the older model only is let in by frames, whoever has one of each
// too, and once there are none left the embedder does not run.
func TestVisitsInTwoModels(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	was := addOlder(t, sharedtest.Loader(t), s.an, s.id, "foamliu_f16")
	for _, who := range []string{ada, bob} {
		a := still(t, s.an, filepath.Join(sharedtest.Dir(t, "faces"), "spoof_replay_attack", "live", who+"_session01_webcam_authenticate_controlled_1.jpg"), Embedding)
		if err := was.Gallery.Add(who, match.Template{Model: was.Gallery.Model(), Vector: a.Older[0].Vector}); err != nil {
			t.Fatal(err)
		}
	}
	play := func(want ...string) {
		t.Helper()
		s.play(t, slices.Concat(alive(ada, 8), nobody(15), alive(bob, 8), nobody(15), alive(sam, 8))...)
		s.end()
		s.expect(t, want...)
	}
	s.curtain(t, liveness.LevelPassive)
	s.id.Gallery.Remove(ada)
	play(ada, bob)
	s.curtain(t, liveness.LevelPassive)
	s.id.Gallery.Remove(ada)
	s.id.Gallery.Remove(bob)
	play(ada, bob)
	s.curtain(t, liveness.LevelPassive)
	was.Gallery.Remove(ada)
	was.Gallery.Remove(bob)
	clear(s.an.older[0].vector)
	play(ada, bob)
	if dot(s.an.older[0].vector, s.an.older[0].vector) != 0 {
		t.Error("the older embedder runs for an empty gallery")
	}
}

package cover

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"facegate/internal/sharedtest"
	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
)

// A bench is the models and the pictures that a test of rates needs.
type bench struct {
	dir    string
	detect *face.Detector
	mesh   *face.Mesher
	cover  *Cover
}

func newBench(t *testing.T) *bench {
	t.Helper()
	dir, load := sharedtest.Dir(t, "faces"), sharedtest.Loader(t)
	b := &bench{dir: dir}
	var err error
	if b.detect, err = face.NewDetector(load); err != nil {
		t.Fatal(err)
	}
	if b.mesh, err = face.NewMesher(load); err != nil {
		t.Fatal(err)
	}
	if b.cover, err = New(load); err != nil {
		t.Fatal(err)
	}
	return b
}

// A row is one line of a labels.csv.
type row map[string]string

// rows reads the labels of a set that pass keep.
func (b *bench) rows(t *testing.T, set string, keep func(row) bool) []row {
	t.Helper()
	f, err := os.Open(filepath.Join(b.dir, set, "labels.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var rows []row
	for _, rec := range records[1:] {
		r := row{"path": filepath.Join(b.dir, set, rec[0])}
		for i, name := range records[0] {
			r[name] = rec[i]
		}
		if keep(r) {
			rows = append(rows, r)
		}
	}
	return rows
}

// lfw is the first picture of each person in it, without those known to be covered; only
// every nth of them.
func (b *bench) lfw(t *testing.T, nth int) []row {
	t.Helper()
	odd := map[string]bool{}
	for _, r := range b.rows(t, "head_lfw", func(r row) bool {
		return r["cover"] != "none" || r["eyes"] != "open" || r["occlusion"] != ""
	}) {
		odd[filepath.Base(r["file"])] = true
	}
	seen, n := map[string]bool{}, -1
	return b.rows(t, "lfw", func(r row) bool {
		if seen[r["identity"]] || odd[filepath.Base(r["file"])] {
			return false
		}
		seen[r["identity"]] = true
		n++
		return n%nth == 0
	})
}

func has(key string, values ...string) func(row) bool {
	return func(r row) bool { return slices.Contains(values, r[key]) }
}

func lacks(key string, values ...string) func(row) bool {
	return func(r row) bool { return !slices.Contains(values, r[key]) }
}

// A stage judges one face.
type stage func(img *imgproc.Image, d *face.Detection, m *face.Mesh, r *Result) error

// judge runs a stage on the pictures whose face is found; a short run on every tenth.
func (b *bench) judge(t *testing.T, rows []row, run stage) (files []string, results []Result) {
	t.Helper()
	for i, r := range rows {
		if testing.Short() && i%10 != 0 {
			continue
		}
		img, d, m, ok := b.find(t, r["path"])
		if !ok {
			continue
		}
		res := NotRun()
		if err := run(img, d, m, &res); err != nil {
			t.Fatalf("%s: %v", r["file"], err)
		}
		files, results = append(files, r["file"]), append(results, res)
	}
	return files, results
}

// rate counts the results that are so and holds the count against limits, which are those
// of all pictures; a short run is held against its part of them, with some room.
func rate(t *testing.T, what string, files []string, results []Result, so func(*Result) bool, least, most, of int) {
	t.Helper()
	var yes, no []string
	for i := range results {
		if so(&results[i]) {
			yes = append(yes, files[i])
		} else {
			no = append(no, files[i])
		}
	}
	n := len(results)
	fewer := yes
	if len(no) < len(yes) {
		fewer = no
	}
	t.Logf("%s: %d of %d; the fewer are %q", what, len(yes), n, fewer)
	if testing.Short() {
		least, most = least*n/of-3, most*n/of+3
	} else if n != of {
		t.Errorf("%s: %d faces, want %d", what, n, of)
	}
	if len(yes) < least || len(yes) > most {
		t.Errorf("%s: %d of %d, want %d to %d; the fewer are %q", what, len(yes), n, least, most, fewer)
	}
}

// find is the face in a picture, false where the detector finds none.
func (b *bench) find(t *testing.T, path string) (*imgproc.Image, *face.Detection, *face.Mesh, bool) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	img, err := imgproc.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	var p imgproc.Picture
	p.SetImage(img)
	found, err := b.detect.Detect(&p)
	if err != nil {
		t.Fatal(err)
	}
	d := face.Pick(found, img.W, img.H)
	if d == nil {
		return nil, nil, nil, false
	}
	m := new(face.Mesh)
	if err := b.mesh.Fit(img, d, m); err != nil {
		t.Fatal(err)
	}
	return img, d, m, true
}

func TestMask(t *testing.T) {
	b := newBench(t)
	mask := func(img *imgproc.Image, d *face.Detection, _ *face.Mesh, r *Result) error {
		return b.cover.Mask(img, d, r)
	}
	worn := func(r *Result) bool { return r.Mask >= .5 }
	for _, g := range []struct {
		what            string
		rows            []row
		least, most, of int
	}{
		{"masks found", b.rows(t, "mask_wild", has("mask", "mask")), 125, 126, 126},
		{"drawn masks found", b.rows(t, "mask_wild", has("mask", "mask_synthetic")), 19, 19, 19},
		{"bare faces called masked", b.rows(t, "mask_wild", has("mask", "nomask")), 0, 0, 83},
		{"LFW called masked", b.lfw(t, 1), 0, 0, 833},
	} {
		files, results := b.judge(t, g.rows, mask)
		rate(t, g.what, files, results, worn, g.least, g.most, g.of)
	}
}

func TestFace(t *testing.T) {
	b := newBench(t)
	covered := func(r *Result) bool { return r.HeadCover == HeadOther || r.HeadCover == HeadHelmet }
	helmet := func(r *Result) bool { return r.HeadCover == HeadHelmet }
	state := func(s MaskState) func(*Result) bool { return func(r *Result) bool { return r.MaskState == s } }
	hidden := func(r *Result) bool { return r.Occlusion&NoseMouth != 0 }
	type limit struct {
		what            string
		so              func(*Result) bool
		least, most, of int
	}
	for _, g := range []struct {
		rows   []row
		limits []limit
	}{
		{b.rows(t, "head_helmet", has("cover", "helmet")), []limit{{"helmets called covered", covered, 51, 65, 65}, {"helmets called helmets", helmet, 51, 65, 65}}},
		{b.rows(t, "head_lfw", has("cover", "cap", "visor")), []limit{{"caps called covered", covered, 29, 29, 29}, {"caps called helmets", helmet, 0, 10, 29}}},
		{b.rows(t, "head_lfw", lacks("cover", "cap", "visor", "none")), []limit{{"other covers called covered", covered, 21, 27, 27}}},
		{b.rows(t, "head_lfw", has("cover", "none")), []limit{{"bare heads called covered", covered, 0, 0, 61}}},
		{b.lfw(t, 3), []limit{{"LFW called covered, most with cause", covered, 0, 19, 278}, {"LFW called helmets", helmet, 0, 9, 278}, {"LFW with nose and mouth hidden", hidden, 0, 3, 278}}},
		{b.rows(t, "mask_wild", has("mask", "nomask")), []limit{{"portraits called covered", covered, 0, 6, 83}, {"portraits cut off above the brows", func(r *Result) bool { return r.HeadCover == HeadUnknown }, 10, 20, 83}, {"portraits with nose and mouth hidden", hidden, 0, 6, 83}}},
		{b.rows(t, "mask_wild", has("mask", "mask", "mask_synthetic")), []limit{{"masks called full", state(MaskFull), 120, 145, 145}, {"masks called nose out", state(MaskNoseOut), 0, 3, 145}, {"masked faces called covered, most with cause", covered, 0, 20, 145}}},
		{b.rows(t, "head_lfw", has("occlusion", "hand_on_face", "object_before_face")), []limit{{"hands and objects found", hidden, 0, 3, 3}}},
	} {
		files, results := b.judge(t, g.rows, b.cover.Face)
		for _, l := range g.limits {
			rate(t, l.what, files, results, l.so, l.least, l.most, l.of)
		}
	}
}

// A nose above a mask never passes for a mask that is worn, and a mask below the chin is
// called none. Two people are all there are.
func TestMaskStates(t *testing.T) {
	b := newBench(t)
	for _, tt := range []struct {
		mask    string
		allowed []MaskState
	}{
		{"full", []MaskState{MaskFull}},
		{"nose_out", []MaskState{MaskNoseOut, MaskUnknown}},
		{"chin", []MaskState{MaskNone}},
		{"none", []MaskState{MaskNone}},
	} {
		files, results := b.judge(t, b.rows(t, "mask_states", has("mask", tt.mask)), b.cover.Face)
		for i, r := range results {
			if !slices.Contains(tt.allowed, r.MaskState) {
				t.Errorf("%s, %s: %s, want one of %q", tt.mask, files[i], r.MaskState, tt.allowed)
			}
		}
	}
}

// On a bare face taken for a masked one the nose is surely seen: both witnesses should say
// so, and hardly ever may neither.
func TestWitnessesSeeBareNoses(t *testing.T) {
	b := newBench(t)
	files, results := b.judge(t, b.lfw(t, 3), func(img *imgproc.Image, d *face.Detection, m *face.Mesh, r *Result) error {
		r.Mask = 1
		return b.cover.Face(img, d, m, r)
	})
	rate(t, "noses seen by both", files, results, func(r *Result) bool { return r.MaskState == MaskNoseOut }, 250, 278, 278)
	rate(t, "noses seen by neither", files, results, func(r *Result) bool { return r.MaskState == MaskFull }, 0, 2, 278)
}

func TestGlasses(t *testing.T) {
	b := newBench(t)
	dark := func(r *Result) bool { return r.Occlusion&Sunglasses != 0 }
	for _, g := range []struct {
		what            string
		rows            []row
		least, most, of int
	}{
		{"sunglasses found", b.rows(t, "head_lfw", has("eyes", "sunglasses")), 8, 10, 10},
		{"tinted glasses called sunglasses", b.rows(t, "head_lfw", has("eyes", "tinted_glasses")), 0, 2, 2},
		{"open eyes called sunglasses", b.rows(t, "head_lfw", has("eyes", "open")), 0, 0, 105},
		{"LFW called sunglasses", b.lfw(t, 3), 0, 0, 278},
	} {
		files, results := b.judge(t, g.rows, b.cover.Glasses)
		rate(t, g.what, files, results, dark, g.least, g.most, g.of)
	}
}

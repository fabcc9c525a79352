package eval

import (
	"errors"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// suiteDir writes files below a new directory; a file whose name ends in .png and that has
// no content becomes a grey picture.
func suiteDir(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, ".png") && content == "" {
			img := image.NewGray(image.Rect(0, 0, 96, 96))
			for i := range img.Pix {
				img.Pix[i] = color.Gray{Y: 128}.Y
			}
			err = png.Encode(f, img)
		} else {
			_, err = f.WriteString(content)
		}
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLabels(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		rows  int
		err   string // part of it
	}{
		{"a set the suite does not have", nil, 0, ""},
		{"a set", map[string]string{"lfw/labels.csv": "file,identity\na.png,A\nb/c.png,\"C, D\"\n", "lfw/a.png": "", "lfw/b/c.png": ""}, 2, ""},
		{"with a byte order mark", map[string]string{"lfw/labels.csv": "\ufefffile\na.png\n", "lfw/a.png": ""}, 1, ""},
		{"only a header", map[string]string{"lfw/labels.csv": "file\n"}, 0, ""},
		{"nothing in it", map[string]string{"lfw/labels.csv": ""}, 0, "no line that names the columns"},
		{"no file column", map[string]string{"lfw/labels.csv": "picture\na.png\n"}, 0, `no column "file"`},
		{"a short row", map[string]string{"lfw/labels.csv": "file,identity\na.png\n"}, 0, "wrong number of fields"},
		{"an empty name", map[string]string{"lfw/labels.csv": "file,identity\n,A\n"}, 0, "picture 1 is \"\""},
		{"a path that leaves the set", map[string]string{"lfw/labels.csv": "file\n../a.png\n"}, 0, "no path below the set"},
		{"twice the same", map[string]string{"lfw/labels.csv": "file\na.png\na.png\n", "lfw/a.png": ""}, 0, "there twice"},
		{"missing pictures", map[string]string{"lfw/labels.csv": "file\na.png\nb.png\nc.png\n", "lfw/b.png": ""}, 0, "2 of 3 pictures are missing: a.png, c.png"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := labels(suiteDir(t, tt.files), "lfw")
			switch {
			case tt.err == "" && err != nil:
				t.Fatal(err)
			case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
				t.Fatalf("got %v, want an error with %q", err, tt.err)
			case tt.err == "" && len(got.rows) != tt.rows:
				t.Errorf("got %d rows, want %d", len(got.rows), tt.rows)
			}
		})
	}
}

func TestPairsThatNobodyKnows(t *testing.T) {
	dir := suiteDir(t, map[string]string{
		"lfw/labels.csv": "file,identity\na.png,A\n", "lfw/a.png": "", "lfw/pairs.csv": "file1,file2,same\na.png,z.png,1\n",
	})
	s, work, err := read(Options{Suite: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.comparisons(work); !errors.Is(err, ErrLabels) {
		t.Errorf("got %v, want %v", err, ErrLabels)
	}
}

// A picture that gave no template counts as missed; one that a trial run left out does not.
func TestLostPairsAreMissed(t *testing.T) {
	files := map[string]string{
		"lfw/labels.csv": "file,identity\na1.png,A\nb1.png,B\na2.png,A\nb2.png,B\na3.png,A\n",
		"lfw/pairs.csv":  "file1,file2,same\na1.png,a2.png,1\na1.png,a3.png,1\na1.png,b1.png,0\nb1.png,b2.png,1\n",
	}
	for _, f := range []string{"a1", "a2", "a3", "b1", "b2"} {
		files["lfw/"+f+".png"] = ""
	}
	for _, tt := range []struct {
		every    int
		pairs    bool
		at5, at1 Rate // missed at cosine .5 and at -1
		impostor Rate // matching at -1
	}{
		{1, true, Rate{2, 3}, Rate{1, 3}, Rate{4, 4}},  // a1-a2 is alike, b1-b2 is not, a3 is lost
		{1, false, Rate{3, 4}, Rate{2, 4}, Rate{4, 4}}, // and a2-a3, which is not listed
		{2, true, Rate{1, 2}, Rate{1, 2}, Rate{0, 0}},  // only a1, a2, a3
	} {
		dir := suiteDir(t, files)
		if !tt.pairs {
			if err := os.Remove(filepath.Join(dir, "lfw", "pairs.csv")); err != nil {
				t.Fatal(err)
			}
		}
		s, work, err := read(Options{Suite: dir, Every: tt.every})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range work {
			r.embedding = map[string][]float32{"a1.png": {1, 0}, "a2.png": {1, 0}, "b1.png": {1, 0}, "b2.png": {0, 1}}[r.labels["file"]]
		}
		c, err := s.comparisons(work)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.missed(.5); got != tt.at5 {
			t.Errorf("every %d, pairs %v: missed at .5: got %v, want %v", tt.every, tt.pairs, got, tt.at5)
		}
		if got := c.missed(-1); got != tt.at1 {
			t.Errorf("every %d, pairs %v: missed at -1: got %v, want %v", tt.every, tt.pairs, got, tt.at1)
		}
		if got := c.all.matches(-1); got != tt.impostor {
			t.Errorf("every %d, pairs %v: impostors: got %v, want %v", tt.every, tt.pairs, got, tt.impostor)
		}
	}
}

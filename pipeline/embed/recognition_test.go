package embed_test

import (
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"facegate/internal/sharedtest"
	"facegate/pipeline/embed"
	"facegate/pipeline/face/facetest"
)

// peopleStride is how many people of LFW -short skips.
const peopleStride = 10

// person is the identity of a row. One man is in LFW under two names.
func person(r facetest.Row) string {
	if r["identity"] == "Yingfan_Wang" {
		return "Wang_Yingfan"
	}
	return r["identity"]
}

// TestRecognitionOnLFW measures the default embedder on all pairs of LFW: the FNMR of the
// listed genuine pairs at the cosines that every 1 000th, 10 000th and 100 000th of all
// 1.7 million pairs of two people reaches. With -short, a tenth of the people and the
// published cosines.
func TestRecognitionOnLFW(t *testing.T) {
	load := sharedtest.Loader(t)
	rows := facetest.Rows(t, "lfw", 1)
	if testing.Short() {
		rows = everyPerson(rows, peopleStride)
	}
	templates := make([][]float32, len(rows))
	facetest.Each(len(rows), func() func(int) {
		l := facetest.NewLooker(t, load)
		e, err := embed.New(load, "")
		if err != nil {
			t.Fatal(err)
		}
		return func(i int) {
			k := l.Look(t, rows[i])
			if k.Face == nil {
				t.Errorf("%s: no face", rows[i]["file"])
				templates[i] = make([]float32, e.Dim())
				return
			}
			templates[i] = vector(t, e, k)
		}
	})
	index := map[string]int{}
	for i, r := range rows {
		index[r["file"]] = i
	}
	var genuine []float64
	for _, p := range pairs(t) {
		i, ok := index[p[0]]
		j, ok2 := index[p[1]]
		if ok && ok2 && p[2] == "1" {
			genuine = append(genuine, dot(templates[i], templates[j]))
		}
	}
	impostors := impostors(rows, templates)
	if testing.Short() {
		const cosine = .392 // FMR 1e-4 by the manifest
		lost, taken := 0, 0
		for _, c := range genuine {
			if c < cosine {
				lost++
			}
		}
		for _, c := range impostors {
			if c >= cosine {
				taken++
			}
		}
		t.Logf("at %v: %d of %d genuine pairs lost, %d of %d impostor pairs taken", cosine, lost, len(genuine), taken, len(impostors))
		if len(genuine) < 50 || lost*20 > len(genuine) || taken*1000 > len(impostors) {
			t.Error("more than 5 % lost or more than 0.1 % taken")
		}
		return
	}
	if len(genuine) != 1467 || len(impostors) != 1707006 {
		t.Fatalf("got %d genuine and %d impostor pairs, want 1467 and 1707006", len(genuine), len(impostors))
	}
	slices.SortFunc(impostors, func(a, b float32) int {
		switch {
		case a > b:
			return -1
		case a < b:
			return 1
		}
		return 0
	})
	for _, tt := range []struct{ fmr, cosine, fnmr float64 }{{1e-3, .317, .007}, {1e-4, .392, .017}, {1e-5, .447, .037}} {
		cosine := float64(impostors[int(tt.fmr*float64(len(impostors)))]) + 1e-6
		lost := 0
		for _, c := range genuine {
			if c < cosine {
				lost++
			}
		}
		fnmr := float64(lost) / float64(len(genuine))
		t.Logf("FMR %g: cosine %.4f, FNMR %.2f %% (%d of %d)", tt.fmr, cosine, 100*fnmr, lost, len(genuine))
		if fnmr > tt.fnmr {
			t.Errorf("FNMR %.2f %%, want %.1f %% at most", 100*fnmr, 100*tt.fnmr)
		}
		if math.Abs(cosine-tt.cosine) > .005 {
			t.Errorf("cosine %.4f, the manifest's calibration says %.3f", cosine, tt.cosine)
		}
	}
}

// everyPerson keeps the rows of every nth person.
func everyPerson(rows []facetest.Row, n int) []facetest.Row {
	number := map[string]int{}
	return slices.DeleteFunc(rows, func(r facetest.Row) bool {
		p := person(r)
		if _, ok := number[p]; !ok {
			number[p] = len(number)
		}
		return number[p]%n != 0
	})
}

func pairs(t *testing.T) [][]string {
	t.Helper()
	f, err := os.Open(filepath.Join(sharedtest.Dir(t, "faces"), "lfw", "pairs.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return lines[1:]
}

// impostors are the cosines of all pairs of pictures of two people.
func impostors(rows []facetest.Row, v [][]float32) []float32 {
	var mu sync.Mutex
	var all []float32
	facetest.Each(len(rows), func() func(int) {
		return func(i int) {
			var mine []float32
			for j := range i {
				if person(rows[i]) == person(rows[j]) {
					continue
				}
				var s float32
				a, b := v[i], v[j][:len(v[i])]
				for n := range a {
					s += a[n] * b[n]
				}
				mine = append(mine, s)
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, mine...)
		}
	})
	return all
}

// TestRecognitionAtTheWebcam compares the live webcam frames of Replay-Attack: 23 people in
// two lights.
func TestRecognitionAtTheWebcam(t *testing.T) {
	load := sharedtest.Loader(t)
	rows := slices.DeleteFunc(facetest.Rows(t, "spoof_replay_attack", 1), func(r facetest.Row) bool { return r["label"] != "live" })
	templates := make([][]float32, len(rows))
	facetest.Each(len(rows), func() func(int) {
		l := facetest.NewLooker(t, load)
		e, err := embed.New(load, "")
		if err != nil {
			t.Fatal(err)
		}
		return func(i int) { templates[i] = vector(t, e, l.Look(t, rows[i])) }
	})
	worst, best, taken := 1., -1., 0
	for i := range rows {
		for j := range i {
			c := dot(templates[i], templates[j])
			if rows[i]["client"] == rows[j]["client"] {
				worst = min(worst, c)
			} else {
				best = max(best, c)
				if c >= .392 {
					taken++
				}
			}
		}
	}
	t.Logf("worst genuine pair %.3f, best impostor pair %.3f, %d impostor pairs over the FMR 1e-4 cosine", worst, best, taken)
	if worst < .515 || best > .447 || taken > 1 {
		t.Error("a genuine pair under the FMR 1e-6 cosine, an impostor pair over the 1e-5 one, or more than one over the 1e-4 one")
	}
}

package face_test

import (
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"facegate/internal/sharedtest"
	"facegate/pipeline/cover"
	"facegate/pipeline/face"
	"facegate/pipeline/face/facetest"
	"facegate/pipeline/imgproc"
)

// TestFacesOfEverySetAreFound holds what the published figures of the networks promise for a
// camera's frames, set by set, and that a search of a still finds more. LFW has a test of its
// own.
func TestFacesOfEverySetAreFound(t *testing.T) {
	load := sharedtest.Loader(t)
	for _, tt := range []struct {
		set          string
		lost, hidden int // pictures with a face that Detect and Search may lose
	}{
		{"spoof_replay_attack", 0, 0},
		{"spoof_phone_selfies", 0, 0},
		{"spoof_mixed", 7, 0},
		{"mask_states", 0, 0},
		{"mask_wild", 2, 0},
		{"head_helmet", 0, 0},
		{"head_lfw", 0, 0},
		{"eyes_closed", 0, 0},
		{"id_docs", 4, 4},
	} {
		t.Run(tt.set, func(t *testing.T) {
			rows := facetest.Rows(t, tt.set, 1)
			var lost, hidden, covered atomic.Int64
			facetest.Each(len(rows), func() func(int) {
				l := facetest.NewLooker(t, load)
				return func(i int) {
					k := l.Look(t, rows[i])
					if k.Face == nil {
						lost.Add(1)
						if !central(l.SearchIn(t, k.Image)) {
							hidden.Add(1)
						}
					} else if k.Mesh.Presence < .5 {
						covered.Add(1)
					}
				}
			})
			t.Logf("lost %d of %d, %d when searched; %d with a low mesh presence", lost.Load(), len(rows), hidden.Load(), covered.Load())
			if int(lost.Load()) > tt.lost || int(hidden.Load()) > tt.hidden {
				t.Errorf("want %d and %d lost at most", tt.lost, tt.hidden)
			}
		})
	}
}

// central reports whether a face was found whose middle is in the middle half of the picture.
func central(k *facetest.Look) bool {
	if k.Face == nil {
		return false
	}
	c := k.Mesh.Outline().Centre()
	return math.Abs(c.X/float64(k.Image.W)-.5) < .25 && math.Abs(c.Y/float64(k.Image.H)-.5) < .25
}

// TestClosedEyesAreSeen holds the share of closed eyes that is found; the tests of good
// pictures hold how many are called closed that are open.
func TestClosedEyesAreSeen(t *testing.T) {
	results := judged(t, "eyes_closed", 1, nil)
	shut := 0
	for _, r := range results {
		if r.eyes < .5 {
			shut++
		}
	}
	if shut < 91 {
		t.Errorf("found %d of %d, want 91", shut, len(results))
	}
}

// TestBoxesAndPointsAreWhereTheReferenceHasThem compares with numbers of the Python pipeline in
// which the networks' thresholds were measured.
func TestBoxesAndPointsAreWhereTheReferenceHasThem(t *testing.T) {
	l := facetest.NewLooker(t, sharedtest.Loader(t))
	for _, tt := range []struct {
		set  string
		row  int
		box  imgproc.Box
		five [5]imgproc.Point
	}{
		{"lfw", 0, imgproc.Box{X0: 68.3, Y0: 82.2, X1: 177.7, Y1: 191.5}, [5]imgproc.Point{{X: 102.1, Y: 112.6}, {X: 143.5, Y: 112.7}, {X: 124.7, Y: 143.6}, {X: 103.8, Y: 156.1}, {X: 147.0, Y: 155.1}}},
		{"lfw", 700, imgproc.Box{X0: 89.8, Y0: 82.9, X1: 187.4, Y1: 180.5}, [5]imgproc.Point{{X: 108.5, Y: 113.4}, {X: 144.0, Y: 110.8}, {X: 122.0, Y: 141.0}, {X: 113.0, Y: 155.8}, {X: 145.9, Y: 154.1}}},
		{"spoof_replay_attack", 10, imgproc.Box{X0: 105.7, Y0: 81.3, X1: 203.1, Y1: 178.7}, [5]imgproc.Point{{X: 135.0, Y: 105.0}, {X: 176.4, Y: 103.9}, {X: 157.2, Y: 130.1}, {X: 139.6, Y: 147.5}, {X: 175.5, Y: 146.4}}},
		{"spoof_phone_selfies", 1, imgproc.Box{X0: 85.7, Y0: 142.9, X1: 234.6, Y1: 291.8}, [5]imgproc.Point{{X: 99.5, Y: 181.7}, {X: 149.0, Y: 176.9}, {X: 94.8, Y: 211.6}, {X: 96.0, Y: 244.3}, {X: 133.4, Y: 245.1}}},
		{"head_helmet", 4, imgproc.Box{X0: 271.1, Y0: 78.2, X1: 368.3, Y1: 175.2}, [5]imgproc.Point{{X: 300.1, Y: 113.6}, {X: 339.3, Y: 110.3}, {X: 317.6, Y: 133.2}, {X: 307.4, Y: 154.7}, {X: 337.1, Y: 152.5}}},
		{"mask_wild", 6, imgproc.Box{X0: 49.2, Y0: 144.9, X1: 258.2, Y1: 354.5}, [5]imgproc.Point{{X: 109.2, Y: 203.2}, {X: 200.0, Y: 203.0}, {X: 159.2, Y: 249.0}, {X: 115.6, Y: 284.3}, {X: 199.9, Y: 283.6}}},
		{"eyes_closed", 0, imgproc.Box{X0: 7.3, Y0: 14.6, X1: 201.5, Y1: 208.8}, [5]imgproc.Point{{X: 52.3, Y: 77.7}, {X: 138.5, Y: 74.7}, {X: 87.4, Y: 115.5}, {X: 64.6, Y: 152.6}, {X: 122.5, Y: 152.3}}},
	} {
		k := l.Look(t, facetest.Rows(t, tt.set, 1)[tt.row])
		if k.Face == nil {
			t.Errorf("%s, row %d: no face", tt.set, tt.row)
			continue
		}
		five := k.Mesh.Five()
		eyes := math.Hypot(tt.five[1].X-tt.five[0].X, tt.five[1].Y-tt.five[0].Y)
		b := k.Face.Box
		if d := max(math.Abs(b.X0-tt.box.X0), math.Abs(b.Y0-tt.box.Y0), math.Abs(b.X1-tt.box.X1), math.Abs(b.Y1-tt.box.Y1)); d > .02*tt.box.W() {
			t.Errorf("%s, row %d: box %.1f, want %.1f", tt.set, tt.row, b, tt.box)
		}
		for i, p := range five {
			if d := math.Hypot(p.X-tt.five[i].X, p.Y-tt.five[i].Y); d > .02*eyes {
				t.Errorf("%s, row %d: point %d %.1f, want %.1f", tt.set, tt.row, i, p, tt.five[i])
			}
		}
	}
}

// A judge judges still pictures. It asks for a mask only where the mesh sees no bare face.
type judge struct {
	looker *facetest.Looker
	cover  *cover.Cover
	eyes   *face.Eyes
	meter  face.Meter
	limits face.Limits
}

func newJudge(t *testing.T) func() *judge {
	load := sharedtest.Loader(t)
	return func() *judge {
		j := &judge{looker: facetest.NewLooker(t, load), limits: face.DefaultLimits()}
		var err error
		if j.eyes, err = face.NewEyes(load); err != nil {
			t.Fatal(err)
		}
		if j.cover, err = cover.New(load); err != nil {
			t.Fatal(err)
		}
		return j
	}
}

// judge gives the code of what was found in a picture, and how open the eyes are.
func (j *judge) judge(t *testing.T, k *facetest.Look) (face.Quality, float64) {
	t.Helper()
	f := face.Finding{W: k.Image.W, H: k.Image.H, Face: k.Face, EyesOpen: math.NaN()}
	if k.Face != nil {
		surface := j.meter.Measure(k.Image, &k.Mesh)
		f.Mesh, f.Surface = &k.Mesh, &surface
		f.Faces = k.All
		var err error
		if k.Mesh.Presence < j.limits.Presence {
			var r cover.Result
			if err := j.cover.Mask(k.Image, k.Face, &r); err != nil {
				t.Error(err)
			}
			f.Coverage = face.CoverNone
			if r.Mask >= .5 {
				f.Coverage = face.CoverMask
			}
		}
		if f.EyesOpen, err = j.eyes.Open(k.Image, &k.Mesh); err != nil {
			t.Error(err)
		}
	}
	return j.limits.Judge(&f), f.EyesOpen
}

// A result is what a judge says of a picture.
type result struct {
	facetest.Row
	code     face.Quality
	presence float64
	eyes     float64
}

// judged are the results of the rows of a set that keep wants, in their order.
func judged(t *testing.T, set string, stride int, keep func(facetest.Row) bool) []result {
	t.Helper()
	var results []result
	for _, r := range facetest.Rows(t, set, stride) {
		if keep == nil || keep(r) {
			results = append(results, result{Row: r})
		}
	}
	start := newJudge(t)
	facetest.Each(len(results), func() func(int) {
		j := start()
		return func(i int) {
			r := &results[i]
			k := j.looker.Search(t, r.Row)
			r.code, r.eyes = j.judge(t, k)
			r.presence = k.Mesh.Presence
		}
	})
	return results
}

// TestCaptureFailuresGetTheirCode compares the code with what people wrote on the pictures. Of
// the 38, 31 are right. The others are second faces that are small or not seen, and a crowd of
// small faces that is called several faces.
func TestCaptureFailuresGetTheirCode(t *testing.T) {
	right, table := 0, map[string]map[face.Quality]int{}
	for _, r := range judged(t, "capture_failures", 1, nil) {
		want := r.Row["expected"]
		if table[want] == nil {
			table[want] = map[face.Quality]int{}
		}
		table[want][r.code]++
		if string(r.code) == want {
			right++
		} else if want == "ok" || want == "no_face" {
			t.Errorf("%s: got %s, want %s", r.Row["file"], r.code, want)
		}
	}
	for _, want := range slices.Sorted(maps.Keys(table)) {
		t.Logf("%-20s %v", want, table[want])
	}
	if right < 31 {
		t.Errorf("%d codes are right, want 31", right)
	}
}

// TestGoodPicturesAreNotRefused holds what the limits cost on pictures that are fit for
// recognition: nothing to the frame, light or blur, next to nothing to angle and cover, and not
// more to closed eyes than the network's published figure (every third picture of LFW). Some
// eyes are closed, and bystanders in the press pictures are real.
func TestGoodPicturesAreNotRefused(t *testing.T) {
	for _, tt := range []struct {
		set              string
		keep             func(facetest.Row) bool
		stride           int // pictures over which eyes are counted
		covered, refused int
		shut             int
	}{
		{"lfw", nil, 3, 1, 8, 52},
		{"spoof_replay_attack", func(r facetest.Row) bool { return r["label"] == "live" }, 1, 0, 0, 1},
	} {
		t.Run(tt.set, func(t *testing.T) {
			skip := 1
			if tt.set == "lfw" {
				skip = 3 * 12
			}
			results := judged(t, tt.set, skip, tt.keep)
			covered, refused, shut, table := 0, 0, 0, map[face.Quality]int{}
			for i, r := range results {
				table[r.code]++
				switch r.code {
				case face.OK, face.EyesClosed, face.SeveralFaces:
				case face.Angle, face.Occluded:
					refused++
				default:
					t.Errorf("%s: got %s", r.Row["file"], r.code)
				}
				if r.presence < .5 {
					covered++
				}
				if !(r.eyes >= 0 && r.eyes <= 1) {
					t.Errorf("%s: eyes open %v, want 0 to 1", r.Row["file"], r.eyes)
				}
				if r.eyes < .5 && i%tt.stride == 0 {
					shut++
				}
			}
			t.Logf("%v of %d; %d with a low mesh presence; eyes closed in %d of %d", table, len(results), covered, shut, len(results)/tt.stride)
			if covered > tt.covered || refused > tt.refused || shut > tt.shut {
				t.Errorf("got %d covered, %d refused for angle or cover, %d with closed eyes; want %d, %d, %d at most", covered, refused, shut, tt.covered, tt.refused, tt.shut)
			}
		})
	}
}

// TestTurnedHeadsAreRefusedByMeshYaw holds the sign of yaw and pitch on filmed heads.
func TestTurnedHeadsAreRefusedByMeshYaw(t *testing.T) {
	want := map[string]face.Pose{ // signs only; by eye
		"live/621f73fc7c3ae23005b89f74_video_0134.jpg": {Yaw: 40},
		"live/621f74a85af9d379642ce38f_video_0033.jpg": {Yaw: -30},
		"live/621f73fc7c3ae23005b89f74_video_0224.jpg": {Pitch: -50},
		"live/621f73fc7c3ae23005b89f74_video_0314.jpg": {Pitch: 30},
	}
	l := facetest.NewLooker(t, sharedtest.Loader(t))
	seen := 0
	for _, r := range facetest.Rows(t, "spoof_phone_selfies", 1) {
		w, ok := want[r["file"]]
		if !ok {
			continue
		}
		seen++
		got := l.Look(t, r).Mesh.Pose()
		if math.Abs(got.Yaw-w.Yaw) > 15 || math.Abs(got.Pitch-w.Pitch) > 25 {
			t.Errorf("%s: got %+v, want about %+v", r["file"], got, w)
		}
	}
	if seen != len(want) {
		t.Errorf("saw %d pictures, want %d", seen, len(want))
	}
}

// TestNothingIsAllocatedPerFrame holds the steady state of all stages of this package.
func TestNothingIsAllocatedPerFrame(t *testing.T) {
	load := sharedtest.Loader(t)
	l := facetest.NewLooker(t, load)
	eyes, err := face.NewEyes(load)
	if err != nil {
		t.Fatal(err)
	}
	var meter face.Meter
	limits := face.DefaultLimits()
	k := l.Look(t, facetest.Rows(t, "lfw", 1)[0])
	frame := func() {
		k := l.LookAt(t, k.Image)
		f := face.Finding{W: k.Image.W, H: k.Image.H, Face: k.Face, Mesh: &k.Mesh, Faces: k.Found}
		s := meter.Measure(k.Image, &k.Mesh)
		f.Surface = &s
		if f.EyesOpen, err = eyes.Open(k.Image, &k.Mesh); err != nil {
			t.Error(err)
		}
		limits.Judge(&f)
	}
	frame()
	if n := testing.AllocsPerRun(20, frame); n != 0 {
		t.Errorf("got %v allocations a frame, want none", n)
	}
}

// TestMeshersDoNotShareState runs two workers on one picture; the race detector watches.
func TestMeshersDoNotShareState(t *testing.T) {
	load := sharedtest.Loader(t)
	r := facetest.Rows(t, "lfw", 1)[0]
	var mu sync.Mutex
	var got []face.Mesh
	facetest.Each(4, func() func(int) {
		l := facetest.NewLooker(t, load)
		return func(int) {
			m := l.Look(t, r).Mesh
			mu.Lock()
			defer mu.Unlock()
			got = append(got, m)
		}
	})
	for i := range got {
		if got[i] != got[0] {
			t.Errorf("mesh %d differs", i)
		}
	}
}

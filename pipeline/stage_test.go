package pipeline

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"facegate/access"
	"facegate/device"
	"facegate/internal/sharedtest"
	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/litert"
	"facegate/pipeline/liveness"
	"facegate/pipeline/liveness/card"
	"facegate/pipeline/match"
)

const (
	stageW, stageH = 480, 360
	stageShare     = .45 // of the frame's height that a face takes
)

// An actor is somebody who comes to the door: as a living head, rendered as a relief, or as a
// picture of themselves held flat before the camera. Both are made of one live webcam frame
// and pass the passive score, so that what else there is must tell them apart.
type actor struct {
	card     *card.Card
	template []float32
	frames   map[card.View][]byte
}

// The cast. Ada and Bob are enrolled, Sam is a stranger. The print is one of Ada that was
// filmed before a webcam, and does not pass the passive score.
const (
	ada   = "client005"
	bob   = "client011"
	sam   = "client119"
	print = "print of " + ada
)

// A shot is one frame: who stands before the camera, and how.
type shot struct {
	who  string // nobody where empty
	view card.View
	roll float64 // degrees the head is tilted

	beside     string // who stands on the right of them, if anybody
	besideView card.View
}

// A verdict is a sighting, what the rules make of it, and the frame that it came with.
type verdict struct {
	access.Sighting
	access.Decision
	frame int
}

// A stage is a pipeline before which actors play, in a time of its own.
type stage struct {
	an     *Analyser
	id     *Identifier
	p      *Pipeline
	actors map[string]*actor

	at       time.Time
	step     time.Duration
	fed      int
	verdicts []verdict
	errs     []error
}

func newStage(t *testing.T) *stage {
	t.Helper()
	dir := filepath.Join(sharedtest.Dir(t, "faces"), "spoof_replay_attack")
	s := &stage{actors: map[string]*actor{}, an: open(t, sharedtest.Loader(t))}
	for _, id := range []string{ada, bob, sam} {
		s.actors[id] = s.cast(t, filepath.Join(dir, "live", id+"_session01_webcam_authenticate_controlled_1.jpg"))
	}
	s.actors[print] = s.cast(t, filepath.Join(dir, "spoof", "fixed_attack_print_"+ada+"_session01_highdef_photo_controlled.jpg"))
	s.id = identifier(t, s.an)
	return s
}

func open(t *testing.T, load litert.Loader) *Analyser {
	t.Helper()
	an, err := Open(load, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := an.Close(); err != nil {
			t.Error(err)
		}
	})
	return an
}

// cast makes an actor of a live picture.
func (s *stage) cast(t *testing.T, file string) *actor {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	img, err := imgproc.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return s.castOf(t, file, img)
}

// castOf makes an actor of a picture in memory.
func (s *stage) castOf(t *testing.T, file string, img *imgproc.Image) *actor {
	t.Helper()
	a, err := s.an.Picture(img, Embedding)
	if err != nil || a.Quality == face.NoFace || a.Embedding == nil {
		t.Fatalf("%s: no face, %v", file, err)
	}
	c, err := card.New(img, a.Mesh.Outline(), stageW, stageH, stageShare)
	if err != nil {
		t.Fatal(err)
	}
	c.Relief(&a.Mesh)
	return &actor{c, slices.Clone(a.Embedding), map[card.View][]byte{}}
}

// curtain makes the stage ready for another play: a new pipeline, Ada and Bob enrolled.
func (s *stage) curtain(t *testing.T, level liveness.Level) {
	t.Helper()
	for _, id := range []string{ada, bob} {
		s.enrol(t, id, id)
	}
	var err error
	if s.p, err = New(s.an, s.id, Options{Level: level}); err != nil {
		t.Fatal(err)
	}
	s.at, s.step, s.fed, s.verdicts, s.errs = time.Unix(1e9, 0), time.Second/15, 0, nil, nil
}

// enrol makes the face of who the only template of a person.
func (s *stage) enrol(t *testing.T, person, who string) {
	t.Helper()
	if err := s.id.Gallery.Set(person, match.Template{Model: s.an.Model(), Vector: s.actors[who].template}); err != nil {
		t.Fatal(err)
	}
}

// people is the directory: everybody is a valid person, so that only the sighting can refuse.
func people(id string) (access.Person, bool) { return access.Person{ID: id, Name: id}, true }

// pixels renders a shot. The result is not to be written.
func (s *stage) pixels(t *testing.T, sh shot) []byte {
	t.Helper()
	var img imgproc.Image
	if sh.who == "" {
		img.Reset(stageW, stageH)
		for i := range img.Pix {
			img.Pix[i] = 110
		}
		return img.Pix
	}
	pix := s.render(t, sh.who, sh.view)
	if sh.beside != "" {
		right := s.render(t, sh.beside, sh.besideView)
		pix = slices.Clone(pix)
		for y := range stageH {
			from, to := 3*(y*stageW+stageW/2), 3*(y+1)*stageW
			copy(pix[from:to], right[from:to])
		}
	}
	if sh.roll == 0 {
		return pix
	}
	sin, cos := math.Sincos(sh.roll * math.Pi / 180)
	const mx, my = stageW / 2, stageH / 2
	src := imgproc.Image{W: stageW, H: stageH, Stride: 3 * stageW, Pix: pix}
	img.Reset(stageW, stageH)
	imgproc.Warp(&img, &src, imgproc.Affine{A: cos, B: -sin, C: mx - cos*mx + sin*my, D: sin, E: cos, F: my - sin*mx - cos*my})
	return img.Pix
}

// render is one actor alone, kept for the next time.
func (s *stage) render(t *testing.T, who string, v card.View) []byte {
	t.Helper()
	a := s.actors[who]
	if pix, ok := a.frames[v]; ok {
		return pix
	}
	var img imgproc.Image
	if err := a.card.Render(&img, v); err != nil {
		t.Fatal(err)
	}
	a.frames[v] = img.Pix
	return img.Pix
}

// play shows frames one after the other and notes what the pipeline says.
func (s *stage) play(t *testing.T, shots ...shot) {
	t.Helper()
	for _, sh := range shots {
		s.feed(&device.Frame{Width: stageW, Height: stageH, Stride: 3 * stageW, Format: device.RGB24, Data: s.pixels(t, sh)})
	}
}

// feed is one frame of any kind, at the stage's time.
func (s *stage) feed(f *device.Frame) {
	f.Seq, f.At = uint64(s.fed), s.at
	s.at = s.at.Add(s.step)
	si, settled, err := s.p.Frame(f)
	if err != nil {
		s.errs = append(s.errs, err)
	}
	s.note(si, settled)
	s.fed++
}

func (s *stage) note(si access.Sighting, settled bool) {
	if !settled {
		return
	}
	d := new(access.Policy).Decide(access.Visit{Door: access.MainDoor, At: si.At, Clock: access.ClockSynced, Seen: &si}, people, nil)
	s.verdicts = append(s.verdicts, verdict{si, d, s.fed})
}

// end leaves the stage: the last track is closed, and its record is there.
func (s *stage) end() { s.note(s.p.End()) }

// granted are the people let in.
func (s *stage) granted() []string {
	var out []string
	for _, v := range s.verdicts {
		if v.Outcome == access.Grant {
			out = append(out, v.Person)
		}
	}
	return out
}

// expect checks who was let in, in order, and that each was agreed on by enough frames.
func (s *stage) expect(t *testing.T, who ...string) {
	t.Helper()
	if got := s.granted(); !slices.Equal(got, who) {
		t.Errorf("let in %v, want %v; %s", got, who, s.story())
	}
}

// story tells the records so far.
func (s *stage) story() (out string) {
	for _, v := range s.verdicts {
		out += v.Outcome.String() + " " + v.Person + " " + string(v.Reason) + "; "
	}
	if len(s.errs) > 0 {
		out += fmt.Sprintf("%d errors, the first: %v", len(s.errs), s.errs[0])
	}
	return out
}

// repeat is n frames of one look, each with noise of its own.
func repeat(n int, sh shot) []shot {
	out := make([]shot, n)
	for i := range out {
		out[i] = sh
		out[i].view.Noise, out[i].view.Seed, out[i].view.Background = 1, uint64(i%4), 1
	}
	return out
}

// alive is n frames of a living head that looks straight.
func alive(who string, n int) []shot { return repeat(n, shot{who: who, view: card.View{Relief: true}}) }

// flat is n frames of somebody's picture held straight.
func flat(who string, n int) []shot { return repeat(n, shot{who: who}) }

// nobody is n frames of an empty scene.
func nobody(n int) []shot { return make([]shot, n) }

// turning is a living head that turns from straight to 34 degrees at the pace of a person,
// and back.
func turning(who string) []shot {
	out := repeat(30, shot{who: who, view: card.View{Relief: true}})
	for i := range out {
		out[i].view.Yaw = min(1.7*float64(i), 3.4*float64(30-i))
	}
	return out
}

// tilted is a shot list with the head tilted to one side.
func tilted(shots []shot, roll float64) []shot {
	out := slices.Clone(shots)
	for i := range out {
		out[i].roll = roll
	}
	return out
}

// visit is a living person at level depth: straight, a turn, straight again.
func visit(who string) []shot { return slices.Concat(alive(who, 8), turning(who), alive(who, 8)) }

// weave takes frames from each list in turn.
func weave(lists ...[]shot) []shot {
	var out []shot
	for i := range lists[0] {
		for _, l := range lists {
			out = append(out, l[i%len(l)])
		}
	}
	return out
}

// dim is a shot list in the dark.
func dim(shots []shot) []shot {
	out := slices.Clone(shots)
	for i := range out {
		out[i].view.Light.Gain = .2
	}
	return out
}

package lapis

import (
	"errors"
	"math"
	"time"

	"facegate/access"
	"facegate/api"
	"facegate/api/video"
	"facegate/pipeline/face"
)

// What a video has to show.
const (
	maxVideo   = 15 * time.Second
	maxLooks   = 24 // frames that are looked at, evenly spread
	leastLive  = 10 // frames that are alive
	leastTurn  = 5. // degrees that the head moves, left and right or up and down
	leastTrust = .8 // share of the frames whose liveness could be judged that are alive
	samePerson = .5 // least likeness of every face to the first
)

// errLifeless is said of every video that does not show the person alive.
func errLifeless() error { return refuse(":liveliness verification FAILED!") }

// liveliness answers step 3.
func (c *call) liveliness() (answer, error) {
	var in struct {
		URL    api.Long `json:"faceVideo"`
		Base64 api.Long `json:"faceVideoBase64"`
		ID     api.Long `json:"documentIdentificationId"`
	}
	if err := c.body.Decode(&in); err != nil {
		return answer{}, err
	}
	words := mediaWords{
		url: "invalid face video provided", base64: "invalid base64 video provided", both: "only one face video is accepted!", limit: maxMedia,
	}
	data, err := c.media(in.URL, in.Base64, words)
	if err != nil {
		return answer{}, err
	}
	v, err := video.Parse(data)
	if err != nil || v.Duration >= maxVideo {
		if in.Base64 == "" && !isDataURL(c.body.Text(in.URL)) {
			return answer{}, refuse(words.url)
		}
		return answer{}, refuse(words.base64)
	}
	id := c.id(in.ID)
	s, err := c.load(id)
	if err != nil {
		return answer{}, err
	}
	if err := c.Keys.TryOther("document "+id, time.Now()); err != nil {
		return answer{}, err
	}
	alive, err := c.watch(v, s)
	if err != nil {
		return answer{}, err
	}
	if err := c.change(id, func(s *session) { s.Liveliness = &alive }); err != nil {
		return answer{}, err
	}
	c.scores = access.Scores{Liveness: &alive}
	return ok(map[string]score{"score": score(alive)})
}

// watch looks at frames of a video until it is clear that they show the person of a session
// alive, or do not. It returns the mean liveness of those that are.
func (c *call) watch(v *video.Video, s *session) (float64, error) {
	if s.Portrait == nil || len(v.Frames) < leastLive {
		return 0, errLifeless()
	}
	t := &trial{call: c, whose: s.Portrait.api(), step: float64(len(v.Frames)) / float64(min(len(v.Frames), maxLooks))}
	if s.Face != nil {
		t.whose = s.Face.Template.api()
	}
	for i := range min(len(v.Frames), maxLooks) {
		f := v.Frames[int(float64(i)*t.step)]
		l, err := c.Judge.Look(c.ctx(), f.JPEG, api.WantTemplate|api.WantLiveness|api.WantQuality)
		if err != nil {
			return 0, err
		}
		if l.Failed&(api.StageDetect|api.StageLiveness|api.StageEmbed) != 0 {
			return 0, errors.New("a stage that liveliness needs failed")
		}
		if err := t.add(l); err != nil {
			return 0, err
		}
	}
	return t.verdict()
}

// A trial is what the frames so far have shown.
type trial struct {
	*call
	whose api.Template
	step  float64

	first        *api.Look // with a face
	last         [4]float64
	judged, live int
	sum          float64 // of the liveness of those alive
	yaw, pitch   span
	own          float64 // greatest likeness to whose
}

// A span is the least and greatest of numbers; its zero value has none.
type span struct {
	low, high float64
	any       bool
}

func (s *span) add(x float64) {
	if !s.any {
		*s = span{x, x, true}
	}
	s.low, s.high = min(s.low, x), max(s.high, x)
}

// add takes in a frame. A frame that shows nobody, or them badly, is passed over.
func (t *trial) add(l *api.Look) error {
	switch {
	case l.Fault != api.NoFault, l.Quality == face.NoFace, l.Template.Vector == nil:
		return nil
	case l.Quality == face.SeveralFaces:
		return errLifeless()
	}
	if t.first == nil {
		t.first, t.last = l, l.Box
	}
	// Between two looks a head moves by less than its own size. What jumps was cut.
	if !near(t.last, l.Box) {
		return errLifeless()
	}
	t.last = l.Box
	same, err := t.Judge.Compare(t.first.Template, l.Template)
	if err != nil {
		return err
	}
	if !(same >= samePerson) {
		return errLifeless()
	}
	if l.Live == access.LivenessUnavailable {
		return nil
	}
	t.judged++
	if l.Live != access.Live {
		return nil
	}
	own, err := t.Judge.Compare(t.whose, l.Template)
	if err != nil {
		return err
	}
	t.live++
	t.sum += l.LiveScore
	t.own = max(t.own, own)
	t.yaw.add(l.Yaw)
	t.pitch.add(l.Pitch)
	return nil
}

// near reports whether the middles of two boxes are less than the larger one's width apart.
func near(a, b [4]float64) bool {
	dx, dy := (a[0]+a[2]-b[0]-b[2])/2, (a[1]+a[3]-b[1]-b[3])/2
	return math.Hypot(dx, dy) < max(a[2]-a[0], b[2]-b[0])
}

func (t *trial) verdict() (float64, error) {
	moved := max(t.yaw.high-t.yaw.low, t.pitch.high-t.pitch.low)
	switch {
	case t.live < leastLive,
		float64(t.live) < leastTrust*float64(t.judged),
		!(moved >= leastTurn),
		!(t.own >= t.settings.Similarity):
		return 0, errLifeless()
	}
	return t.sum / float64(t.live), nil
}

package pipeline

import (
	"math"
	"time"

	"facegate/access"
	"facegate/pipeline/face"
	"facegate/pipeline/match"
)

const (
	votes  = 5 // frames that vote
	quorum = 3 // of them must agree

	// A face that frames do not show for this long has left; a shorter gap is a missed
	// detection.
	goneAfter = 700 * time.Millisecond
	// A gap without any frames, of a stalled camera or a busy machine, says nothing about the
	// person; over this length it ends the visit all the same.
	blindAfter = 5 * time.Second
	// A face seen in fewer frames than this leaves no record: it was never there to be judged.
	leastFrames = 3
	// Somebody who was refused and stays before the lens is judged anew after this time.
	retryAfter = 10 * time.Second
)

// A vote is one good frame's opinion.
type vote struct {
	embedding []float32 // owned by the vote
	person    string    // the most alike, if over the threshold
}

// A track is one person before the lens from the first frame to the last. It collects what
// the frames say until that suffices for one decision.
type track struct {
	first, last time.Time // frames with the face
	missing     time.Time // the first frame without it since; zero while it is there
	frames      int
	failed      int // frames in a row that a model failed on
	good        int // frames of quality ok
	codes       map[face.Quality]int
	settled     bool
	settledAt   time.Time
	known       bool // it was settled as somebody enrolled: there is no second decision

	votes [votes]vote
	n     int // votes cast
	mean  []float32
	since int // frames since the last vote, for the continuity of a settled track
}

func (t *track) reset(at time.Time) {
	for i := range t.votes {
		t.votes[i].person = ""
	}
	codes := t.codes
	clear(codes)
	if codes == nil {
		codes = make(map[face.Quality]int)
	}
	*t = track{first: at, last: at, votes: t.votes, mean: t.mean, codes: codes}
}

// cast takes in the embedding of a good frame and who it is most like.
func (t *track) cast(embedding []float32, person string) {
	v := &t.votes[t.n%votes]
	v.embedding = append(v.embedding[:0], embedding...)
	v.person = person
	t.n++
	t.since = 0
}

// agree is the template of the track, the mean of the frames that vote, and how many of
// them name its most frequent person. The slice is valid until the next call.
func (t *track) agree() (mean []float32, person string, n int) {
	cast := t.votes[:min(t.n, votes)]
	if len(cast) == 0 {
		return nil, "", 0
	}
	t.mean = append(t.mean[:0], cast[0].embedding...)
	for _, v := range cast[1:] {
		for i, x := range v.embedding {
			t.mean[i] += x
		}
	}
	var sum float64
	for _, x := range t.mean {
		sum += float64(x) * float64(x)
	}
	k := float32(1 / math.Sqrt(sum))
	for i := range t.mean {
		t.mean[i] *= k
	}
	for i, v := range cast {
		same := 0
		for _, w := range cast[i:] {
			if w.person == v.person {
				same++
			}
		}
		if v.person != "" && same > n {
			person, n = v.person, same
		}
	}
	return t.mean, person, n
}

// sameFace reports whether an embedding may belong to the face of the track: it is as like
// the last vote as the same person's frames of one moment are and strangers hardly ever.
func (t *track) sameFace(embedding []float32, least float64) bool {
	if t.n == 0 {
		return true
	}
	return dot(embedding, t.votes[(t.n-1)%votes].embedding) >= least
}

// refusal is the quality code that was given most, for the record of a face that was never
// good enough to be judged.
func (t *track) refusal() face.Quality {
	code, n := face.NoFace, 0
	for c, k := range t.codes {
		if c != face.OK && (k > n || k == n && c < code) {
			code, n = c, k
		}
	}
	return code
}

func dot(a, b []float32) float64 {
	var s float64
	for i, x := range a {
		s += float64(x) * float64(b[i])
	}
	return s
}

// An Identifier searches a gallery and knows what its cosines mean. Several pipelines may
// share the gallery; the Identifier itself belongs to one goroutine.
type Identifier struct {
	Gallery     *match.Gallery
	Calibration *match.Calibration
	FPIR        float64 // how often a stranger may be taken for somebody
	PolicyScore float64 // least calibrated score, whatever the gallery's size
	Margin      float64 // least cosine between the first and the second person

	result match.Result
}

// candidates is how many people a sighting tells of.
const candidates = 3

// probe is an embedding of this pipeline's embedder. The embedder and the gallery were
// checked to be of one model when the pipeline was made.
func (id *Identifier) probe(v []float32) match.Template {
	return match.Template{Model: id.Gallery.Model(), Vector: v}
}

// search fills in matches and threshold of a sighting.
func (id *Identifier) search(template []float32, s *access.Sighting) (match.Outcome, error) {
	if err := id.Gallery.Search(id.probe(template), candidates, &id.result); err != nil {
		return match.Unknown, err
	}
	t := id.Calibration.Threshold(id.result.Templates, id.FPIR, id.PolicyScore)
	s.Threshold = access.Threshold{Score: t.Score, Margin: id.Margin}
	s.Matches = nil
	for _, c := range id.result.Candidates {
		s.Matches = append(s.Matches, access.Match{Person: c.Person, Score: id.Calibration.Score(c.Cosine), Cosine: c.Cosine})
	}
	outcome := match.Decide(&id.result, t, id.Margin)
	if outcome == match.Unknown && len(s.Matches) > 0 && s.Matches[0].Score >= t.Score {
		// Scores end at 100 where thresholds go on: rules that see only scores must not say more
		// than the search does.
		s.Matches = nil
	}
	return outcome, nil
}

// nearest is the person a single frame is most like, or "" where nobody reaches the threshold.
func (id *Identifier) nearest(template []float32) (string, error) {
	if err := id.Gallery.Search(id.probe(template), 1, &id.result); err != nil {
		return "", err
	}
	t := id.Calibration.Threshold(id.result.Templates, id.FPIR, id.PolicyScore)
	if len(id.result.Candidates) == 0 || !(id.result.Candidates[0].Cosine >= t.Cosine) {
		return "", nil
	}
	return id.result.Candidates[0].Person, nil
}

// Duplicate is the enrolled person, other than the one named, whose face a template shows, or
// "". It holds the template against the threshold of a search, so that enrolling and opening
// the door agree on who is whom.
func (id *Identifier) Duplicate(template []float32, person string) (string, error) {
	if err := id.Gallery.Search(id.probe(template), candidates, &id.result); err != nil {
		return "", err
	}
	t := id.Calibration.Threshold(id.result.Templates, id.FPIR, id.PolicyScore)
	for _, c := range id.result.Candidates {
		if c.Person != person && c.Cosine >= t.Cosine {
			return c.Person, nil
		}
	}
	return "", nil
}

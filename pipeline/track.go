package pipeline

import (
	"math"
	"time"

	"facegate/pipeline/face"
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
	// Somebody who can put right what they were refused for, after this.
	againAfter = 3 * time.Second
)

// A vote is one good frame's opinion.
type vote struct {
	vectors [][]float32 // of each [Reference] of the Identifier; owned by the vote; empty where there is none
	nearest nearest
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
	means [][]float32
	wear  wear
	since int // frames since the last vote, for the continuity of a settled track
}

func (t *track) reset(at time.Time) {
	for i := range t.votes {
		t.votes[i].nearest = nearest{}
	}
	codes := t.codes
	clear(codes)
	if codes == nil {
		codes = make(map[face.Quality]int)
	}
	*t = track{first: at, last: at, votes: t.votes, means: t.means, codes: codes}
}

// cast takes in the embeddings of a good frame and who they are most like.
func (t *track) cast(vectors [][]float32, who nearest) {
	v := &t.votes[t.n%votes]
	v.vectors = resize(v.vectors, len(vectors))
	for i, x := range vectors {
		v.vectors[i] = append(v.vectors[i][:0], x...)
	}
	v.nearest = who
	t.n++
	t.since = 0
}

// resize is v with n elements; those that were there keep their memory.
func resize(v [][]float32, n int) [][]float32 {
	if cap(v) < n {
		v = append(v[:cap(v)], make([][]float32, n-cap(v))...)
	}
	return v[:n]
}

// template is the template of the track as each [Reference] compares it: the mean of the
// frames that vote. It is valid until the next call.
func (t *track) template() [][]float32 {
	cast := t.votes[:min(t.n, votes)]
	if len(cast) == 0 {
		return nil
	}
	t.means = resize(t.means, len(cast[0].vectors))
	for k := range t.means {
		mean := t.means[k][:0]
		for _, v := range cast {
			switch {
			case k >= len(v.vectors) || len(v.vectors[k]) == 0:
			case len(mean) == 0:
				mean = append(mean, v.vectors[k]...)
			default:
				for i, x := range v.vectors[k] {
					mean[i] += x
				}
			}
		}
		scale := float32(1 / math.Sqrt(dot(mean, mean)))
		for i := range mean {
			mean[i] *= scale
		}
		t.means[k] = mean
	}
	return t.means
}

// agree is the person most of the frames that vote name, and how many do; covered says that
// the face is, or may be, behind a mask.
func (t *track) agree(covered bool) (person string, n int) {
	cast := t.votes[:min(t.n, votes)]
	for i := range cast {
		name, same := cast[i].nearest.name(covered), 0
		for j := range cast[i:] {
			if cast[i+j].nearest.name(covered) == name {
				same++
			}
		}
		if name != "" && same > n {
			person, n = name, same
		}
	}
	return person, n
}

// sameFace reports whether an embedding may belong to the face of the track: it is as like
// the last vote as the same person's frames of one moment are and strangers hardly ever.
func (t *track) sameFace(embedding []float32, least float64) bool {
	if t.n == 0 {
		return true
	}
	return dot(embedding, t.votes[(t.n-1)%votes].vectors[0]) >= least
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

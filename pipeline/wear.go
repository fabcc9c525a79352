package pipeline

import (
	"facegate/access"
	"facegate/pipeline/cover"
	"facegate/pipeline/face"
)

// Wants is what the rules of the door ask about at present. What they do not ask about is
// looked at once, on the frame that settles a track, and what they do on several frames.
type Wants struct {
	Mask bool // a mask over mouth and nose is asked for, reminded of or forbidden
	Head bool // the same of a helmet
}

func (w Wants) any() bool { return w.Mask || w.Head }

const (
	looks    = 4 // at what is worn, the last of a track, that are held against each other
	agreeing = 2 // of them must have seen how a mask is worn, or what is on the head
	retries  = 2 // frames that a track waits for where the looks leave it open
)

// A look is one good frame's opinion of what is worn.
type look struct {
	vote   int  // of the track
	masked bool // there is a mask, however it is worn
	mask   cover.MaskState
	head   cover.HeadCover
}

// A wear is what the frames of a track say of what is worn.
type wear struct {
	looks   [looks]look
	n       int
	retried int
}

// add takes in a look; a second one at the same frame replaces the first.
func (w *wear) add(vote int, c *cover.Result) {
	if w.n > 0 && w.looks[(w.n-1)%looks].vote == vote {
		w.n--
	}
	w.looks[w.n%looks] = look{vote, c.Mask >= .5, c.MaskState, c.HeadCover}
	w.n++
}

// mask is the state of the mask that so many looks at least agree on and none contradicts. One
// that cannot tell contradicts nothing, one that saw a mask contradicts that there is none. What
// nobody knows is [cover.MaskUnknown], which meets no rule.
func (w *wear) mask(least int) cover.MaskState {
	var masked, none, full, out int
	for _, l := range w.looks[:min(w.n, looks)] {
		if l.masked {
			masked++
		}
		switch l.mask {
		case cover.MaskNone:
			none++
		case cover.MaskFull:
			full++
		case cover.MaskNoseOut:
			out++
		}
	}
	switch {
	case none >= least && masked == 0:
		return cover.MaskNone
	case full >= least && none+out == 0:
		return cover.MaskFull
	case out > 0 && none+full == 0:
		return cover.MaskNoseOut
	}
	return cover.MaskUnknown
}

// head is what is on the head, by the same rule.
func (w *wear) head(least int) cover.HeadCover {
	said, n := cover.HeadUnknown, 0
	for _, l := range w.looks[:min(w.n, looks)] {
		switch l.head {
		case cover.HeadUnknown:
		case said:
			n++
		default:
			if n > 0 {
				return cover.HeadUnknown
			}
			said, n = l.head, 1
		}
	}
	if n < least {
		return cover.HeadUnknown
	}
	return said
}

// open reports whether the looks leave open what is asked.
func (w *wear) open(asked Wants) bool {
	return asked.Mask && w.mask(agreeing) == cover.MaskUnknown || asked.Head && w.head(agreeing) == cover.HeadUnknown
}

// Want tells the pipeline what the rules of its door ask about from now on. It may be called
// from any goroutine.
func (p *Pipeline) Want(w Wants) { p.wants.Store(&w) }

// glance looks at what is worn on a frame that votes, for a door that asks: at the mask on
// every second one, at how it is worn and the head on every second of these.
func (p *Pipeline) glance() error {
	if !p.asked().any() || p.t.n%2 != 0 {
		return nil
	}
	st := Mask
	if p.t.n%4 == 2 {
		st |= Parsing
	}
	if err := p.an.worn(st); err != nil {
		return err
	}
	p.t.wear.add(p.t.n, &p.an.a.Cover)
	return nil
}

func (p *Pipeline) asked() Wants { return *p.wants.Load() }

// examine looks at what covers the face and the head, which is too slow for every frame. It
// reports true where the track has to wait for a better frame, because the door asks for what
// cannot be told yet.
func (p *Pipeline) examine(s *access.Sighting) (wait bool, err error) {
	a, asked := &p.an.a, p.asked()
	if asked.any() && a.Quality != face.OK {
		return true, nil
	}
	if err := p.an.covered(Mask | Parsing); err != nil {
		return false, err
	}
	p.t.wear.add(p.t.n-1, &a.Cover)
	occluded := a.Quality == face.Occluded
	if !occluded && p.t.wear.open(asked) && p.t.wear.retried < retries {
		p.t.wear.retried++
		return true, nil
	}
	// What is not asked for is known from one frame, as where nothing is.
	mask, head := a.Cover.MaskState, a.Cover.HeadCover
	if asked.Mask {
		mask = p.t.wear.mask(agreeing)
	}
	if asked.Head {
		head = p.t.wear.head(agreeing)
	}
	s.Mask, s.Head = string(mask), string(head)
	s.MaskScore, s.HeadScore = number(a.Cover.Mask), number(a.Cover.Head)
	if occluded {
		s.Quality = string(face.Occluded)
	}
	return false, nil
}

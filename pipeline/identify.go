package pipeline

import (
	"cmp"
	"fmt"
	"slices"

	"facegate/access"
	"facegate/models"
	"facegate/pipeline/cover"
	"facegate/pipeline/face"
	"facegate/pipeline/match"
)

// A Reference is the enrolled templates of one embedder and what a cosine with them means.
type Reference struct {
	Gallery *match.Gallery
	// Calibration holds where at most one of the two faces is behind a mask. That it does so for
	// one was measured: such strangers are no more alike than bare ones (docs/cover.md).
	Calibration *match.Calibration
	// Masked holds where both are: strangers in masks are far more alike. Nil: they never match.
	Masked *match.Calibration
}

// NewReference returns a Reference with an empty gallery for templates of a model, one of the
// Analyser's, with the calibrations that the manifest has for its embedder. A model that the
// Analyser does not make is an error wrapping [match.ErrModel].
func NewReference(list *models.List, an *Analyser, model string) (Reference, error) {
	e := an.embedderOf(model)
	if e == nil {
		return Reference{}, fmt.Errorf("make reference for %q: %w", model, match.ErrModel)
	}
	m, ok := list.Embedder(e.ID())
	if !ok {
		return Reference{}, fmt.Errorf("the manifest has no embedder %q", e.ID())
	}
	var r Reference
	var err error
	if r.Calibration, err = calibration(m.Calibration); err != nil {
		return Reference{}, fmt.Errorf("calibration of %s: %w", m.ID, err)
	}
	if len(m.Masked) > 0 {
		if r.Masked, err = calibration(m.Masked); err != nil {
			return Reference{}, fmt.Errorf("masked calibration of %s: %w", m.ID, err)
		}
	}
	r.Gallery, err = match.NewGallery(model, e.Dim())
	return r, err
}

func calibration(of []models.Point) (*match.Calibration, error) {
	points := make([]match.Point, len(of))
	for i, p := range of {
		points[i] = match.Point(p)
	}
	return match.CalibrationFromPoints(points)
}

// An Identifier searches the enrolled and knows what its cosines mean. Several pipelines may
// share the galleries; the Identifier itself belongs to one goroutine.
type Identifier struct {
	Gallery     *match.Gallery     // of the Analyser's embedder
	Calibration *match.Calibration // see [Reference]
	Masked      *match.Calibration // see [Reference]
	// Older are the enrolled of whom there are templates of embedders that were used before, each
	// of which the Analyser still has (see [Analyser.AddEmbedder]). A face is searched in every
	// gallery that is not empty, by its own embedder, and what is found is put together by score.
	Older []Reference

	FPIR        float64 // how often a stranger may be taken for somebody
	PolicyScore float64 // least calibrated score, whatever the galleries' size
	Margin      float64 // least cosine between the first and the second person

	vectors [][]float32
	results []match.Result
	lists   []list
}

// candidates is how many people a sighting tells of.
const candidates = 3

// A list is the people found by comparisons of one meaning.
type list struct {
	people    []match.Candidate
	scale     *match.Calibration
	threshold match.Threshold
}

// names is the person that the list names, or "".
func (l *list) names() string {
	if len(l.people) == 0 || !(l.people[0].Cosine >= l.threshold.Cosine) {
		return ""
	}
	return l.people[0].Person
}

// cosine is that of a person, if they are in the list.
func (l *list) cosine(person string) (float64, bool) {
	i := slices.IndexFunc(l.people, func(c match.Candidate) bool { return c.Person == person })
	if i < 0 {
		return 0, false
	}
	return l.people[i].Cosine, true
}

// references is how many there are.
func (id *Identifier) references() int { return 1 + len(id.Older) }

// reference is the i-th; the first is that of the Analyser's own embedder.
func (id *Identifier) reference(i int) Reference {
	if i == 0 {
		return Reference{id.Gallery, id.Calibration, id.Masked}
	}
	return id.Older[i-1]
}

// look searches each gallery with its own embedder's vector. One of an older embedder that has
// none is left out.
func (id *Identifier) look(vectors [][]float32, k int) error {
	if n := id.references(); len(id.results) != n {
		id.results = make([]match.Result, n)
	}
	for i := range id.results {
		g, found := id.reference(i).Gallery, &id.results[i]
		var v []float32
		if i < len(vectors) {
			v = vectors[i]
		}
		if i > 0 && len(v) == 0 {
			found.Candidates, found.Masked, found.Templates = nil, nil, 0
			continue
		}
		if err := g.Search(match.Template{Model: g.Model(), Vector: v}, k, found); err != nil {
			return err
		}
	}
	return nil
}

// found are the lists of the last look, for a face that is, or may be, behind a mask, or for
// a bare one. Every template that was compared is a chance for a stranger, whatever its list.
func (id *Identifier) found(covered bool) []list {
	n := 0
	for i := range id.results {
		n += id.results[i].Templates
	}
	id.lists = id.lists[:0]
	add := func(people []match.Candidate, scale *match.Calibration) {
		if scale != nil && len(people) > 0 {
			id.lists = append(id.lists, list{people, scale, scale.Threshold(n, id.FPIR, id.PolicyScore)})
		}
	}
	for i := range id.results {
		r := id.reference(i)
		add(id.results[i].Candidates, r.Calibration)
		if covered {
			add(id.results[i].Masked, r.Masked)
		} else {
			add(id.results[i].Masked, r.Calibration)
		}
	}
	return id.lists
}

// search fills in matches and threshold of a sighting. Cosines of different lists mean
// different things: those of the matches are as the first one's list would have them, and the
// second person is as near to the first as any list has them that names somebody.
func (id *Identifier) search(vectors [][]float32, covered bool, s *access.Sighting) (match.Outcome, error) {
	s.Matches, s.Threshold = nil, access.Threshold{}
	if err := id.look(vectors, candidates); err != nil {
		return match.Unknown, err
	}
	lists := id.found(covered)
	if len(lists) == 0 {
		s.Threshold = access.Threshold{Score: id.Calibration.Threshold(0, id.FPIR, id.PolicyScore).Score, Margin: id.Margin}
		return match.Unknown, nil
	}
	first, home := best(lists)
	s.Threshold = access.Threshold{Score: home.threshold.Score, Margin: id.Margin}
	s.Matches = []access.Match{first}
	for i := range lists {
		for _, c := range lists[i].people {
			if !slices.ContainsFunc(s.Matches, func(m access.Match) bool { return m.Person == c.Person }) {
				s.Matches = append(s.Matches, beside(first, home, lists, c.Person))
			}
		}
	}
	slices.SortFunc(s.Matches[1:], func(a, b access.Match) int {
		return cmp.Or(cmp.Compare(b.Cosine, a.Cosine), cmp.Compare(a.Person, b.Person))
	})
	s.Matches = s.Matches[:min(len(s.Matches), candidates)]
	switch {
	case !(first.Cosine >= home.threshold.Cosine):
		if first.Score >= home.threshold.Score {
			// Scores end at 100 where thresholds go on: rules that see only scores must not say more
			// than the search does.
			s.Matches = nil
		}
		return match.Unknown, nil
	case len(s.Matches) > 1 && !(first.Cosine-s.Matches[1].Cosine >= id.Margin):
		return match.Ambiguous, nil
	}
	return match.Matched, nil
}

// best is the person with the highest score, and the list that has it.
func best(lists []list) (first access.Match, home *list) {
	for i := range lists {
		l := &lists[i]
		c := l.people[0]
		m := access.Match{Person: c.Person, Score: l.scale.Score(c.Cosine), Cosine: c.Cosine}
		if home == nil || m.Score > first.Score || m.Score == first.Score && m.Person < first.Person {
			first, home = m, l
		}
	}
	return first, home
}

// beside is another person's match beside the first.
func beside(first access.Match, home *list, lists []list, person string) access.Match {
	m := access.Match{Person: person, Cosine: -1}
	for i := range lists {
		l := &lists[i]
		other, ok := l.cosine(person)
		if !ok {
			continue
		}
		score := l.scale.Score(other)
		m.Score = max(m.Score, score)
		if l == home {
			m.Cosine = max(m.Cosine, other)
			continue
		}
		m.Cosine = max(m.Cosine, home.scale.Cosine(score))
		if named := l.names(); named == person {
			m.Cosine = max(m.Cosine, first.Cosine) // two lists name two people
		} else if own, ok := l.cosine(first.Person); ok && named != "" {
			m.Cosine = max(m.Cosine, first.Cosine-(own-other))
		}
	}
	m.Cosine = min(m.Cosine, first.Cosine)
	return m
}

// A nearest is the person a single frame is most like, or "" where nobody reaches the
// threshold or two lists name two people: as a bare face, and as one that may be masked.
type nearest struct{ bare, covered string }

func (n nearest) name(covered bool) string {
	if covered {
		return n.covered
	}
	return n.bare
}

func (id *Identifier) nearest(vectors [][]float32) (nearest, error) {
	if err := id.look(vectors, 1); err != nil {
		return nearest{}, err
	}
	return nearest{named(id.found(false)), named(id.found(true))}, nil
}

// named is the one person that lists name, or "".
func named(lists []list) (person string) {
	for i := range lists {
		switch name := lists[i].names(); {
		case name == "" || name == person:
		case person != "":
			return ""
		default:
			person = name
		}
	}
	return person
}

// of are the vectors of an Analysis in the order of the references.
func (id *Identifier) of(a *Analysis) [][]float32 {
	id.vectors = append(id.vectors[:0], a.Embedding)
	for _, r := range id.Older {
		var v []float32
		for _, t := range a.Older {
			if t.Model == r.Gallery.Model() {
				v = t.Vector
			}
		}
		id.vectors = append(id.vectors, v)
	}
	return id.vectors
}

// holds reports whether there are templates of a model to compare with.
func (id *Identifier) holds(model string) bool {
	for i := range id.references() {
		if g := id.reference(i).Gallery; g.Model() == model {
			n, _ := g.Len()
			return n > 0
		}
	}
	return false
}

// covered reports whether a face is, or may be, behind a mask.
func covered(s cover.MaskState) bool { return s != cover.MaskNone && s != cover.MaskChin }

// Sighting is what one picture tells that was looked into with [Mask], [Parsing] and
// [Embedding], by the rules of the door. Whether the face lives is for the caller to say: until
// then no rule lets anybody in.
func (id *Identifier) Sighting(a *Analysis) (access.Sighting, error) {
	s := access.Sighting{
		Quality: string(a.Quality), Mask: string(a.Cover.MaskState), Head: string(a.Cover.HeadCover),
		MaskScore: number(a.Cover.Mask), HeadScore: number(a.Cover.Head), Models: map[string]string{"embed": id.Gallery.Model()},
	}
	if a.Quality != face.OK || a.Embedding == nil {
		return s, nil
	}
	_, err := id.search(id.of(a), covered(a.Cover.MaskState), &s)
	return s, err
}

// Duplicate is the enrolled person, other than the one named, whose face a picture shows that
// was looked into with [Mask] and [Embedding], or "". It holds it against the threshold of a
// search, so that enrolling and opening the door agree on who is whom.
func (id *Identifier) Duplicate(a *Analysis, person string) (string, error) {
	if err := id.look(id.of(a), candidates); err != nil {
		return "", err
	}
	lists := id.found(covered(a.Cover.MaskState))
	for i := range lists {
		for _, c := range lists[i].people {
			if c.Person != person && c.Cosine >= lists[i].threshold.Cosine {
				return c.Person, nil
			}
		}
	}
	return "", nil
}

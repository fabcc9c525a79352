package eval

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"path/filepath"
	"slices"

	"facegate/pipeline/match"
)

// sameMan names people of LFW who appear under two names; left apart, their own pair would
// be counted as the most alike impostors of all.
func sameMan(identity string) string {
	switch identity {
	case "Yingfan_Wang":
		return "Wang_Yingfan"
	case "Sepp_Blatter":
		return "Joseph_Blatter"
	case "Wang_Nan":
		return "Nan_Wang"
	}
	return identity
}

func cosine(a, b []float32) float64 {
	var s float64
	for i, v := range a {
		s += float64(v) * float64(b[i])
	}
	return s
}

// identityOf is whose face a record of LFW shows.
func identityOf(r *record) string { return sameMan(r.labels["identity"]) }

// rates are the false match rates that reports quote.
func rates() []float64 { return []float64{1e-2, 1e-3, 1e-4, 1e-5, 1e-6} }

// rateName is how a false match rate is written, "1e-03".
func rateName(f float64) string { return fmt.Sprintf("%.0e", f) }

// recognition reports 1:1 and 1:N figures on lfw, and 1:1 figures on a webcam.
func (s *suite) recognition(cal *match.Calibration) ([]section, error) {
	var out []section
	if rs := s.records["lfw"]; len(rs) > 0 && s.sheets["lfw"].has("identity") {
		p, err := s.comparisons(rs)
		if err != nil {
			return nil, err
		}
		one := s.verification(p, cal)
		many, err := s.identification(rs, cal)
		if err != nil {
			return nil, err
		}
		out = append(out, one, many)
	}
	return append(out, s.webcam(cal)), nil
}

// A comparisons is the 1:1 scores of a set.
type comparisons struct {
	genuine, listed []float64 // of pairs.csv: two pictures of one person, of two
	lost            int       // genuine pairs in which a picture gave no template
	all             impostors // every two pictures of two people
	fromList        bool      // genuine are the pairs of pairs.csv, not every two pictures of one person
}

// missed is the false non-match rate at a threshold; a pair that is lost is missed.
func (c *comparisons) missed(t float64) Rate {
	return rateOf(c.genuine, func(v float64) bool { return !(v >= t) }).plus(Rate{c.lost, c.lost})
}

// comparisons compares the pictures that have an identity.
func (s *suite) comparisons(rs []*record) (*comparisons, error) {
	c := new(comparisons)
	for i, a := range rs {
		for _, b := range rs[i+1:] {
			if a.embedding != nil && b.embedding != nil && identityOf(a) != identityOf(b) {
				c.all.add(cosine(a.embedding, b.embedding))
			}
		}
	}
	genuine := func(a, b *record) {
		if a.embedding == nil || b.embedding == nil {
			c.lost++
		} else {
			c.genuine = append(c.genuine, cosine(a.embedding, b.embedding))
		}
	}
	path := filepath.Join(s.dir, "lfw", "pairs.csv")
	pairs, err := table(path)
	if errors.Is(err, fs.ErrNotExist) {
		for i, a := range rs {
			for _, b := range rs[i+1:] {
				if identityOf(a) == identityOf(b) {
					genuine(a, b)
				}
			}
		}
		return c, nil
	} else if err != nil {
		return nil, err
	}
	c.fromList = true
	byFile, known := map[string]*record{}, map[string]bool{}
	for _, r := range s.sheets["lfw"].rows {
		known[r["file"]] = true
	}
	for _, r := range rs {
		byFile[r.labels["file"]] = r
	}
	for i, p := range pairs.rows {
		if !known[p["file1"]] || !known[p["file2"]] {
			return nil, fmt.Errorf("%s: %w: pair %d names a picture that labels.csv does not", path, ErrLabels, i+1)
		}
		a, b := byFile[p["file1"]], byFile[p["file2"]]
		switch {
		case a == nil || b == nil: // not looked at in a trial run
		case p["same"] == "1":
			genuine(a, b)
		case a.embedding != nil && b.embedding != nil && identityOf(a) != identityOf(b):
			c.listed = append(c.listed, cosine(a.embedding, b.embedding))
		}
	}
	return c, nil
}

// verification is 1:1.
func (s *suite) verification(c *comparisons, cal *match.Calibration) section {
	pairs, curveOf := "every two pictures of one person", ""
	if c.fromList {
		pairs, curveOf = "pairs.csv", fmt.Sprintf(" AUC against the %d impostor pairs of pairs.csv: %v.", len(c.listed), decimal{auc(c.genuine, c.listed), 5})
	}
	t := section{
		Title: "Recognition, 1:1 (lfw)",
		Note: fmt.Sprintf("%d genuine pairs (%s), of which %d are lost because a picture gave no template: they count as missed. %d impostor pairs: every two pictures of two people. "+
			"The first threshold gives the false match rate on these very pictures; the second is shipped (the model's calibration), with what it gives here. "+
			"Pairs share pictures, so the intervals are narrower than they should be.%s", len(c.genuine)+c.lost, pairs, c.lost, len(c.all.scores), curveOf),
		Columns: []string{"FMR", "threshold here", "FNMR", "shipped threshold", "FNMR at it", "FMR at it"},
	}
	if len(c.genuine)+c.lost == 0 {
		return t
	}
	for _, f := range rates() {
		own, measured := c.all.threshold(f)
		var here, fnmr any = "too few pairs", "–"
		if measured {
			here, fnmr = decimal{own, 3}, c.missed(own)
			s.headline("Recognition, 1:1: FNMR at FMR "+rateName(f), fnmr)
		}
		shipped := cal.Threshold(1, f, 0).Cosine
		t.add(rateName(f), here, fnmr, decimal{shipped, 3}, c.missed(shipped), falseMatch(c.all.matches(shipped)))
	}
	det := plot{
		Title: "DET curve, lfw", X: axis{Label: "false match rate", Min: 1e-6, Max: 1e-1, Log: true}, Y: axis{Label: "false non-match rate", Min: 1e-4, Max: 1, Log: true},
	}
	line, shipped := curve{Name: s.model}, curve{Name: "shipped thresholds", Dots: true}
	for e := -6.; e <= -1; e += .05 {
		if th, ok := c.all.threshold(math.Pow(10, e)); ok {
			line.add(math.Pow(10, e), c.missed(th))
		}
	}
	for _, f := range rates() {
		th := cal.Threshold(1, f, 0).Cosine
		shipped.bar(c.all.matches(th).Share(), c.missed(th))
	}
	det.Curves = []curve{line, shipped}
	t.Plots = []plot{det}
	return t
}

// identification enrols two pictures of every person who has more than one, and searches
// with the rest and with strangers, for growing galleries, as the door does.
func (s *suite) identification(rs []*record, cal *match.Calibration) (section, error) {
	t := section{
		Title: "Recognition, 1:N (lfw)",
		Note: fmt.Sprintf("Gallery: the first two pictures of each person; probes: the person's other pictures; strangers: people with one picture. Decided as at the door: the shipped threshold for the "+
			"gallery's size (FPIR target %g), and the second person at least %g behind. FNIR: the right person is not named, be it because the picture gave no template. Ambiguous: of these, the ones where somebody "+
			"was near enough but the second person as well. FPIR: a stranger is named.", match.DefaultFPIR, match.DefaultMargin),
		Columns: []string{"people", "templates", "threshold", "FNIR", "ambiguous", "wrong name", "FPIR"},
	}
	of := map[string][]*record{}
	for _, r := range rs {
		of[identityOf(r)] = append(of[identityOf(r)], r)
	}
	pictures := map[string]int{} // whole, so that a trial run makes no strangers of the enrolled
	for _, r := range s.sheets["lfw"].rows {
		pictures[sameMan(r["identity"])]++
	}
	var names []string
	var strangers []*record
	for _, name := range slices.Sorted(maps.Keys(of)) {
		if pictures[name] == 1 {
			strangers = append(strangers, of[name]...)
		} else {
			names = append(names, name)
		}
	}
	missed, named := curve{Name: "FNIR"}, curve{Name: "FPIR"}
	var at []float64
	most := .02 // the height of the plot; intervals of small galleries may run beyond
	for _, n := range sizes(len(names)) {
		v, err := s.searches(of, names, strangers, n, cal)
		if err != nil {
			return t, err
		}
		t.add(n, v.templates, decimal{v.threshold, 3}, v.missed, v.ambiguous, v.wrong, v.named)
		missed.bar(float64(n), v.missed)
		named.bar(float64(n)*1.03, v.named) // beside each other
		at = append(at, float64(n))
		most = max(most, v.missed.Share(), v.named.Share())
		if _, hi := v.missed.Wilson(); n >= 100 {
			most = max(most, hi)
		}
		if n == len(names) {
			s.headline(fmt.Sprintf("Recognition, 1:N: FNIR among %d people", n), v.missed)
			s.headline(fmt.Sprintf("Recognition, 1:N: wrong names among %d people", n), v.wrong)
			s.headline(fmt.Sprintf("Recognition, 1:N: FPIR among %d people", n), v.named)
		}
	}
	if len(t.Rows) > 1 {
		t.Plots = []plot{{
			Title: "FNIR and FPIR by size of the gallery, 95 % intervals", Curves: []curve{missed, named},
			X: axis{Label: "people enrolled", Min: 7, Max: 1.4 * float64(len(names)), Log: true, Ticks: at}, Y: axis{Label: "share of searches", Max: min(1, 1.1*most)},
		}}
	}
	return t, nil
}

// sizes are the galleries that are tried, the whole one last.
func sizes(people int) []int {
	var out []int
	for _, n := range []int{10, 30, 100, 300, 1000, 3000} {
		if n < people {
			out = append(out, n)
		}
	}
	if people > 0 {
		out = append(out, people)
	}
	return out
}

// A searched is what came of the searches in one gallery.
type searched struct {
	templates                int
	threshold                float64
	missed, wrong, ambiguous Rate
	named                    Rate // strangers
}

// searches enrols n of the people and searches with their other pictures and the strangers.
func (s *suite) searches(of map[string][]*record, names []string, strangers []*record, n int, cal *match.Calibration) (searched, error) {
	var v searched
	var probes []*record
	var gallery *match.Gallery
	for i := range n {
		// At even steps through the alphabet, so that a small gallery is not all one letter.
		name := names[i*len(names)/n]
		enrolled := 0
		for _, r := range of[name] {
			switch {
			case enrolled == 2:
				probes = append(probes, r)
			case r.embedding == nil: // cannot be enrolled; the next one is
			default:
				if gallery == nil {
					var err error
					if gallery, err = match.NewGallery(s.model, len(r.embedding)); err != nil {
						return v, err
					}
				}
				if err := gallery.Add(name, match.Template{Model: s.model, Vector: r.embedding}); err != nil {
					return v, err
				}
				enrolled++
			}
		}
	}
	v.missed.N, v.wrong.N, v.ambiguous.N, v.named.N = len(probes), len(probes), len(probes), len(strangers)
	if gallery == nil {
		v.missed.K = len(probes)
		return v, nil
	}
	v.templates, _ = gallery.Len()
	threshold := cal.Threshold(v.templates, match.DefaultFPIR, match.DefaultPolicyScore)
	v.threshold = threshold.Cosine
	var found match.Result
	search := func(r *record) (string, match.Outcome, error) {
		if r.embedding == nil {
			return "", match.Unknown, nil
		}
		if err := gallery.Search(match.Template{Model: s.model, Vector: r.embedding}, 2, &found); err != nil {
			return "", match.Unknown, err
		}
		outcome := match.Decide(&found, threshold, match.DefaultMargin)
		return found.Candidates[0].Person, outcome, nil
	}
	for _, r := range probes {
		name, outcome, err := search(r)
		if err != nil {
			return v, err
		}
		switch {
		case outcome == match.Matched && name == identityOf(r):
			continue
		case outcome == match.Matched:
			v.wrong.K++
		case outcome == match.Ambiguous:
			v.ambiguous.K++
		}
		v.missed.K++
	}
	for _, r := range strangers {
		_, outcome, err := search(r)
		if err != nil {
			return v, err
		}
		if outcome == match.Matched {
			v.named.K++
		}
	}
	return v, nil
}

// webcam compares live frames of spoof_replay_attack across its two lights.
func (s *suite) webcam(cal *match.Calibration) section {
	t := section{
		Title: "Recognition on a webcam (live frames of spoof_replay_attack)",
		Note: "Thresholds are the shipped ones, made on lfw; the false match rate of a webcam is higher than that of press pictures. " +
			"A pair in which a picture gave no template is missed. Few people: the intervals, which take pairs as independent, flatter.",
		Columns: []string{"shipped FMR", "FNMR, same light", "FNMR, other light", "FMR"},
	}
	if !s.sheets["spoof_replay_attack"].has("client") {
		return t
	}
	live := s.live("spoof_replay_attack")
	var same, other, impostor []float64 // a lost pair is NaN
	for i, a := range live {
		for _, b := range live[i+1:] {
			v := math.NaN()
			if a.embedding != nil && b.embedding != nil {
				v = cosine(a.embedding, b.embedding)
			}
			switch {
			case a.labels["client"] == b.labels["client"] && a.labels["light"] == b.labels["light"]:
				same = append(same, v)
			case a.labels["client"] == b.labels["client"]:
				other = append(other, v)
			case !math.IsNaN(v):
				impostor = append(impostor, v)
			}
		}
	}
	if len(same)+len(other)+len(impostor) == 0 {
		return t
	}
	for _, f := range rates() {
		th := cal.Threshold(1, f, 0).Cosine
		missed, matched := func(v float64) bool { return !(v >= th) }, func(v float64) bool { return v >= th }
		t.add(rateName(f), rateOf(same, missed), rateOf(other, missed), falseMatch(rateOf(impostor, matched)))
		if f == 1e-6 {
			s.rateHeadline("Recognition on a webcam: FNMR at the shipped 1e-06 threshold", rateOf(same, missed).plus(rateOf(other, missed)))
		}
	}
	return t
}

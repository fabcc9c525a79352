package eval

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"facegate/pipeline/cover"
)

// isMask, isCovered, isHelmet, hasSunglasses and isClosed are the pipeline's verdicts.
func isMask(r *record) bool { return r.cover.Mask >= .5 }

func isCovered(r *record) bool {
	return r.cover.HeadCover == cover.HeadHelmet || r.cover.HeadCover == cover.HeadOther
}
func isHelmet(r *record) bool      { return r.cover.HeadCover == cover.HeadHelmet }
func hasSunglasses(r *record) bool { return r.cover.Occlusion&cover.Sunglasses != 0 }
func isOccluded(r *record) bool    { return r.cover.Occlusion != 0 }
func isClosed(r *record) bool      { return r.eyes < .5 }

// maskJudged and the others report whether there is such a verdict: not where the face was
// none after all, the head is cut off, or the site leaves the model out.
func maskJudged(r *record) bool    { return r.cover.Mask >= 0 }
func headJudged(r *record) bool    { return r.cover.HeadCover != cover.HeadUnknown }
func glassesJudged(r *record) bool { return r.cover.Sunglasses >= 0 }
func hiddenJudged(r *record) bool  { return r.cover.Occluded >= 0 }
func eyesJudged(r *record) bool    { return r.eyes.Ran() }

// where is the records for which yes holds.
func where(rs []*record, yes func(*record) bool) []*record {
	return slices.DeleteFunc(slices.Clone(rs), func(r *record) bool { return !yes(r) })
}

// labelled picks by one column.
func (s *suite) labelled(set, column string, values ...string) []*record {
	return where(s.records[set], func(r *record) bool {
		v, ok := r.labels[column]
		return ok && slices.Contains(values, v)
	})
}

// bareLFW is one picture of each person of LFW, the first that head_lfw does not say to be
// covered.
func (s *suite) bareLFW() []*record {
	odd := map[string]bool{}
	for _, r := range s.sheets["head_lfw"].rows {
		if r["cover"] != "none" || r["eyes"] != "open" || r["occlusion"] != "" {
			odd[path.Base(r["file"])] = true
		}
	}
	seen := map[string]bool{}
	return where(s.records["lfw"], func(r *record) bool {
		who := cmp.Or(r.labels["identity"], r.labels["file"])
		if seen[who] || odd[path.Base(r.labels["file"])] {
			return false
		}
		seen[who] = true
		return true
	})
}

// coverNote is under every table of group.
const coverNote = "Of the pictures in which a face was found. Not judged: the model did not run or could not tell; these count as not called."

func groupColumns(called ...string) []string {
	return slices.Concat([]string{"pictures"}, called, []string{"no face found", "not judged"})
}

// group is one row: what the pictures show, and how many are called so; the rates of the
// verdicts. A verdict that is never given at all, because there is no model, has no row.
func (t *section) group(name string, rs []*record, judged func(*record) bool, called ...func(*record) bool) []Rate {
	faces := where(rs, (*record).found)
	known := where(faces, judged)
	if len(known) == 0 {
		return make([]Rate, len(called))
	}
	cells, rates := []any{name}, make([]Rate, 0, len(called))
	for _, c := range called {
		rates = append(rates, rateOf(faces, c))
		cells = append(cells, rates[len(rates)-1])
	}
	t.add(append(cells, len(rs)-len(faces), len(faces)-len(known))...)
	return rates
}

// response plots how many pictures that show something, and that do not, reach a threshold
// as it moves.
func response(title string, lines map[string][]*record, score func(*record) float64) plot {
	p := plot{Title: title, X: axis{Label: "threshold of the score", Max: 1, Ticks: []float64{0, .2, .4, .6, .8, 1}}, Y: axis{Label: "share called so", Max: 1}, Mark: .5}
	for _, name := range slices.Sorted(maps.Keys(lines)) {
		rs := where(lines[name], (*record).found)
		if len(rs) == 0 {
			continue
		}
		c := curve{Name: fmt.Sprintf("%s (n = %d)", name, len(rs))}
		for th := 0.; th <= 1; th += .005 {
			c.add(th, rateOf(rs, func(r *record) bool { return score(r) >= th }))
		}
		p.Curves = append(p.Curves, c)
	}
	return p
}

// masks is how often a mask is seen, and seen where there is none.
func (s *suite) masks() section {
	t := section{Title: "Mask", Note: coverNote, Columns: groupColumns("called mask")}
	masks, bare, lfw := s.labelled("mask_wild", "mask", "mask"), s.labelled("mask_wild", "mask", "nomask"), s.bareLFW()
	s.rateHeadline("Mask: real masks found", t.group("real masks (mask_wild)", masks, maskJudged, isMask)[0])
	s.rateHeadline("Mask: masks drawn on found", t.group("drawn-on masks (mask_wild)", s.labelled("mask_wild", "mask", "mask_synthetic"), maskJudged, isMask)[0])
	none := t.group("bare faces (mask_wild)", bare, maskJudged, isMask)[0]
	none = none.plus(t.group("bare faces (lfw)", lfw, maskJudged, isMask)[0])
	s.rateHeadline("Mask: bare faces called masked", none)
	if len(t.Rows) > 0 {
		t.Plots = []plot{response("Mask: true and false alarms as the threshold moves", map[string][]*record{
			"TPR, real masks": masks, "FPR, bare faces, mask_wild": bare, "FPR, lfw": lfw,
		}, func(r *record) float64 { return r.cover.Mask })}
	}
	return t
}

// maskStates is how a mask is worn.
func (s *suite) maskStates() section {
	t := section{Title: "Mask, how it is worn (mask_states)", Note: "Few people: an indication, not a rate.", Columns: []string{"worn", "pictures", "called"}}
	for _, state := range []string{"full", "nose_out", "chin", "none"} {
		if rs := s.labelled("mask_states", "mask", state); len(rs) > 0 {
			t.add(state, len(rs), tally(said(rs, func(r *record) string { return string(r.cover.MaskState) })))
		}
	}
	return t
}

// maskedFaces compares masked faces with bare ones of the same person.
func (s *suite) maskedFaces() section {
	t := section{
		Title:   "Recognition with a mask against one's own bare face",
		Note:    "Real masks (mask_states) and masks drawn on the same picture (mask_wild). The lowest, the median and the highest cosine.",
		Columns: []string{"mask", "pairs", "lowest", "median", "highest", "lost"},
	}
	bare := map[string]*record{}
	for _, r := range s.labelled("mask_states", "mask", "none") {
		bare[r.labels["person"]] = r
	}
	for _, state := range []string{"full", "nose_out", "chin"} {
		t.pairs("real, "+state, s.labelled("mask_states", "mask", state), bare, "person")
	}
	same := map[string]*record{}
	for _, r := range s.labelled("mask_wild", "mask", "nomask") {
		same[r.labels["pair"]] = r
	}
	delete(same, "")
	t.pairs("drawn on", s.labelled("mask_wild", "mask", "mask_synthetic"), same, "pair")
	return t
}

// pairs compares each record with the bare one that has the same value in a column.
func (t *section) pairs(name string, rs []*record, bare map[string]*record, column string) {
	var v []float64
	lost := 0
	for _, r := range rs {
		b := bare[r.labels[column]]
		switch {
		case b == nil:
		case b.embedding == nil || r.embedding == nil:
			lost++
		default:
			v = append(v, cosine(b.embedding, r.embedding))
		}
	}
	if len(v) > 0 {
		slices.Sort(v)
		t.add(name, len(v), decimal{v[0], 3}, decimal{(v[(len(v)-1)/2] + v[len(v)/2]) / 2, 3}, decimal{v[len(v)-1], 3}, lost)
	}
}

// heads is what is seen on a head.
func (s *suite) heads() section {
	t := section{
		Title:   "Head cover",
		Note:    "Called covered: helmet or other. Called helmet: the head is covered and the helmet model agrees. " + coverNote,
		Columns: groupColumns("called covered", "called helmet"),
	}
	other := where(s.records["head_lfw"], func(r *record) bool { return !slices.Contains([]string{"", "none", "cap", "visor"}, r.labels["cover"]) })
	helmets, caps, bare, lfw := s.records["head_helmet"], s.labelled("head_lfw", "cover", "cap", "visor"), s.labelled("head_lfw", "cover", "none"), s.bareLFW()
	for _, g := range []struct {
		name, covered, helmet string
		rs                    []*record
	}{
		{"helmets (head_helmet)", "Head cover: helmets called covered", "Helmet: helmets called helmet", helmets},
		{"caps and visors (head_lfw)", "Head cover: caps and visors called covered", "Helmet: caps and visors called helmet", caps},
		{"other covers (head_lfw)", "Head cover: other covers called covered", "", other},
		{"bare heads (head_lfw)", "Head cover: bare heads called covered", "Helmet: bare heads called helmet", bare},
		{"lfw, not labelled (some do wear one)", "", "", lfw},
	} {
		rates := t.group(g.name, g.rs, headJudged, isCovered, isHelmet)
		if g.covered != "" {
			s.rateHeadline(g.covered, rates[0])
		}
		if g.helmet != "" {
			s.rateHeadline(g.helmet, rates[1])
		}
	}
	if len(t.Rows) > 0 {
		t.Plots = []plot{
			response("Head cover: true and false alarms as the threshold moves", map[string][]*record{
				"TPR, caps and visors": caps, "TPR, helmets": helmets, "FPR, bare heads": bare, "not labelled, lfw": lfw,
			}, func(r *record) float64 { return r.cover.Head }),
			response("Helmet: true and false alarms as the threshold moves", map[string][]*record{
				"TPR, helmets": helmets, "FPR, bare heads": bare, "FPR, caps and visors": caps,
			}, func(r *record) float64 { return r.cover.Helmet }),
		}
	}
	return t
}

// glasses is sunglasses, and other things before a face.
func (s *suite) glasses() section {
	t := section{Title: "Sunglasses and other occlusion", Note: coverNote, Columns: groupColumns("called so")}
	s.rateHeadline("Sunglasses found", t.group("sunglasses (head_lfw)", s.labelled("head_lfw", "eyes", "sunglasses"), glassesJudged, hasSunglasses)[0])
	t.group("tinted glasses (head_lfw) called sunglasses", s.labelled("head_lfw", "eyes", "tinted_glasses"), glassesJudged, hasSunglasses)
	s.rateHeadline("Sunglasses: lfw called so (not labelled)", t.group("lfw called sunglasses", s.bareLFW(), glassesJudged, hasSunglasses)[0])
	hidden := where(s.records["head_lfw"], func(r *record) bool { return strings.Contains(r.labels["occlusion"], "face") })
	s.rateHeadline("Occlusion: hand or object before the face found", t.group("hand or object before the face (head_lfw)", hidden, hiddenJudged, isOccluded)[0])
	t.group("lfw called occluded", s.bareLFW(), hiddenJudged, isOccluded)
	t.group("masks called occluded (mask_wild)", s.labelled("mask_wild", "mask", "mask"), hiddenJudged, isOccluded)
	return t
}

// eyes is closed eyes.
func (s *suite) eyes() section {
	t := section{Title: "Eyes", Note: coverNote, Columns: groupColumns("called closed")}
	closed, live := s.labelled("eyes_closed", "eyes", "closed"), s.live("spoof_replay_attack")
	s.rateHeadline("Eyes: closed found", t.group("closed (eyes_closed)", closed, eyesJudged, isClosed)[0])
	s.rateHeadline("Eyes: lfw called closed (not labelled)", t.group("lfw, not labelled (most are open)", s.records["lfw"], eyesJudged, isClosed)[0])
	s.rateHeadline("Eyes: live webcam frames called closed", t.group("webcam, live (spoof_replay_attack)", live, eyesJudged, isClosed)[0])
	if len(t.Rows) > 0 {
		t.Plots = []plot{response("Eyes: called closed as the threshold moves", map[string][]*record{
			"closed": closed, "lfw": s.records["lfw"], "webcam, live": live,
		}, func(r *record) float64 { return 1 - float64(r.eyes) })}
	}
	return t
}

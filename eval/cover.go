package eval

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"facegate/pipeline/cover"
)

// isMask, isCovered, isHelmet and hasSunglasses are the pipeline's verdicts.
func isMask(r *record) bool { return r.cover.Mask >= .5 }

func isCovered(r *record) bool {
	return r.cover.HeadCover == cover.HeadHelmet || r.cover.HeadCover == cover.HeadOther
}
func isHelmet(r *record) bool      { return r.cover.HeadCover == cover.HeadHelmet }
func hasSunglasses(r *record) bool { return r.cover.Occlusion&cover.Sunglasses != 0 }

// pick is the records of a set for which yes holds.
func (s *suite) pick(set string, yes func(*record) bool) []*record {
	return slices.DeleteFunc(slices.Clone(s.records[set]), func(r *record) bool { return !yes(r) })
}

// labelled picks by one column.
func (s *suite) labelled(set, column string, values ...string) []*record {
	return s.pick(set, func(r *record) bool { return slices.Contains(values, r.labels[column]) })
}

// bareLFW is LFW's first picture of each person, less those that head_lfw says are covered.
func (s *suite) bareLFW() []*record {
	odd := map[string]bool{}
	for _, r := range s.records["head_lfw"] {
		if r.labels["cover"] != "none" || r.labels["eyes"] != "open" || r.labels["occlusion"] != "" {
			odd[path.Base(r.labels["file"])] = true
		}
	}
	seen := map[string]bool{}
	return s.pick("lfw", func(r *record) bool {
		who := r.labels["identity"]
		if seen[who] || odd[path.Base(r.labels["file"])] {
			return false
		}
		seen[who] = true
		return true
	})
}

// group is one row of a detection table: what the pictures show, and how many are called so.
func (t *section) group(name string, rs []*record, called func(*record) bool) {
	if len(rs) == 0 {
		return
	}
	with := slices.DeleteFunc(slices.Clone(rs), func(r *record) bool { return !r.found() })
	t.add(name, rateOf(with, called), len(rs)-len(with))
}

// masks is how often a mask is seen, and seen where there is none.
func (s *suite) masks() section {
	t := section{Title: "Mask", Note: "Of the pictures in which a face was found.", Columns: []string{"pictures", "called mask", "no face found"}}
	t.group("real masks (mask_wild)", s.labelled("mask_wild", "mask", "mask"), isMask)
	t.group("drawn-on masks (mask_wild)", s.labelled("mask_wild", "mask", "mask_synthetic"), isMask)
	t.group("bare faces (mask_wild)", s.labelled("mask_wild", "mask", "nomask"), isMask)
	t.group("bare faces (lfw)", s.bareLFW(), isMask)
	return t
}

// maskStates is how a mask is worn.
func (s *suite) maskStates() section {
	t := section{Title: "Mask, how it is worn (mask_states)", Note: "Few people: an indication, not a rate.", Columns: []string{"worn", "pictures", "called"}}
	for _, state := range []string{"full", "nose_out", "chin", "none"} {
		rs := s.labelled("mask_states", "mask", state)
		if len(rs) == 0 {
			continue
		}
		n := map[string]int{}
		for _, r := range rs {
			n[string(r.cover.MaskState)]++
		}
		t.add(state, len(rs), counts(n))
	}
	return t
}

// maskedFaces compares masked faces with bare ones of the same person.
func (s *suite) maskedFaces() section {
	t := section{
		Title:   "Recognition with a mask against one's own bare face",
		Note:    "Real masks (mask_states) and masks drawn on the same picture (mask_wild).",
		Columns: []string{"pair", "cosine"},
	}
	bare := map[string]*record{}
	for _, r := range s.labelled("mask_states", "mask", "none") {
		bare[r.labels["person"]] = r
	}
	for _, r := range s.pick("mask_states", func(r *record) bool { return r.labels["mask"] != "none" }) {
		if b := bare[r.labels["person"]]; b != nil && b.embedding != nil && r.embedding != nil {
			t.add("real, "+r.labels["mask"], fmt.Sprintf("%.3f", cosine(b.embedding, r.embedding)))
		}
	}
	pairs := map[string]*record{}
	for _, r := range s.labelled("mask_wild", "mask", "nomask") {
		if r.labels["pair"] != "" {
			pairs[r.labels["pair"]] = r
		}
	}
	var drawn []float64
	for _, r := range s.labelled("mask_wild", "mask", "mask_synthetic") {
		if b := pairs[r.labels["pair"]]; b != nil && b.embedding != nil && r.embedding != nil {
			drawn = append(drawn, cosine(b.embedding, r.embedding))
		}
	}
	if len(drawn) > 0 {
		slices.Sort(drawn)
		t.add(fmt.Sprintf("drawn on, %d pairs: lowest, median, highest", len(drawn)), fmt.Sprintf("%.3f, %.3f, %.3f", drawn[0], drawn[len(drawn)/2], drawn[len(drawn)-1]))
	}
	return t
}

// heads is what is seen on a head.
func (s *suite) heads() section {
	t := section{
		Title:   "Head cover",
		Note:    "Called covered: helmet or other. Called helmet: the head is covered and the helmet model agrees. Of the pictures in which a face was found.",
		Columns: []string{"pictures", "called covered", "no face found", "called helmet"},
	}
	for _, g := range []struct {
		name string
		rs   []*record
	}{
		{"helmets (head_helmet)", s.records["head_helmet"]},
		{"caps and visors (head_lfw)", s.labelled("head_lfw", "cover", "cap", "visor")},
		{"other covers (head_lfw)", s.pick("head_lfw", func(r *record) bool { return !slices.Contains([]string{"none", "cap", "visor"}, r.labels["cover"]) })},
		{"bare heads (head_lfw)", s.labelled("head_lfw", "cover", "none")},
		{"lfw, not labelled (some do wear one)", s.bareLFW()},
	} {
		if len(g.rs) == 0 {
			continue
		}
		with := slices.DeleteFunc(slices.Clone(g.rs), func(r *record) bool { return !r.found() })
		t.add(g.name, rateOf(with, isCovered), len(g.rs)-len(with), rateOf(with, isHelmet))
	}
	return t
}

// glasses is sunglasses, and other things before a face.
func (s *suite) glasses() section {
	t := section{Title: "Sunglasses and other occlusion", Note: "Of the pictures in which a face was found.", Columns: []string{"pictures", "called so", "no face found"}}
	t.group("sunglasses (head_lfw)", s.labelled("head_lfw", "eyes", "sunglasses"), hasSunglasses)
	t.group("tinted glasses (head_lfw) called sunglasses", s.labelled("head_lfw", "eyes", "tinted_glasses"), hasSunglasses)
	t.group("lfw called sunglasses", s.bareLFW(), hasSunglasses)
	occluded := func(r *record) bool { return r.cover.Occlusion != 0 }
	t.group("hand or object before the face (head_lfw)", s.pick("head_lfw", func(r *record) bool { return strings.Contains(r.labels["occlusion"], "face") }), occluded)
	t.group("lfw called occluded", s.bareLFW(), occluded)
	t.group("masks called occluded (mask_wild)", s.labelled("mask_wild", "mask", "mask"), occluded)
	return t
}

// eyes is closed eyes.
func (s *suite) eyes() section {
	t := section{Title: "Eyes", Note: "Of the pictures in which a face was found.", Columns: []string{"pictures", "called closed", "no face found"}}
	closed := func(r *record) bool { return r.eyes < .5 }
	t.group("closed (eyes_closed)", s.records["eyes_closed"], closed)
	t.group("lfw", s.records["lfw"], closed)
	t.group("webcam, live (spoof_replay_attack)", s.labelled("spoof_replay_attack", "label", "live"), closed)
	return t
}

package eval

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"facegate/pipeline/liveness"
)

// spoofSets are the sets with attacks.
func spoofSets() []string {
	return []string{"spoof_replay_attack", "spoof_phone_selfies", "spoof_mixed"}
}

// live and attacked are the records of a set with that label. Another label is neither.
func (s *suite) live(set string) []*record     { return s.labelled(set, "label", "live") }
func (s *suite) attacked(set string) []*record { return s.labelled(set, "label", "spoof") }

// species names a kind of attack: the instrument and what it is shown on.
func species(r *record) string {
	name := strings.TrimSpace(r.labels["attack"] + " " + r.labels["medium"])
	return cmp.Or(name, "not named")
}

// passes reports whether a single picture is taken for a live face at that fusion. A face
// that is not found, or could not be scored, is not.
func (r *record) passes(threshold float64) bool { return r.live.Ran() && r.fusion >= threshold }

// fusions are the scores of those that have one.
func fusions(rs []*record) []float64 {
	var out []float64
	for _, r := range rs {
		if r.live.Ran() {
			out = append(out, r.fusion)
		}
	}
	return out
}

// thresholds are the points of the fusion at which the report is made: the one that is
// shipped, and one to either side.
func thresholds() [3]float64 { return [3]float64{1.53, liveness.Threshold, 2.91} }

const shipped = 1 // of thresholds

// thresholdColumns name them.
func thresholdColumns(before ...string) []string {
	for i, th := range thresholds() {
		name := fmt.Sprintf("at %.2f", th)
		if i == shipped {
			name += " (shipped)"
		}
		before = append(before, name)
	}
	return before
}

// An attack is one species in one set.
type attack struct {
	set, species string
	records      []*record
	rates        [3]Rate
}

// accepted is the species' APCER at a threshold.
func (a *attack) accepted(th float64) Rate {
	return rateOf(a.records, func(r *record) bool { return r.passes(th) })
}

// species are the attacks of the suite, the worst at the shipped threshold first.
func (s *suite) species() []attack {
	var all []attack
	for _, set := range spoofSets() {
		names, groups := grouped(s.attacked(set), species)
		for _, name := range names {
			a := attack{set: set, species: name, records: groups[name]}
			for i, th := range thresholds() {
				a.rates[i] = a.accepted(th)
			}
			all = append(all, a)
		}
	}
	slices.SortStableFunc(all, func(a, b attack) int { return cmp.Compare(b.rates[shipped].Share(), a.rates[shipped].Share()) })
	return all
}

// attacks is APCER by species, the worst first.
func (s *suite) attacks() section {
	t := section{
		Title: "Liveness, level passive: attacks accepted (APCER) by species",
		Note: "Single pictures; a door averages frames. An attack in which no face is found cannot be accepted and counts as refused. " +
			"The worst species is the figure that counts. AUC: against the live pictures of the same set, of those that have a score.",
		Columns: append(thresholdColumns("set", "species"), "AUC"),
	}
	all := s.species()
	if len(fusions(s.live("spoof_replay_attack")))+len(fusions(s.live("spoof_phone_selfies")))+len(fusions(s.live("spoof_mixed"))) == 0 {
		return t // the score did not run
	}
	clean, fewest := 0, math.MaxInt
	for i := range all {
		a := &all[i]
		t.add(a.set, a.species, a.rates[0], a.rates[1], a.rates[2], decimal{auc(fusions(s.live(a.set)), fusions(a.records)), 3})
		if a.rates[shipped].K > 0 {
			s.headline(fmt.Sprintf("Liveness, passive: accepted, %s (%s)", a.species, a.set), a.rates[shipped])
		} else {
			clean, fewest = clean+1, min(fewest, a.rates[shipped].N)
		}
	}
	if clean > 0 {
		s.headline("Liveness, passive: accepted, every other species", fmt.Sprintf("0 of each of %d species, with %d pictures or more", clean, fewest))
	}
	t.Plots = s.tradeoff(all)
	return t
}

// tradeoff plots the worst species against the live faces refused as the threshold moves.
func (s *suite) tradeoff(all []attack) []plot {
	var live []*record
	for _, set := range spoofSets() {
		live = append(live, s.live(set)...)
	}
	if len(all) == 0 || len(live) == 0 {
		return nil
	}
	refused := func(th float64) float64 { return rateOf(live, func(r *record) bool { return !r.passes(th) }).Share() }
	worst := curve{Name: "worst species"}
	point := curve{Name: fmt.Sprintf("shipped, %.2f", liveness.Threshold), Dots: true}
	worstAt := func(th float64) (w Rate) {
		for i := range all {
			if a := all[i].accepted(th); w.N == 0 || a.Share() > w.Share() {
				w = a
			}
		}
		return w
	}
	lines := make([]curve, min(3, len(all)))
	for th := -1.; th <= 5; th += .02 {
		x := refused(th)
		worst.add(x, worstAt(th))
		for i := range lines {
			lines[i].Name = all[i].species
			lines[i].add(x, all[i].accepted(th))
		}
	}
	point.bar(refused(liveness.Threshold), worstAt(liveness.Threshold))
	worst.Wide = true
	return []plot{{
		Title: "Attacks accepted against live faces refused, single pictures", Curves: append(append([]curve{worst}, lines...), point),
		X: axis{Label: "BPCER, sets with attacks", Max: .3}, Y: axis{Label: "APCER", Max: 1},
	}}
}

// living is BPCER: live people refused.
func (s *suite) living() section {
	t := section{
		Title:   "Liveness, level passive: live people refused (BPCER)",
		Note:    "Single pictures; a live face that is not found counts as refused. LFW are press pictures, no kiosk frames: the share refused there says how far the score is from being universal.",
		Columns: thresholdColumns("set"),
	}
	var all [3]Rate
	for _, set := range append(spoofSets(), "lfw") {
		live := s.live(set)
		if set == "lfw" {
			live = s.records[set]
		}
		if len(fusions(live)) == 0 {
			continue
		}
		var rates [3]Rate
		for i, th := range thresholds() {
			rates[i] = rateOf(live, func(r *record) bool { return !r.passes(th) })
			if set != "lfw" {
				all[i] = all[i].plus(rates[i])
			}
		}
		t.add(set, rates[0], rates[1], rates[2])
	}
	if all[0].N > 0 {
		t.add("all but lfw", all[0], all[1], all[2])
		s.headline("Liveness, passive: live refused, all but lfw", all[shipped])
	}
	return t
}

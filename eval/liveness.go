package eval

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"facegate/pipeline/liveness"
)

// spoofSets are the sets with attacks.
func spoofSets() []string {
	return []string{"spoof_replay_attack", "spoof_phone_selfies", "spoof_mixed"}
}

// species names a kind of attack: the instrument and what it is shown on.
func species(r *record) string {
	return strings.TrimSpace(r.labels["attack"] + " " + r.labels["medium"])
}

// thresholds are the points of the fusion at which the report is made: the one that is
// shipped, and one to either side.
func thresholds() []float64 { return []float64{1.53, liveness.Threshold, 2.91} }

// attacks is APCER by species, the worst first.
func (s *suite) attacks() section {
	t := section{
		Title: "Liveness, level passive: attacks accepted (APCER) by species",
		Note: fmt.Sprintf("Single pictures. The shipped threshold is %.2f; a door averages frames. An attack in which no face is found cannot be accepted and counts as refused. "+
			"The worst species is the figure that counts.", liveness.Threshold),
		Columns: []string{"set", "species", "at 1.53", fmt.Sprintf("at %.2f (shipped)", liveness.Threshold), "at 2.91", "AUC against the set's live pictures"},
	}
	type line struct {
		set, species string
		rates        []Rate
		auc          float64
	}
	var lines []line
	for _, set := range spoofSets() {
		groups := map[string][]*record{}
		var live []float64
		for _, r := range s.records[set] {
			if r.labels["label"] == "live" {
				if r.live.Ran() {
					live = append(live, r.fusion)
				}
				continue
			}
			groups[species(r)] = append(groups[species(r)], r)
		}
		for name, rs := range groups {
			l := line{set: set, species: name}
			var spoof []float64
			for _, r := range rs {
				if r.live.Ran() {
					spoof = append(spoof, r.fusion)
				}
			}
			l.auc = auc(live, spoof)
			for _, th := range thresholds() {
				l.rates = append(l.rates, rateOf(rs, func(r *record) bool { return r.live.Ran() && r.fusion >= th }))
			}
			lines = append(lines, l)
		}
	}
	slices.SortFunc(lines, func(a, b line) int {
		return cmp.Or(cmp.Compare(b.rates[1].Share(), a.rates[1].Share()), strings.Compare(a.set+a.species, b.set+b.species))
	})
	for _, l := range lines {
		t.add(l.set, l.species, l.rates[0], l.rates[1], l.rates[2], fmt.Sprintf("%.3f", l.auc))
	}
	return t
}

// living is BPCER: live people refused.
func (s *suite) living() section {
	t := section{
		Title:   "Liveness, level passive: live people refused (BPCER)",
		Note:    "Single pictures; a live face that is not found counts as refused. LFW are press pictures, no kiosk frames: the share refused there says how far the score is from being universal.",
		Columns: []string{"set", "at 1.53", fmt.Sprintf("at %.2f (shipped)", liveness.Threshold), "at 2.91"},
	}
	all := make([]Rate, len(thresholds()))
	for _, set := range append(spoofSets(), "lfw") {
		var live []*record
		for _, r := range s.records[set] {
			if set == "lfw" || r.labels["label"] == "live" {
				live = append(live, r)
			}
		}
		if len(live) == 0 {
			continue
		}
		cells := []any{set}
		for i, th := range thresholds() {
			rate := rateOf(live, func(r *record) bool { return !r.live.Ran() || r.fusion < th })
			cells = append(cells, rate)
			if set != "lfw" {
				all[i] = Rate{all[i].K + rate.K, all[i].N + rate.N}
			}
		}
		t.add(cells...)
	}
	if all[0].N > 0 {
		t.add("all but lfw", all[0], all[1], all[2])
	}
	return t
}

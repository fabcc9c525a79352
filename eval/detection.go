package eval

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"facegate/pipeline/face"
)

// detection counts the pictures in which a face is found, set by set.
func (s *suite) detection() section {
	t := section{
		Title:   "Detection",
		Note:    "Pictures with at least one face. Documents and failed captures are split by what they show.",
		Columns: []string{"set", "found"},
	}
	for _, set := range sets() {
		rs := s.records[set]
		groups := map[string][]*record{}
		for _, r := range rs {
			name := set
			switch set {
			case "id_docs":
				name += ", face on it: " + r.labels["face"]
			case "capture_failures":
				name += ", " + r.labels["expected"]
			case "mask_wild", "mask_states":
				name += ", " + r.labels["mask"]
			}
			groups[name] = append(groups[name], r)
		}
		for _, name := range slices.Sorted(maps.Keys(groups)) {
			t.add(name, rateOf(groups[name], (*record).found))
		}
	}
	return t
}

// quality tells which codes the pictures of each set get.
func (s *suite) quality() section {
	t := section{
		Title:   "Quality codes",
		Note:    "How many pictures of a set get which code. For failed captures the expected code is named; LFW's several_faces are press pictures with a second person in them.",
		Columns: []string{"set", "codes"},
	}
	for _, set := range sets() {
		groups := map[string]map[face.Quality]int{}
		for _, r := range s.records[set] {
			name := set
			switch {
			case set == "capture_failures":
				name += ", expected " + r.labels["expected"]
			case r.labels["label"] != "":
				name += ", " + r.labels["label"]
			}
			if groups[name] == nil {
				groups[name] = map[face.Quality]int{}
			}
			groups[name][r.quality]++
		}
		for _, name := range slices.Sorted(maps.Keys(groups)) {
			t.add(name, counts(groups[name]))
		}
	}
	return t
}

// counts lists a tally, largest first.
func counts[K ~string](n map[K]int) string {
	ks := slices.SortedFunc(maps.Keys(n), func(a, b K) int { return cmp.Or(n[b]-n[a], strings.Compare(string(a), string(b))) })
	var out []string
	for _, k := range ks {
		out = append(out, fmt.Sprintf("%s %d", k, n[k]))
	}
	return strings.Join(out, ", ")
}

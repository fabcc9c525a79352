package eval

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// grouped splits the records of a set; groups come in the order of their names.
func grouped(rs []*record, name func(*record) string) ([]string, map[string][]*record) {
	groups := map[string][]*record{}
	for _, r := range rs {
		groups[name(r)] = append(groups[name(r)], r)
	}
	return slices.Sorted(maps.Keys(groups)), groups
}

// detection counts the pictures in which a face is found, set by set.
func (s *suite) detection() section {
	t := section{
		Title: "Detection",
		Note: "Found: a detector saw at least one face. Judged no_face: after looking at what the detectors saw, the pipeline says that there is no face. " +
			"Documents, masks and failed captures are split by what they show.",
		Columns: []string{"set", "found", "judged no_face"},
	}
	for _, set := range Sets() {
		names, groups := grouped(s.records[set], func(r *record) string {
			switch {
			case r.labels["mask"] != "":
				return set + ", " + r.labels["mask"]
			case r.labels["expected"] != "":
				return set + ", expected " + r.labels["expected"]
			case set == "id_docs" && r.labels["face"] != "":
				return set + ", face on it: " + r.labels["face"]
			}
			return set
		})
		for _, name := range names {
			t.add(name, rateOf(groups[name], (*record).found), rateOf(groups[name], (*record).faceless))
		}
	}
	for _, set := range []string{"lfw", "spoof_replay_attack", "head_helmet"} {
		s.rateHeadline("Detection: pictures without a face found, "+set, rateOf(s.records[set], func(r *record) bool { return !r.found() }))
	}
	return t
}

// quality tells which codes the pictures of each set get.
func (s *suite) quality() section {
	t := section{
		Title:   "Quality codes",
		Note:    "How many pictures of a set get which code. For failed captures the expected code is named. LFW's several_faces are press pictures with a second person in them.",
		Columns: []string{"set", "codes"},
	}
	for _, set := range Sets() {
		names, groups := grouped(s.records[set], func(r *record) string {
			switch {
			case r.labels["expected"] != "":
				return set + ", expected " + r.labels["expected"]
			case r.labels["label"] != "":
				return set + ", " + r.labels["label"]
			}
			return set
		})
		for _, name := range names {
			t.add(name, tally(said(groups[name], func(r *record) string { return string(r.quality) })))
		}
	}
	return t
}

// said counts what is said of records.
func said(rs []*record, says func(*record) string) map[string]int {
	n := map[string]int{}
	for _, r := range rs {
		n[says(r)]++
	}
	return n
}

// tally lists counts, the largest first.
func tally(n map[string]int) string {
	names := slices.SortedFunc(maps.Keys(n), func(a, b string) int { return cmp.Or(n[b]-n[a], strings.Compare(a, b)) })
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %d", name, n[name])
	}
	return strings.Join(names, ", ")
}

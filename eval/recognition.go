package eval

import (
	"fmt"
	"maps"
	"math"
	"path"
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

// recognition reports 1:1 and 1:N figures on lfw.
func (s *suite) recognition(cal *match.Calibration) ([]section, error) {
	rs := s.records["lfw"]
	if len(rs) == 0 {
		return nil, nil
	}
	pairs, err := table(filepath.Join(s.dir, "lfw", "pairs.csv"))
	if err != nil {
		return nil, err
	}
	byFile := make(map[string]*record, len(rs))
	var with []*record
	for _, r := range rs {
		byFile[r.labels["file"]] = r
		if r.embedding != nil {
			with = append(with, r)
		}
	}

	var genuine, listed []float64
	lost := 0
	for _, p := range pairs {
		a, b := byFile[p["file1"]], byFile[p["file2"]]
		switch {
		case a == nil || b == nil || a.embedding == nil || b.embedding == nil:
			if p["same"] == "1" {
				lost++
			}
		case p["same"] == "1":
			genuine = append(genuine, cosine(a.embedding, b.embedding))
		case identityOf(a) != identityOf(b):
			listed = append(listed, cosine(a.embedding, b.embedding))
		}
	}
	var all Impostors
	for i, a := range with {
		for _, b := range with[i+1:] {
			if identityOf(a) != identityOf(b) {
				all.add(cosine(a.embedding, b.embedding))
			}
		}
	}
	all.sort()

	t := section{
		Title: "Recognition, 1:1 (lfw)",
		Note: fmt.Sprintf("%d genuine pairs of pairs.csv (%d lost: no face found), %d impostor pairs: every two pictures of two people. "+
			"The first threshold gives that false match rate on these very pictures; the second is the one that is shipped (the model's calibration), with the rate it gives here. "+
			"A pair that is lost counts as a false non-match. AUC of the listed pairs %.5f.", len(genuine), lost, all.n, auc(genuine, listed)),
		Columns: []string{"FMR", "threshold here", "FNMR", "shipped threshold", "FNMR at it", "FMR at it"},
	}
	missed := func(t float64) Rate {
		r := rateOf(genuine, func(v float64) bool { return v < t })
		return Rate{r.K + lost, r.N + lost}
	}
	for _, f := range rates() {
		own, measured := all.threshold(f)
		here, fnmr := "too few pairs", "–"
		if measured {
			here, fnmr = fmt.Sprintf("%.3f", own), missed(own).String()
		}
		shipped := cal.Threshold(1, f, 0).Cosine
		t.add(fmt.Sprintf("%.0e", f), here, fnmr, fmt.Sprintf("%.3f", shipped), missed(shipped).String(), all.errors(shipped).String())
	}
	det := plot{Title: "DET curve, lfw", XLabel: "false match rate", YLabel: "false non-match rate", XMin: 1e-6, XMax: 1e-1, YMin: 1e-3, YMax: 1}
	c := curve{Name: s.model}
	for e := -6.0; e <= -1; e += .05 {
		if th, ok := all.threshold(math.Pow(10, e)); ok {
			c.X, c.Y = append(c.X, math.Pow(10, e)), append(c.Y, missed(th).Share())
		}
	}
	det.Curves = []curve{c}
	t.Plots = []plot{det}
	return []section{t, s.identification(with, cal), s.webcam(cal)}, nil
}

// identification enrols two pictures of every person who has more, and searches with the
// rest and with strangers, for growing galleries.
func (s *suite) identification(with []*record, cal *match.Calibration) section {
	t := section{
		Title: "Recognition, 1:N (lfw)",
		Note: "Gallery: the first two pictures of each person; probes: their other pictures; strangers: people with one picture. " +
			"The threshold is the shipped one for the gallery's size (FPIR target 1e-3). FNIR: the right person is not named. FPIR: a stranger is named.",
		Columns: []string{"people", "probes", "threshold", "FNIR", "wrong name", "strangers", "FPIR"},
	}
	byName := map[string][]*record{}
	var strangers []*record
	for _, r := range with {
		if r.labels["role"] == "single" {
			strangers = append(strangers, r)
		} else {
			byName[identityOf(r)] = append(byName[identityOf(r)], r)
		}
	}
	strangers = slices.DeleteFunc(strangers, func(r *record) bool { return byName[identityOf(r)] != nil })
	names := slices.Sorted(maps.Keys(byName))
	for _, n := range []int{10, 30, 100, 300, len(names)} {
		if n > len(names) {
			continue
		}
		// People are taken at even steps through the alphabet, so that a small gallery is not all one letter.
		gallery, probes := map[string][]*record{}, []*record{}
		for i := range n {
			name := names[i*len(names)/n]
			rs := byName[name]
			gallery[name] = rs[:min(2, len(rs))]
			if len(rs) > 2 {
				probes = append(probes, rs[2:]...)
			}
		}
		th := cal.Threshold(2*n, match.DefaultFPIR, match.DefaultPolicyScore).Cosine
		best := func(p *record) (string, float64) {
			name, top := "", -1.0
			for _, who := range names {
				for _, g := range gallery[who] {
					if v := cosine(p.embedding, g.embedding); v > top {
						name, top = who, v
					}
				}
			}
			return name, top
		}
		missed, wrong, named := Rate{N: len(probes)}, Rate{N: len(probes)}, Rate{N: len(strangers)}
		for _, p := range probes {
			name, v := best(p)
			if v < th || name != identityOf(p) {
				missed.K++
			}
			if v >= th && name != identityOf(p) {
				wrong.K++
			}
		}
		for _, p := range strangers {
			if _, v := best(p); v >= th {
				named.K++
			}
		}
		t.add(n, missed.N, fmt.Sprintf("%.3f", th), missed, wrong, named.N, named)
	}
	return t
}

// webcam compares live frames of spoof_replay_attack across its two lights.
func (s *suite) webcam(cal *match.Calibration) section {
	t := section{
		Title:   "Recognition on a webcam (live frames of spoof_replay_attack)",
		Note:    "Thresholds are the shipped ones, made on lfw. The false match rate of a webcam is higher than that of press pictures: this is why.",
		Columns: []string{"shipped FMR", "FNMR, same light", "FNMR, other light", "FMR"},
	}
	var live []*record
	for _, r := range s.records["spoof_replay_attack"] {
		if r.labels["label"] == "live" && r.embedding != nil {
			live = append(live, r)
		}
	}
	if len(live) == 0 {
		return section{}
	}
	var same, other, impostor []float64
	for i, a := range live {
		for _, b := range live[i+1:] {
			v := cosine(a.embedding, b.embedding)
			switch {
			case a.labels["client"] != b.labels["client"]:
				impostor = append(impostor, v)
			case a.labels["light"] == b.labels["light"]:
				same = append(same, v)
			default:
				other = append(other, v)
			}
		}
	}
	for _, f := range rates() {
		th := cal.Threshold(1, f, 0).Cosine
		below := func(v float64) bool { return v < th }
		t.add(fmt.Sprintf("%.0e", f), rateOf(same, below), rateOf(other, below), rateOf(impostor, func(v float64) bool { return v >= th }))
	}
	return t
}

// pictureID is how a report names a picture: set and file.
func pictureID(set, file string) string { return path.Join(set, file) }

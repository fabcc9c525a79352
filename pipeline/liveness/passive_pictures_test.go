package liveness

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"facegate/internal/sharedtest"
)

// What the open pictures may do at the threshold, by species: attacks accepted.
func TestPassiveBySpecies(t *testing.T) {
	sets := []string{"spoof_replay_attack", "spoof_phone_selfies", "spoof_mixed"}
	allowed := map[string]int{"print paper": 2, "replay_photo iPad screen": 5, "replay_video": 2}
	const refusedLive = 7

	e := newEye(t)
	p, err := NewPassive(sharedtest.Loader(t))
	if err != nil {
		t.Fatal(err)
	}
	var dump strings.Builder
	total, accepted := map[string]int{}, map[string]int{}
	live, refused, lost := 0, 0, 0
	for _, set := range sets {
		for i, r := range rows(t, set) {
			if testing.Short() && i%8 != 0 {
				continue
			}
			img := read(t, r["path"])
			s, ok := e.look(t, img)
			if !ok {
				lost++ // faces cut by the picture's edge
				continue
			}
			scores, err := p.Score(img, &s.mesh)
			if err != nil {
				t.Errorf("%s: %v", r["file"], err)
				continue
			}
			f := scores.Fusion()
			fmt.Fprintf(&dump, "%s/%s,%.6f\n", set, r["file"], f)
			if r["label"] == "live" {
				live++
				if f < Threshold {
					refused++
				}
				continue
			}
			kind := strings.TrimSpace(r["attack"] + " " + r["medium"])
			total[kind]++
			if f >= Threshold {
				accepted[kind]++
			}
		}
	}
	t.Logf("live refused %d of %d; no face in %d pictures", refused, live, lost)
	if lost > 7 {
		t.Errorf("no face in %d pictures, want at most 7", lost)
	}
	if refused > refusedLive {
		t.Errorf("%d of %d live pictures refused, want at most %d", refused, live, refusedLive)
	}
	for _, k := range slices.Sorted(maps.Keys(total)) {
		t.Logf("%s: %d of %d accepted", k, accepted[k], total[k])
		if accepted[k] > allowed[k] {
			t.Errorf("%s: %d of %d accepted, want at most %d", k, accepted[k], total[k], allowed[k])
		}
	}
	if path := os.Getenv("LIVENESS_SCORES"); path != "" {
		if err := os.WriteFile(path, []byte(dump.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

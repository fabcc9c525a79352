package models

import (
	"strings"
	"testing"
	"time"
)

func TestUnlicensed(t *testing.T) {
	l := &List{Entries: []Entry{
		{Kind: KindModel, Role: "mesh", File: "mesh.tflite"},
		{Kind: KindModel, Role: "mask", File: "mask.tflite", LicensedUntil: "2030-06-30"},
		{Kind: KindModel, Role: "iris", File: "iris.tflite", LicensedTo: []string{"acme", "globex"}},
	}}
	day := func(s string) time.Time {
		at, err := time.Parse(time.DateTime, s)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	all := []string{"mesh", "mask", "iris", "not there"}
	for _, tt := range []struct{ tenant, at, roles, because string }{
		{"acme", "2030-06-30 23:59:59", "", ""},
		{"globex", "2030-07-01 00:00:00", "mask", "mask.tflite: its licence ended on 2030-06-30"},
		{"demo", "2030-06-30 12:00:00", "iris", `iris.tflite: its licence is not for tenant "demo"`},
		{"", "2031-01-01 12:00:00", "mask iris", `mask.tflite: its licence ended on 2030-06-30; iris.tflite: its licence is not for tenant ""`},
	} {
		roles, because := l.Unlicensed(all, tt.tenant, day(tt.at))
		if strings.Join(roles, " ") != tt.roles || because != tt.because {
			t.Errorf("%q at %s: got %q because %q, want %q because %q", tt.tenant, tt.at, roles, because, tt.roles, tt.because)
		}
	}
	if roles, _ := l.Unlicensed([]string{"mesh"}, "demo", day("2031-01-01 12:00:00")); len(roles) > 0 {
		t.Errorf("a role that was not asked about: %q", roles)
	}
}

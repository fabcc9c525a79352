package apitest

import (
	"encoding/json"
	"testing"
)

func TestFits(t *testing.T) {
	for _, tt := range []struct {
		v           any
		placeholder string
		want        bool
	}{
		{json.Number("0.8"), "<number 0.8 1 4>", true},
		{json.Number("1"), "<number 0.8 1 4>", true},
		{json.Number("0.7999"), "<number 0.8 1 4>", false},
		{json.Number("0.80001"), "<number 0.8 1 4>", false},
		{json.Number("0.9"), "<number 0.8 1 =3>", false},
		{json.Number("0.900"), "<number 0.8 1 =3>", true},
		{json.Number("9e-1"), "<number 0.8 1 4>", false},
		{"0.9", "<number 0.8 1 4>", false},
		{json.Number("1"), "<number x>", false},
		{json.Number("1"), "<number>", true},
		{"2026-01-01T00:00:00Z", "<time>", true},
		{"2026-01-01T00:00:00Z", "<time ms>", false},
		{"2026-01-01T00:00:00.120Z", "<time ms>", true},
		{"", "<string>", false},
		{nil, "<any>", false},
		{json.Number("1"), "<digits>", false},
		{"17", "<digits>", true},
	} {
		if got := fits(tt.v, tt.placeholder); got != tt.want {
			t.Errorf("%v as %s: %v", tt.v, tt.placeholder, got)
		}
	}
}

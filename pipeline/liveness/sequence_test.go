package liveness

import (
	"testing"

	"facegate/pipeline/face"
)

func TestSequenceOfFewPictures(t *testing.T) {
	type picture struct {
		m    *face.Mesh
		seed uint64
	}
	straight, turned := picture{head(0, 0, false), 1}, picture{head(30, 0, false), 2}
	plane := picture{head(40, 0, true), 3}
	tests := []struct {
		name     string
		level    Level
		fusion   float64
		pictures []picture
		want     Verdict
	}{
		{"straight, then turned", LevelDepth, good, []picture{straight, turned, straight}, Live},
		{"turned, then straight", LevelDepth, good, []picture{turned, straight, straight}, Live},
		{"a challenge is judged as depth", LevelChallenge, good, []picture{straight, turned, straight}, Live},
		{"never turned", LevelDepth, good, []picture{straight, straight, straight, straight}, Spoof},
		{"never straight", LevelDepth, good, []picture{turned, turned, turned}, Spoof},
		{"a plane before the turned head", LevelDepth, good, []picture{straight, plane, turned}, Spoof},
		{"a plane after it", LevelDepth, good, []picture{straight, turned, plane}, Live},
		{"turned, but it looks fake", LevelDepth, bad, []picture{straight, turned, straight}, Spoof},
		{"too few to score", LevelDepth, good, []picture{straight, turned}, Pending},
		{"straight at level passive", LevelPassive, good, []picture{straight, straight, straight}, Live},
	}
	for _, tt := range tests {
		q := NewSequence(tt.level, len(tt.pictures))
		for _, p := range tt.pictures {
			q.Feed(Frame{Image: noise(p.seed), Mesh: p.m, Box: where, Scored: true, Fusion: tt.fusion})
		}
		if got := q.End(); got.Verdict != tt.want {
			t.Errorf("%s: got %v (%s), want %v", tt.name, got.Verdict, got.Detail, tt.want)
		}
	}
}

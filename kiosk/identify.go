package kiosk

import (
	"fmt"

	"facegate/models"
	"facegate/pipeline"
	"facegate/pipeline/match"
)

// NewIdentifier returns an Identifier with an empty gallery for what the Analyser makes, the
// calibration that the manifest has for its embedder, and the shipped thresholds.
func NewIdentifier(list *models.List, an *pipeline.Analyser) (*pipeline.Identifier, error) {
	m, ok := list.Embedder(an.Embedder())
	if !ok {
		return nil, fmt.Errorf("the manifest has no embedder %q", an.Embedder())
	}
	points := make([]match.Point, len(m.Calibration))
	for i, p := range m.Calibration {
		points[i] = match.Point(p)
	}
	cal, err := match.CalibrationFromPoints(points)
	if err != nil {
		return nil, fmt.Errorf("calibration of %s: %w", m.ID, err)
	}
	gallery, err := match.NewGallery(an.Model(), an.Dim())
	if err != nil {
		return nil, err
	}
	return &pipeline.Identifier{
		Gallery: gallery, Calibration: cal,
		FPIR: match.DefaultFPIR, PolicyScore: match.DefaultPolicyScore, Margin: match.DefaultMargin,
	}, nil
}

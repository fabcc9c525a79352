package kiosk

import (
	"facegate/models"
	"facegate/pipeline"
	"facegate/pipeline/match"
)

// NewIdentifier returns an Identifier with an empty gallery for what the Analyser makes, the
// calibrations that the manifest has for its embedder, and the shipped thresholds.
func NewIdentifier(list *models.List, an *pipeline.Analyser) (*pipeline.Identifier, error) {
	r, err := pipeline.NewReference(list, an, an.Model())
	if err != nil {
		return nil, err
	}
	return &pipeline.Identifier{
		Gallery: r.Gallery, Calibration: r.Calibration, Masked: r.Masked,
		FPIR: match.DefaultFPIR, PolicyScore: match.DefaultPolicyScore, Margin: match.DefaultMargin,
	}, nil
}

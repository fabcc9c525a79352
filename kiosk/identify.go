package kiosk

import (
	"errors"
	"fmt"

	"facegate/models"
	"facegate/pipeline"
	"facegate/pipeline/litert"
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

// AddOlder lets an Identifier know those who are enrolled with models that were used before, as
// many of which as the Analyser can still serve. Each gallery is empty. The error joins one
// for every model that it cannot: who is enrolled with nothing else is not recognised.
func AddOlder(list *models.List, an *pipeline.Analyser, id *pipeline.Identifier, load litert.Loader, enrolled map[string]int) error {
	var errs []error
	for model, n := range enrolled {
		if model == an.Model() {
			continue
		}
		err := an.AddEmbedder(load, model)
		var r pipeline.Reference
		if err == nil {
			r, err = pipeline.NewReference(list, an, model)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%d templates of %s: %w", n, model, err))
			continue
		}
		id.Older = append(id.Older, r)
	}
	return errors.Join(errs...)
}

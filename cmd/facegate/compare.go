package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"facegate/pipeline"
	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/match"
)

// A comparison is the line `facegate compare` prints. Without a face in both pictures there
// are no numbers.
type comparison struct {
	A        string       `json:"a"`
	B        string       `json:"b"`
	Cosine   *float64     `json:"cosine"`
	Score    *float64     `json:"score"`
	FMR      *float64     `json:"fmr"`
	Same     bool         `json:"same"`
	QualityA face.Quality `json:"quality_a"`
	QualityB face.Quality `json:"quality_b"`
	Model    string       `json:"model"`
}

// leastFMR is the rate below which nothing was measured: 1.7 million pairs say no more.
const leastFMR = 1e-6

func compare(_ context.Context, e *env, args []string) error {
	files, err := parse(e.flags("compare"), args)
	if err != nil {
		return err
	}
	if len(files) != 2 {
		return usagef("compare takes two pictures")
	}
	s, err := e.sight()
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // the process ends
	an, id := s.an, s.id
	c := comparison{A: files[0], B: files[1], Model: an.Model()}
	a, qa, err := template(an, files[0])
	if err != nil {
		return err
	}
	b, qb, err := template(an, files[1])
	if err != nil {
		return err
	}
	c.QualityA, c.QualityB = qa, qb
	if a != nil && b != nil {
		cosine, err := match.Compare(match.Template{Model: c.Model, Vector: a}, match.Template{Model: c.Model, Vector: b})
		if err != nil {
			return err
		}
		fmr, _ := id.Calibration.FMR(cosine)
		fmr = max(fmr, leastFMR)
		score := id.Calibration.Score(cosine)
		c.Cosine, c.Score, c.FMR = new(round(cosine, 4)), new(round(score, 2)), &fmr
		c.Same = score >= match.DefaultPolicyScore
	}
	if err := json.NewEncoder(e.stdout).Encode(c); err != nil {
		return err
	}
	if !c.Same {
		return errNo
	}
	return nil
}

// template is the embedding of a picture's face, nil where there is none, and the quality
// code. Only a file that cannot be opened, or a model that fails, is an error.
func template(an *pipeline.Analyser, file string) ([]float32, face.Quality, error) {
	img, err := picture(file)
	if errors.Is(err, imgproc.ErrPicture) {
		return nil, face.ImageError, nil
	} else if err != nil {
		return nil, "", err
	}
	a, err := an.Picture(img, pipeline.Eyes|pipeline.Mask|pipeline.Parsing|pipeline.Embedding)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", file, err)
	}
	return slices.Clone(a.Embedding), a.Quality, nil
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"facegate/pipeline"
	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/liveness"
)

// A finding is the line `facegate analyse` prints for one picture. Names and meaning are
// fixed from outside; what a stage did not tell is null.
type finding struct {
	File       string         `json:"file"`
	Width      int            `json:"width"`
	Height     int            `json:"height"`
	Faces      int            `json:"faces"`
	Quality    face.Quality   `json:"quality"`
	Box        *[4]float64    `json:"box"`
	Landmarks  *[5][2]float64 `json:"landmarks"`
	Yaw        *float64       `json:"yaw"`
	Pitch      *float64       `json:"pitch"`
	Roll       *float64       `json:"roll"`
	EyesOpen   pipeline.Score `json:"eyes_open"`
	Blur       *float64       `json:"blur"`
	Brightness *float64       `json:"brightness"`
	Liveness   pipeline.Score `json:"liveness"`
	Live       *bool          `json:"live"`
	Mask       pipeline.Score `json:"mask"`
	MaskState  string         `json:"mask_state"`
	Helmet     pipeline.Score `json:"helmet"`
	HeadCover  string         `json:"head_cover"`
	Occluded   pipeline.Score `json:"occluded"`
	Occlusion  []string       `json:"occlusion"`
	Model      string         `json:"model"`
	MS         float64        `json:"ms"`
}

func unreadable(file, model string) finding {
	nan := pipeline.NotRun()
	return finding{
		File: file, Quality: face.ImageError, EyesOpen: nan, Liveness: nan, Mask: nan, Helmet: nan, Occluded: nan,
		MaskState: "unknown", HeadCover: "unknown", Occlusion: []string{}, Model: model,
	}
}

// newFinding rounds what the pipeline saw for people.
func newFinding(file, model string, a *pipeline.Analysis) finding {
	f := unreadable(file, model)
	f.Width, f.Height, f.Faces, f.Quality = a.Width, a.Height, a.Faces, a.Quality
	if a.Quality == face.NoFace {
		return f
	}
	b := a.Face.Box
	f.Box = &[4]float64{round(b.X0, 1), round(b.Y0, 1), round(b.X1, 1), round(b.Y1, 1)}
	f.Landmarks = new([5][2]float64)
	for i, p := range a.Mesh.Five() {
		f.Landmarks[i] = [2]float64{round(p.X, 1), round(p.Y, 1)}
	}
	f.Yaw, f.Pitch, f.Roll = new(round(a.Pose.Yaw, 1)), new(round(a.Pose.Pitch, 1)), new(round(a.Pose.Roll, 1))
	f.Blur, f.Brightness = new(round(a.Blur, 3)), new(round(a.Brightness, 3))
	f.EyesOpen, f.Liveness = a.EyesOpen, a.Liveness
	if a.Liveness.Ran() {
		f.Live = new(a.Liveness >= .5)
	}
	c := &a.Cover
	f.Mask, f.MaskState = pipeline.Score(c.Mask), string(c.MaskState)
	f.Helmet, f.HeadCover = pipeline.Score(c.Helmet), string(c.HeadCover)
	f.Occluded, f.Occlusion = pipeline.Score(c.Occluded), c.Occlusion.Names()
	return f
}

func round(x float64, places int) float64 {
	k := math.Pow10(places)
	return math.Round(x*k) / k
}

func analyse(ctx context.Context, e *env, args []string) error {
	fs := e.flags("analyse")
	sequence := fs.String("sequence", "", "directory of one person's frames, in name order")
	var how sequenceFlags
	fs.StringVar(&how.level, "level", string(liveness.LevelDepth), "with --sequence: depth or passive")
	fs.Float64Var(&how.fps, "fps", 10, "with --sequence: frames a second of the recording")
	files, err := parse(fs, args)
	if err != nil {
		return err
	}
	if (*sequence == "") == (len(files) == 0) {
		return usagef("name pictures, or --sequence DIR")
	}
	s, err := e.sight()
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // the process ends
	an := s.an
	if *sequence != "" {
		return analyseSequence(ctx, e, s, *sequence, how)
	}
	enc := json.NewEncoder(e.stdout)
	var missing error
	for _, file := range files {
		f, err := analyseOne(an, file)
		if err != nil {
			if f.File == "" {
				return err
			}
			fmt.Fprintf(e.stderr, "facegate analyse: %v\n", err)
			if !errors.Is(err, imgproc.ErrPicture) {
				missing = fmt.Errorf("not every file could be opened")
			}
		}
		if err := enc.Encode(f); err != nil {
			return err
		}
	}
	return missing
}

// analyseOne judges one picture with every stage. Where the file is no picture the finding
// says so beside the error; a model that failed is an error without a finding.
func analyseOne(an *pipeline.Analyser, file string) (finding, error) {
	img, err := picture(file)
	if err != nil {
		return unreadable(file, an.Model()), err
	}
	started := time.Now()
	a, err := an.Picture(img, pipeline.AllStages&^pipeline.Embedding)
	if err != nil {
		return finding{}, fmt.Errorf("%s: %w", file, err)
	}
	f := newFinding(file, an.Model(), a)
	f.MS = milliseconds(started)
	return f, nil
}

package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"facegate/device"
	"facegate/pipeline"
	"facegate/pipeline/imgproc"
)

const (
	morePictures = 4 // labelled ones beside the portrait
	peerShare    = 4 // a peer has a quarter of our runs: it takes longer
)

// goals are how many times faster than a peer facegate is to be.
func goals() map[string]float64 {
	return map[string]float64{"@vladmandic/human": 8, "face_recognition": 5}
}

// A picture is one that all engines are shown.
type picture struct {
	name string
	rgb  *imgproc.Image
}

// pictures are the portrait and, where there are labelled ones, webcam frames of the first
// few people among them.
func (b *bench) pictures(an *pipeline.Analyser) ([]picture, error) {
	files := []string{b.Portrait}
	if b.Faces != "" {
		more, err := filepath.Glob(filepath.Join(b.Faces, "spoof_replay_attack", "live", "*_controlled_1.jpg"))
		if err != nil {
			return nil, err
		}
		slices.Sort(more)
		files = append(files, more[:min(len(more), morePictures)]...)
	}
	out := make([]picture, 0, len(files))
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		m, err := imgproc.Decode(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		a, err := an.Picture(m, 0)
		if err != nil {
			return nil, err
		}
		if a.Faces == 0 {
			return nil, fmt.Errorf("%s: no face", file)
		}
		name := "portrait"
		if len(out) > 0 {
			name, _, _ = strings.Cut(filepath.Base(file), "_")
		}
		out = append(out, picture{name, before(m, a.Face.Box)})
	}
	return out, nil
}

// beside shows the same pictures to facegate and to every peer, taking turns. Raw RGB is the
// one thing that all of them read; the peers' conversion from a camera's format is not
// counted.
func (b *bench) beside(ctx context.Context, c *chain, all []picture) (err error) {
	type guest struct {
		Peer
		version string
	}
	var guests []guest
	defer func() {
		for _, g := range guests {
			err = errors.Join(err, g.Close())
		}
	}()
	for _, p := range b.Peers {
		version, err := p.Open(ctx)
		if errors.Is(err, ErrNotInstalled) {
			b.report.add(Row{Suite: b.suite, Name: "frame with a face, RGB24", Engine: p.Name(), Answers: "not installed", Absent: true})
			continue
		}
		if err != nil {
			return fmt.Errorf("open %s: %w", p.Name(), err)
		}
		guests = append(guests, guest{p, version})
	}
	for i, shown := range all {
		f, err := frame(shown.rgb, device.RGB24)
		if err != nil {
			return err
		}
		file := filepath.Join(b.dir, shown.name+".rgb")
		if err := os.WriteFile(file, f.Data, 0o600); err != nil {
			return err
		}
		runs, name := b.Runs, "frame with a face, RGB24"
		if i > 0 {
			runs, name = max(rounds, b.Runs/4), fmt.Sprintf("the same, picture %s", shown.name)
		}
		n, engines := []int{runs}, []engine{c.engine(f)}
		for _, g := range guests {
			n = append(n, max(rounds, runs/peerShare))
			engines = append(engines, func(ctx context.Context, runs int) (pass, error) {
				l, err := g.Look(ctx, file, f.Width, f.Height, runs)
				if err != nil {
					return pass{}, fmt.Errorf("%s: %w", g.Name(), err)
				}
				return pass{
					total: l.Millis, answers: fmt.Sprintf("%d face(s), %d numbers", l.Faces, l.Embedding),
					valid: l.Faces == 1 && l.Embedding > 0,
				}, nil
			})
		}
		got, err := sideBySide(ctx, n, engines)
		if err != nil {
			return err
		}
		var first *Row
		if i == 0 {
			first = b.face(name, got[0])
		} else {
			first = b.row(name, got[0].total, got[0].answers, got[0].valid)
		}
		for k, g := range guests {
			row := b.report.add(Row{
				Suite: b.suite, Name: name, Engine: g.Name(), Version: g.version,
				sample: got[k+1].total, Answers: got[k+1].answers, Valid: got[k+1].valid,
			})
			goal := goals()[g.Name()]
			if i > 0 {
				goal = 0
			}
			row.against(first, goal)
		}
	}
	return nil
}

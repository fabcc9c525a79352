package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"facegate/kiosk"
	"facegate/pipeline"
	"facegate/pipeline/face"
	"facegate/pipeline/match"
)

// An identity is the line `facegate identify` prints for one picture.
type identity struct {
	File      string       `json:"file"`
	Quality   face.Quality `json:"quality"`
	Outcome   string       `json:"outcome"` // match, ambiguous, unknown
	Person    *string      `json:"person"`
	Score     *float64     `json:"score"`
	Cosine    *float64     `json:"cosine"`
	Margin    *float64     `json:"margin"`
	Threshold float64      `json:"threshold"` // calibrated score
	FPIR      float64      `json:"fpir"`      // implied by threshold and gallery
	Beyond    bool         `json:"beyond"`    // the rate needed lies beyond what was measured
	Templates int          `json:"templates"`
	People    int          `json:"people"`
	Model     string       `json:"model"`
}

func identify(ctx context.Context, e *env, args []string) error {
	flags := e.flags("identify")
	gallery := flags.String("gallery", "", "directory with a folder a person, or a CSV file with columns person,file")
	files, err := parse(flags, args)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return usagef("identify takes pictures")
	}
	s, err := e.sight()
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // the process ends
	an, id := s.an, s.id
	if *gallery == "" {
		err = e.loadStore(ctx, id)
	} else {
		err = loadPictures(e, an, id, *gallery)
	}
	if err != nil {
		return err
	}
	enc := json.NewEncoder(e.stdout)
	all := true
	for _, file := range files {
		line, err := identifyOne(an, id, file)
		if err != nil {
			return err
		}
		all = all && line.Outcome == match.Matched.String()
		if err := enc.Encode(line); err != nil {
			return err
		}
	}
	if !all {
		return errNo
	}
	return nil
}

func identifyOne(an *pipeline.Analyser, id *pipeline.Identifier, file string) (identity, error) {
	v, q, err := template(an, file)
	if err != nil {
		return identity{}, err
	}
	templates, people := id.Gallery.Len()
	t := id.Calibration.Threshold(templates, id.FPIR, id.PolicyScore)
	line := identity{
		File: file, Quality: q, Outcome: match.Unknown.String(), Threshold: round(t.Score, 2), FPIR: t.FPIR, Beyond: t.Beyond,
		Templates: templates, People: people, Model: an.Model(),
	}
	if v == nil {
		return line, nil
	}
	var r match.Result
	if err := id.Gallery.Search(match.Template{Model: an.Model(), Vector: v}, 2, &r); err != nil {
		return identity{}, fmt.Errorf("%s: %w", file, err)
	}
	outcome := match.Decide(&r, t, id.Margin)
	line.Outcome = outcome.String()
	if len(r.Candidates) > 0 {
		first := r.Candidates[0]
		line.Score, line.Cosine = new(round(id.Calibration.Score(first.Cosine), 2)), new(round(first.Cosine, 4))
		if len(r.Candidates) > 1 {
			line.Margin = new(round(r.Margin(), 4))
		}
		if outcome == match.Matched {
			line.Person = &first.Person
		}
	}
	return line, nil
}

// loadStore fills the gallery with the people enrolled at this instance.
func (e *env) loadStore(ctx context.Context, id *pipeline.Identifier) error {
	db, err := e.store(ctx)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // only read
	people := kiosk.People{DB: db, Galleries: []*match.Gallery{id.Gallery}, Log: slog.New(slog.DiscardHandler)}
	return people.Load(ctx)
}

// loadPictures fills the gallery from pictures: a folder a person, or a CSV file.
func loadPictures(e *env, an *pipeline.Analyser, id *pipeline.Identifier, path string) error {
	list, err := galleryList(path)
	if err != nil {
		return err
	}
	bar := newProgress(e.stderr, "gallery", len(list))
	for _, g := range list {
		v, q, err := template(an, g.file)
		if err != nil {
			return err
		}
		if v == nil {
			fmt.Fprintf(e.stderr, "left out of the gallery: %s: %s\n", g.file, q)
			continue
		}
		if err := id.Gallery.Add(g.person, match.Template{Model: an.Model(), Vector: v}); err != nil {
			return fmt.Errorf("%s: %w", g.file, err)
		}
		bar.step()
	}
	bar.done()
	return nil
}

// An enrolled picture of a gallery that is not a store.
type enrolled struct{ person, file string }

func galleryList(path string) ([]enrolled, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	var list []enrolled
	if st.IsDir() {
		err := filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
			if err != nil || !isPictureName(d) {
				return err
			}
			rel, err := filepath.Rel(path, p)
			if err != nil {
				return err
			}
			if person, _, ok := strings.Cut(filepath.ToSlash(rel), "/"); ok {
				list = append(list, enrolled{person, p})
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	} else if list, err = galleryCSV(path); err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s holds no pictures: it needs a folder a person, or columns person,file", path)
	}
	return list, nil
}

func galleryCSV(path string) ([]enrolled, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(lines) == 0 {
		return nil, errors.New("an empty list")
	}
	person := slices.IndexFunc(lines[0], func(c string) bool { return slices.Contains([]string{"person", "identity", "id"}, c) })
	file := slices.Index(lines[0], "file")
	if person < 0 || file < 0 {
		return nil, fmt.Errorf("%s: the first row must name the columns person and file", path)
	}
	var list []enrolled
	for _, l := range lines[1:] {
		name := l[file]
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(path), name)
		}
		list = append(list, enrolled{l[person], name})
	}
	return list, nil
}

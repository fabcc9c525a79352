package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"

	"facegate/internal/config"
	"facegate/kiosk"
	"facegate/models/load"
	"facegate/pipeline"
	"facegate/pipeline/imgproc"
	"facegate/store"
)

// print writes v as a line of JSON, or what human writes.
func (e *env) print(v any, human func(io.Writer)) error {
	if e.json {
		return json.NewEncoder(e.stdout).Encode(v)
	}
	human(e.stdout)
	return nil
}

// config is the instance's configuration: its facegate.toml, or the defaults.
func (e *env) config() (*config.Config, error) {
	home, err := config.Home(e.home)
	if err != nil {
		return nil, err
	}
	return config.Open("", home)
}

// engine opens the runtime and the models of the instance, every file verified.
func (e *env) engine() (*load.Engine, error) {
	c, err := e.config()
	if err != nil {
		return nil, err
	}
	return load.Open(c.Home, c.Models.Dir, 1)
}

// A sight is the whole pipeline for single pictures, with an empty gallery for its templates.
type sight struct {
	engine *load.Engine
	an     *pipeline.Analyser
	id     *pipeline.Identifier
}

func (e *env) sight() (*sight, error) {
	c, err := e.config()
	if err != nil {
		return nil, err
	}
	g, err := e.engine()
	if err != nil {
		return nil, err
	}
	s := &sight{engine: g}
	if s.an, err = pipeline.Open(g.Load, c.Models.Embedder); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	if s.id, err = kiosk.NewIdentifier(g.Models.List(), s.an); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close frees models and runtime.
func (s *sight) Close() error { return errors.Join(s.an.Close(), s.engine.Close()) }

// store opens the instance's store beside a daemon that may be running.
func (e *env) store(ctx context.Context) (*store.DB, error) {
	c, err := e.config()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.Home, 0o755); err != nil {
		return nil, fmt.Errorf("make home directory: %w", err)
	}
	return store.Open(ctx, store.Options{
		Path: c.Store.Path, KeyFile: c.Store.KeyFile, ConsentRequired: c.Privacy.ConsentRequired, Log: slog.New(slog.DiscardHandler),
	})
}

const (
	maxPicture  = 64 << 20  // bytes of one picture's file
	largePixels = 4_000_000 // pixels from which a picture's decoding leaves much behind
)

// picture reads and decodes one picture file. The error wraps imgproc.ErrPicture where the
// file is there and is no usable picture.
func picture(path string) (*imgproc.Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil {
		return nil, err
	} else if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w: not a file", path, imgproc.ErrPicture)
	} else if st.Size() > maxPicture {
		return nil, fmt.Errorf("%s: %w: larger than %d MiB", path, imgproc.ErrPicture, maxPicture>>20)
	}
	img, err := imgproc.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if img.W*img.H >= largePixels {
		// What the decoder used is garbage of several times the picture. Left to the collector's own
		// pace it would be there still when the next one needs as much.
		runtime.GC()
	}
	return img, nil
}

// isPictureError reports whether a file is there and is no usable picture.
func isPictureError(err error) bool { return errors.Is(err, imgproc.ErrPicture) }

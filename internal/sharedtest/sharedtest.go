// Package sharedtest gives tests the labelled pictures beside the checkout and running
// models. What is absent skips the test with one line.
package sharedtest

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"facegate/models"
	"facegate/models/load"
	"facegate/pipeline/litert"
)

// Root is the directory of go.mod.
func Root(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			tb.Fatal("no go.mod above the working directory")
		}
		dir = filepath.Dir(dir)
	}
}

// Dir is the directory ../shared/NAME beside the checkout, for instance "faces". The test is
// skipped where it is absent.
func Dir(tb testing.TB, name string) string {
	tb.Helper()
	dir := filepath.Join(Root(tb), "..", "shared", filepath.FromSlash(name))
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		tb.Skipf("../shared/%s is not beside the checkout", name)
	}
	return dir
}

// Home is FACEGATE_HOME with models and runtime installed: the variable's directory, relative
// to the checkout, or var in the checkout. What is lacking is set up first, once for all test binaries
// that ask at the same time. The test is skipped when that is impossible.
func Home(tb testing.TB) string {
	tb.Helper()
	home := os.Getenv("FACEGATE_HOME")
	if home == "" {
		home = "var"
	}
	if !filepath.IsAbs(home) {
		home = filepath.Join(Root(tb), home)
	}
	ctx, cancel := context.WithTimeout(tb.Context(), 5*time.Minute)
	defer cancel()
	var progress strings.Builder
	if err := models.Setup(ctx, models.Options{Home: home, Mirror: os.Getenv("FACEGATE_MIRROR"), NoDemo: true, Progress: &progress}); err != nil {
		tb.Logf("%s%v", progress.String(), err)
		tb.Skip("models or runtime cannot be installed, see the log")
	}
	return home
}

// Runtime is the inference library of Home, closed when the test ends.
func Runtime(tb testing.TB) *litert.Runtime {
	tb.Helper()
	return open(tb, Home(tb))
}

func open(tb testing.TB, home string) *litert.Runtime {
	tb.Helper()
	set, err := models.Open(home)
	if err != nil {
		tb.Fatal(err)
	}
	path, err := set.Runtime(runtime.GOARCH)
	if err != nil {
		tb.Fatal(err)
	}
	rt, err := litert.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := rt.Close(); err != nil {
			tb.Error(err)
		}
	})
	return rt
}

// Loader opens the models of Home with one thread each and closes them when the test ends.
func Loader(tb testing.TB) litert.Loader {
	tb.Helper()
	home := Home(tb)
	rt := open(tb, home)
	set, err := models.Open(home)
	if err != nil {
		tb.Fatal(err)
	}
	loader := load.Loader(set, rt, 1)
	return func(role string) (*litert.Model, error) {
		m, err := loader(role)
		if err != nil {
			return nil, err
		}
		tb.Cleanup(func() {
			if err := m.Close(); err != nil {
				tb.Error(err)
			}
		})
		return m, nil
	}
}

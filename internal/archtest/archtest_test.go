// Package archtest holds the project's import rules as a test: what a package may link,
// and that every package says what it is.
package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "facegate"

// A pkg is what `go list` says of one package.
type pkg struct {
	ImportPath                         string
	Dir, Doc                           string
	GoFiles, TestGoFiles               []string
	Imports, TestImports, XTestImports []string
	Deps, CgoFiles                     []string
}

func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json"}, args...)...)
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.Output()
	if err != nil {
		if ee, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("go list: %v\n%s", err, ee.Stderr)
		}
		t.Fatal(err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// within reports whether path is one of the packages, or below one that ends in "/...".
func within(path string, packages ...string) bool {
	return slices.ContainsFunc(packages, func(p string) bool {
		if tree, ok := strings.CutSuffix(p, "/..."); ok {
			return path == module+"/"+tree || strings.HasPrefix(path, module+"/"+tree+"/")
		}
		return path == module+"/"+p
	})
}

func TestImports(t *testing.T) {
	rules := []struct {
		who       []string
		forbidden []string
		why       string
	}{
		{[]string{"access"}, []string{"..."}, "the rules are pure"},
		{[]string{"device"}, []string{"..."}, "the hardware's vocabulary depends on nothing"},
		{[]string{"pipeline/...", "door"}, []string{"device/v4l2/...", "device/gpio", "device/replay", "device/sim"}, "they see hardware through the interfaces of device"},
		{[]string{"pipeline/..."}, []string{"store/...", "fleet/...", "api/...", "web/..."}, "a frame becomes a sighting without knowing who keeps it"},
		{[]string{"store/...", "fleet/...", "api/...", "web/..."}, []string{"device/...", "pipeline/litert"}, "they outlive any hardware"},
	}
	for _, p := range list(t, "./...") {
		for _, r := range rules {
			if !within(p.ImportPath, r.who...) {
				continue
			}
			for _, imp := range p.Imports {
				own := imp == module || strings.HasPrefix(imp, module+"/")
				everything := slices.Contains(r.forbidden, "...") && own
				if everything || within(imp, r.forbidden...) {
					t.Errorf("%s imports %s: %s", p.ImportPath, imp, r.why)
				}
			}
		}
	}
}

func TestCgoStaysInItsPackages(t *testing.T) {
	for _, p := range list(t, "./...") {
		if len(p.CgoFiles) > 0 && !within(p.ImportPath, "pipeline/litert", "pipeline/match", "pipeline/imgproc") {
			t.Errorf("%s uses cgo (%v): a crash there would take a program with it; only inference and kernels may", p.ImportPath, p.CgoFiles)
		}
	}
	for _, p := range list(t, "-deps", "./cmd/doord") {
		if len(p.CgoFiles) > 0 && strings.HasPrefix(p.ImportPath, module) || strings.Contains(p.ImportPath, "go-sqlite3") {
			t.Errorf("doord links %s: it must survive whatever C code does", p.ImportPath)
		}
	}
}

func TestNoShell(t *testing.T) {
	allowed := []string{"models/...", "cmd/facegate/...", "internal/programtest"} // pip fetches wheels; the demonstration and tests start the daemons
	for _, p := range list(t, "./...") {
		if slices.Contains(p.Imports, "os/exec") && !within(p.ImportPath, allowed...) {
			t.Errorf("%s imports os/exec: a daemon starts no programs", p.ImportPath)
		}
	}
}

func TestPackagesAreDocumented(t *testing.T) {
	for _, p := range list(t, "./...") {
		if len(p.GoFiles)+len(p.CgoFiles) > 0 && p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

// Package programtest lets tests run the programs as they are shipped: it builds them once for
// a test binary, and waits for what they do.
package programtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Run is for TestMain. It builds the named programs of cmd/ into a directory, tells use where
// that is, runs the tests and removes it. It does not return.
func Run(m *testing.M, use func(dir string), programs ...string) {
	code, err := run(m, use, programs)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M, use func(dir string), programs []string) (int, error) {
	dir, err := os.MkdirTemp("", "facegate")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory; the system clears what is left
	for _, p := range programs {
		build := exec.Command("go", "build", "-o", filepath.Join(dir, p), "facegate/cmd/"+p) //nolint:noctx // TestMain has no context
		if p == "doord" {
			build.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is shipped
		}
		if out, err := build.CombinedOutput(); err != nil {
			return 0, fmt.Errorf("build %s: %w\n%s", p, err, out)
		}
	}
	use(dir)
	return m.Run(), nil
}

// patience bounds every wait. It says nothing about speed.
const patience = time.Minute

// Until polls for a condition and fails the test where it never comes.
func Until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	every := time.NewTicker(10 * time.Millisecond)
	defer every.Stop()
	for !ok() {
		select {
		case <-every.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

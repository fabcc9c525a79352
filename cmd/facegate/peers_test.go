package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	measure "facegate/bench"
)

// script is a peer that is a shell script.
func script(t *testing.T, text string) *peer {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "peer.sh"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return &peer{name: "script", dir: dir, argv: []string{"sh", "./peer.sh"}}
}

func TestPeerAnswers(t *testing.T) {
	p := script(t, `echo loading
echo '{"version": "1.2", "backend": "shell"}'
while read -r runs width height file; do
	echo chatter
	echo "{\"ms\": [$runs, $width, $height], \"faces\": 1, \"embedding\": ${#file}}"
done
`)
	version, err := p.Open(t.Context())
	if err != nil || version != "1.2 shell" {
		t.Fatalf("open: got %q, %v; want 1.2 shell", version, err)
	}
	for range 2 {
		l, err := p.Look(t.Context(), "a b", 20, 30, 10)
		if err != nil || l.Faces != 1 || l.Embedding != 3 || len(l.Millis) != 3 || l.Millis[0] != 10 || l.Millis[2] != 30 {
			t.Errorf("look: got %+v, %v", l, err)
		}
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func TestPeerThatIsNotInstalled(t *testing.T) {
	for _, p := range []*peer{
		{name: "file", dir: t.TempDir(), argv: []string{"sh", "./peer.sh"}},
		{name: "program", dir: t.TempDir(), argv: []string{"no-such-program-anywhere"}},
	} {
		if _, err := p.Open(t.Context()); !errors.Is(err, measure.ErrNotInstalled) {
			t.Errorf("%s: got %v, want ErrNotInstalled", p.name, err)
		}
	}
}

func TestPeerThatFails(t *testing.T) {
	p := script(t, "echo no weights >&2; exit 3")
	if _, err := p.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "no weights") {
		t.Errorf("got %v, want what it complained of", err)
	}
}

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	measure "facegate/bench"
)

// A peer is a program that looks at pictures as facegate does. It is told on its standard
// input, one line a picture, what to look at, and answers with one JSON object a line; the
// first says what it is. test/bench/peers installs peers under the home directory.
type peer struct {
	name string
	dir  string   // of the peers
	argv []string // relative to dir where it holds a slash; else a program on the path

	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Scanner
	stderr strings.Builder
}

func peers(dir string) []measure.Peer {
	return []measure.Peer{
		&peer{name: "@vladmandic/human", dir: dir, argv: []string{"node", "./human.cjs"}},
		&peer{name: "face_recognition", dir: dir, argv: []string{"./python/bin/python", "./hog.py"}},
	}
}

func (p *peer) Name() string { return p.name }

// Open starts the peer and waits until its models are loaded.
func (p *peer) Open(ctx context.Context) (string, error) {
	argv := make([]string, len(p.argv))
	for i, a := range p.argv {
		path, err := exec.LookPath(a)
		if strings.HasPrefix(a, "./") {
			path = filepath.Join(p.dir, a)
			_, err = os.Stat(path)
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", p.name, measure.ErrNotInstalled)
		}
		argv[i] = path
	}
	p.cmd = exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // what the operator installed for this
	p.cmd.Dir, p.cmd.Stderr = p.dir, &p.stderr
	p.cmd.WaitDelay = 5 * time.Second
	// One thread each, whatever its libraries would take.
	p.cmd.Env = append(os.Environ(), "OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1")
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return "", err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	p.out = bufio.NewScanner(out)
	p.out.Buffer(nil, 1<<20)
	if err := p.cmd.Start(); err != nil {
		return "", err
	}
	var hello struct{ Version, Backend string }
	if err := p.answer(&hello); err != nil {
		return "", errors.Join(err, p.Close())
	}
	return strings.TrimSpace(hello.Version + " " + hello.Backend), nil
}

// Look has the peer look at one file of raw pixels.
func (p *peer) Look(_ context.Context, file string, width, height, runs int) (measure.Look, error) {
	if _, err := fmt.Fprintf(p.in, "%d %d %d %s\n", runs, width, height, file); err != nil {
		return measure.Look{}, err
	}
	var l struct {
		Ms               []float64
		Faces, Embedding int
	}
	err := p.answer(&l)
	return measure.Look{Millis: l.Ms, Faces: l.Faces, Embedding: l.Embedding}, err
}

// answer reads the peer's next line. Lines that are no JSON are chatter of its libraries.
func (p *peer) answer(into any) error {
	for p.out.Scan() {
		if line := p.out.Bytes(); len(line) > 0 && line[0] == '{' {
			return json.Unmarshal(line, into)
		}
	}
	return fmt.Errorf("%s ended or says nothing that is understood", p.name)
}

// Close ends the peer and waits for it. The error says what it complained of.
func (p *peer) Close() error {
	_ = p.in.Close() // it may have ended before
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w: %s", p.name, err, strings.TrimSpace(p.stderr.String()))
	}
	return nil
}

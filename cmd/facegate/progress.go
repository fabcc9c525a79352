package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// A progress is a bar on a terminal, and silent elsewhere.
type progress struct {
	w     io.Writer
	what  string
	n, of int
}

func newProgress(w io.Writer, what string, of int) *progress {
	if f, ok := w.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		w = io.Discard
	}
	return &progress{w: w, what: what, of: of}
}

func (p *progress) step() {
	p.n++
	const width = 40
	k := width * p.n / max(p.of, 1)
	fmt.Fprintf(p.w, "\r%s [%s%s] %d/%d", p.what, strings.Repeat("=", k), strings.Repeat(" ", width-k), p.n, p.of)
}

func (p *progress) done() {
	if p.n > 0 {
		fmt.Fprintln(p.w)
	}
}

package models

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// report tells a person how set-up goes: lines, and on a terminal a bar for downloads.
type report struct {
	w        io.Writer
	terminal bool
}

func newReport(w io.Writer) *report {
	if w == nil {
		w = io.Discard
	}
	f, ok := w.(*os.File)
	return &report{w: w, terminal: ok && term.IsTerminal(int(f.Fd()))}
}

func (r *report) line(format string, args ...any) {
	fmt.Fprintf(r.w, format+"\n", args...) //nolint:errcheck // progress is a courtesy
}

// A bar is one download.
type bar struct {
	r          *report
	name       string
	have, size int64
	drawn      time.Time
}

func (r *report) bar(name string, have, size int64) *bar {
	return &bar{r: r, name: name, have: have, size: size}
}

func (b *bar) add(n int) {
	b.have += int64(n)
	if now := time.Now(); b.r.terminal && (b.have >= b.size || now.Sub(b.drawn) > 100*time.Millisecond) {
		b.drawn = now
		const width = 30
		done := int(width * b.have / b.size)
		fmt.Fprintf(b.r.w, "\r%-40.40s [%-*s] %5.1f of %.1f MB", b.name, width, strings.Repeat("=", done), float64(b.have)/1e6, float64(b.size)/1e6) //nolint:errcheck // progress is a courtesy
	}
}

func (b *bar) end() {
	if b.r.terminal && !b.drawn.IsZero() {
		fmt.Fprint(b.r.w, "\r\x1b[K") //nolint:errcheck // progress is a courtesy
	}
}

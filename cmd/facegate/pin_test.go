package main

import (
	"context"
	"errors"
	"io"
	"testing"
)

// Whoever is asked for a PIN and gives up is not kept until they have typed one.
func TestAskingForAPINEndsWithTheCommand(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e := &env{stdin: r, stderr: io.Discard}
	if line, err := e.secretLine(ctx, "PIN", true); line != "" || !errors.Is(err, context.Canceled) {
		t.Errorf("got %q, %v; want the end of the context", line, err)
	}
}

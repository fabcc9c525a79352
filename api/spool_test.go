package api

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestSpool(t *testing.T) {
	s := NewSpool(8)
	for _, tt := range []struct {
		r    io.Reader
		want string
	}{
		{strings.NewReader("abc"), "abc"},
		{strings.NewReader(""), ""},
		{iotest.OneByteReader(strings.NewReader("de")), "de"},
		{iotest.DataErrReader(strings.NewReader("fgh")), "fgh"},
		{strings.NewReader(""), ""},
	} {
		got, err := s.Read(tt.r)
		if err != nil || string(got) != tt.want || cap(got) != len(got) {
			t.Errorf("got %q, %v; want %q", got, err, tt.want)
		}
	}
	if _, err := s.Read(strings.NewReader("i")); code(err) != TooLarge {
		t.Errorf("got %v, want too large", err)
	}
	cut := io.MultiReader(strings.NewReader("ab"), iotest.ErrReader(io.ErrUnexpectedEOF))
	if _, err := NewSpool(8).Read(cut); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a part that was cut short: %v", err)
	}
}

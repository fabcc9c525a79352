package lapis

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"facegate/api"
)

// Limits of bodies. A body that has room for the largest text holds three pictures as well.
const (
	maxText  = 30 << 20         // characters of base64
	maxBody  = maxText + 64<<10 // bytes
	maxMedia = maxText / 4 * 3  // bytes of a picture or video
	longText = 4 << 10          // characters from which a text is kept apart
	maxSmall = 256 << 10        // bytes of a body without its long texts
	maxPlain = 256              // bytes of any other text
)

// A body is a JSON object with texts that may be very long. The whole takes the memory of one
// copy: long texts stay where they were read to, and are decoded there.
type body struct {
	small []byte   // the object, with marks in place of the long texts
	long  [][]byte // without quotes
	mark  string   // what no other text begins with
}

// read reads the body of a call.
func (c *call) read(ctx context.Context) error {
	n := c.request.ContentLength
	if n < 0 {
		n = maxBody
	}
	leave, err := c.Room.Take(ctx, n)
	if err != nil {
		return err
	}
	c.leave = append(c.leave, leave)
	data, err := readAll(c.request.Body, c.request.ContentLength)
	if err == nil {
		c.body, err = newBody(data)
	}
	return err
}

// readAll reads a body of a length that is announced, or -1.
func readAll(r io.Reader, n int64) ([]byte, error) {
	announced := n >= 0
	if !announced {
		n = maxBody + 1 // memory that nothing is written to costs nothing
	}
	data := make([]byte, n)
	got, err := io.ReadFull(r, data)
	switch {
	case !announced && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)):
		return data[:got], nil
	case err != nil:
		return nil, &api.Error{Code: api.Malformed, Detail: "the body ends early", Err: err}
	case !announced:
		return nil, &api.Error{Code: api.TooLarge}
	}
	return data, nil
}

// newBody takes the long texts out of JSON. Whether the rest is JSON is found when it is decoded.
func newBody(data []byte) (*body, error) {
	bad := func(why string) (*body, error) { return nil, &api.Error{Code: api.Malformed, Detail: why} }
	b := &body{mark: "long " + rand.Text() + " "}
	for len(data) > 0 {
		i := bytes.IndexByte(data, '"')
		if i < 0 {
			i = len(data)
		}
		b.small = append(b.small, data[:i]...)
		if data = data[i:]; len(data) == 0 {
			break
		}
		n := quoted(data)
		if n < 0 {
			return bad("a text has no end")
		}
		text := data[1 : n-1]
		if len(text) < longText {
			b.small = append(b.small, data[:n]...)
		} else {
			if bytes.ContainsFunc(text, func(r rune) bool { return r < ' ' }) {
				return bad("a text holds a control character")
			}
			b.small = strconv.AppendQuote(b.small, b.mark+strconv.Itoa(len(b.long)))
			b.long = append(b.long, text)
		}
		data = data[n:]
		if len(b.small) > maxSmall {
			return bad("there is too much beside pictures")
		}
	}
	if len(b.small) > maxSmall {
		return bad("there is too much beside pictures")
	}
	return b, nil
}

// quoted is the length of the JSON text that data begins with, quotes included, -1 where it does
// not end.
func quoted(data []byte) int {
	for i := 1; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// decode reads the body into v, a pointer to a struct of strings.
func (b *body) decode(v any) error { return api.Decode(b.small, v) }

// text is a string of the body, which may be a mark. A long one shares the body's memory.
func (b *body) text(s string) []byte {
	number, ok := strings.CutPrefix(s, b.mark)
	if !ok {
		return []byte(s)
	}
	i, err := strconv.Atoi(number)
	if err != nil || i < 0 || i >= len(b.long) {
		return nil // nobody but newBody knows the mark
	}
	return b.long[i]
}

// plain reports whether a string of the body is a short text.
func (b *body) plain(s string) bool { return len(s) <= maxPlain && !strings.HasPrefix(s, b.mark) }

// errNotBase64 means that a text is no base64.
var errNotBase64 = errors.New("not base64")

// fromBase64 decodes base64, which may be behind a data: prefix, into its own memory. The error is
// an [*api.Error] of code TooLarge where there is too much, and wraps errNotBase64.
func fromBase64(text []byte) ([]byte, error) {
	if bytes.HasPrefix(text, []byte("data:")) {
		head, rest, ok := bytes.Cut(text[:min(len(text), 256)], []byte(";base64,"))
		if !ok || bytes.ContainsAny(head, ", ") {
			return nil, fmt.Errorf("%w: a data URL of another kind", errNotBase64)
		}
		text = text[len(text[:min(len(text), 256)])-len(rest):]
	}
	if len(text) > maxText {
		return nil, &api.Error{Code: api.TooLarge}
	}
	// JSON may write a slash as \/.
	if i := bytes.IndexByte(text, '\\'); i >= 0 {
		out := text[:i]
		for ; i < len(text); i++ {
			if text[i] == '\\' {
				if i++; i == len(text) || text[i] != '/' {
					return nil, errNotBase64
				}
			}
			out = append(out, text[i])
		}
		text = out
	}
	padded := len(text)
	text = bytes.TrimRight(text, "=")
	if padded-len(text) > 2 || bytes.ContainsAny(text, "\r\n") {
		return nil, errNotBase64
	}
	// What is decoded is shorter than what was read of it, so that it never gets ahead.
	n, err := base64.RawStdEncoding.Strict().Decode(text, text)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", errNotBase64, err)
	}
	return text[:n], nil
}

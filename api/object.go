package api

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Limits of an Object.
const (
	longText = 4 << 10   // bytes from which a text is kept apart
	maxSmall = 256 << 10 // bytes of a body without its long texts
)

// An Object is a JSON object with texts that may be very long. The whole takes the memory of one
// copy: long texts stay where they were read to, and are decoded there. It is not safe for
// concurrent use.
type Object struct {
	small []byte   // the object, with marks in place of the long texts
	long  [][]byte // without quotes
	mark  string   // what no other text begins with
}

// ReadObject reads the body of a call, of at most limit bytes, once there is room for it. leave
// gives the room back, once nothing of the Object is used any more; it may be called after an
// error too. The error is an [*Error] of code TooLarge, also before anything is read where the
// length is announced, Malformed or Busy.
func (s *Service) ReadObject(r *http.Request, limit int64) (o *Object, leave func(), err error) {
	if leave, err = s.TakeBody(r, limit); err != nil {
		return nil, func() {}, err
	}
	data, err := readAll(r.Body, r.ContentLength, limit)
	if err == nil {
		o, err = NewObject(data)
	}
	return o, leave, err
}

// readAll reads a body of a length that is announced, or -1.
func readAll(r io.Reader, n, limit int64) ([]byte, error) {
	announced := n >= 0
	if !announced {
		n = limit + 1 // memory that nothing is written to costs nothing
	}
	data := make([]byte, n)
	got, err := io.ReadFull(r, data)
	switch {
	case !announced && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)):
		return data[:got], nil
	case errors.Is(err, errLate):
		return nil, Reading(err)
	case err != nil:
		return nil, &Error{Code: Malformed, Detail: "the body ends early", Err: err}
	case !announced:
		return nil, &Error{Code: TooLarge}
	}
	return data, nil
}

// A Long is a string of an [Object] that may be a long text, or a mark that stands for it, which
// [Object.Text] and [Object.Base64] turn back.
type Long string

// NewObject takes the long texts out of JSON, whose memory it keeps. Whether the rest is JSON is
// found when it is decoded. The error is an [*Error] of code Malformed.
func NewObject(data []byte) (*Object, error) {
	bad := func(why string) (*Object, error) { return nil, &Error{Code: Malformed, Detail: why} }
	o := &Object{mark: "long " + rand.Text() + " "}
	for len(data) > 0 {
		i := bytes.IndexByte(data, '"')
		if i < 0 {
			i = len(data)
		}
		o.small = append(o.small, data[:i]...)
		if data = data[i:]; len(data) == 0 {
			break
		}
		n := quoted(data)
		if n < 0 {
			return bad("a text has no end")
		}
		rest := bytes.TrimLeft(data[n:], " \t\r\n")
		if text := data[1 : n-1]; len(text) < longText {
			o.small = append(o.small, data[:n]...)
		} else {
			if len(rest) > 0 && rest[0] == ':' {
				return bad("a name is too long")
			}
			if !utf8.Valid(text) || bytes.ContainsFunc(text, func(r rune) bool { return r < ' ' }) || !escaped(text) {
				return bad("a text is not JSON's")
			}
			o.small = strconv.AppendQuote(o.small, o.mark+strconv.Itoa(len(o.long)))
			o.long = append(o.long, text)
		}
		data = data[n:]
		if len(o.small) > maxSmall {
			break
		}
	}
	if len(o.small) > maxSmall {
		return bad("there is too much beside the long texts")
	}
	return o, nil
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

// escaped reports whether what follows each backslash of a text may.
func escaped(text []byte) bool {
	for {
		i := bytes.IndexByte(text, '\\')
		if i < 0 {
			return true
		}
		text = text[i+1:]
		switch {
		case len(text) > 0 && strings.IndexByte(`"\/bfnrt`, text[0]) >= 0:
			text = text[1:]
		case len(text) > 4 && text[0] == 'u' && isHex(text[1:5]):
			text = text[5:]
		default:
			return false
		}
	}
}

func isHex(b []byte) bool {
	var to [2]byte
	_, err := hex.Decode(to[:], b)
	return err == nil
}

// Empty reports whether there was no body at all.
func (o *Object) Empty() bool { return len(o.small) == 0 }

// Decode reads the object into v by the rules of [Decode]. A long text is refused where v has a
// string that is no [Long].
func (o *Object) Decode(v any) error {
	mark := o.mark // and not o: the decoder is kept for the next call, with what it was told
	return decode(o.small, v, json.WithUnmarshalers(json.UnmarshalFromFunc(func(dec *jsontext.Decoder, s *string) error {
		if dec.PeekKind() != '"' {
			return json.SkipFunc
		}
		t, err := dec.ReadToken()
		if err != nil {
			return err
		}
		if *s = t.String(); strings.HasPrefix(*s, mark) {
			return errors.New("a text is too long")
		}
		return nil
	})))
}

// Short is a string that stands for itself.
func (o *Object) Short(s Long) (text string, ok bool) {
	if strings.HasPrefix(string(s), o.mark) {
		return "", false
	}
	return string(s), true
}

// Text is the text of a string, as it stands in the JSON. A long one shares the body's memory.
func (o *Object) Text(s Long) []byte {
	number, ok := strings.CutPrefix(string(s), o.mark)
	if !ok {
		return []byte(s)
	}
	i, err := strconv.Atoi(number)
	if err != nil || i < 0 || i >= len(o.long) {
		return nil // nobody but NewObject knows the mark
	}
	return o.long[i]
}

// Base64 is what the text of a string says in base64. A long text can be decoded once: what is
// decoded takes its place. The error wraps ErrBase64, or is an [*Error] of code TooLarge where
// there are more than limit characters.
func (o *Object) Base64(s Long, limit int) ([]byte, error) {
	_, short := o.Short(s)
	return decodeInPlace(o.Text(s), !short, limit)
}

// maxPrefix is the longest data: prefix there is.
const maxPrefix = 256

// decodeInPlace decodes base64, which may have the escapes of JSON, into its own memory.
func decodeInPlace(text []byte, escapes bool, limit int) (_ []byte, err error) {
	if bytes.HasPrefix(text, []byte("data:")) {
		start := text[:min(len(text), maxPrefix)]
		kind, rest, ok := bytes.Cut(start, []byte(";base64,"))
		if !ok || bytes.ContainsAny(kind, ", \t\r\n") {
			return nil, fmt.Errorf("%w: a data URL of another kind", ErrBase64)
		}
		text = text[len(start)-len(rest):]
	}
	if len(text) > limit {
		return nil, &Error{Code: TooLarge}
	}
	if escapes {
		if text, err = unescape(text); err != nil {
			return nil, err
		}
	}
	text = bytes.TrimRight(text, "\r\n")
	padded := len(text)
	text = bytes.TrimRight(text, "=")
	if padded-len(text) > 2 {
		return nil, ErrBase64
	}
	// What is decoded is shorter than what was read of it, so that it never gets ahead. Line breaks,
	// as many encoders make, are passed over.
	n, err := base64.RawStdEncoding.Strict().Decode(text, text)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrBase64, err)
	}
	return text[:n], nil
}

// unescape undoes, in place, the escapes that JSON may write base64 with: \/ for a slash,
// \u002B for a plus as some libraries do, \r and \n of line breaks.
func unescape(text []byte) ([]byte, error) {
	i := bytes.IndexByte(text, '\\')
	if i < 0 {
		return text, nil
	}
	out := text[:i]
	for ; i < len(text); i++ {
		if text[i] != '\\' {
			out = append(out, text[i])
			continue
		}
		switch rest := text[i+1:]; {
		case len(rest) > 0 && rest[0] == '/':
			out = append(out, '/')
			i++
		case len(rest) > 0 && (rest[0] == 'r' || rest[0] == 'n'):
			i++
		case len(rest) > 4 && rest[0] == 'u':
			var char [2]byte
			if _, err := hex.Decode(char[:], rest[1:5]); err != nil || char[0] != 0 {
				return nil, ErrBase64
			}
			out = append(out, char[1])
			i += 5
		default:
			return nil, ErrBase64
		}
	}
	return out, nil
}

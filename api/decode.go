package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth is how deep JSON may be nested.
const maxDepth = 32

// Decode reads one JSON object into v: names match in every letter's case, and fields v does not
// know are ignored; fields that occur twice, text behind the object, invalid UTF-8 and nesting
// beyond 32 are refused. The error is an [*Error] of code Malformed.
func Decode(body []byte, v any) error { return decode(body, v) }

func decode(body []byte, v any, how ...json.Options) error {
	err := check(body)
	if err == nil {
		err = json.Unmarshal(body, v, how...)
	}
	if err != nil {
		return &Error{Code: Malformed, Detail: "body is not valid JSON", Err: err}
	}
	return nil
}

// check walks over JSON for what decoding would let pass.
func check(body []byte) error {
	dec := jsontext.NewDecoder(bytes.NewReader(body))
	if dec.PeekKind() != '{' {
		return errors.New("not an object")
	}
	for {
		if _, err := dec.ReadToken(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if dec.StackDepth() > maxDepth {
			return fmt.Errorf("deeper than %d", maxDepth)
		}
	}
}

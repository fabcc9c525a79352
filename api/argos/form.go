package argos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"facegate/api"
)

// Limits of a form.
const (
	maxParts = 32
	maxField = 256 // bytes of a text
)

// A form is what was posted.
type form struct {
	submission string
	user       string
	custom     [3]string
	given      bool   // there is a faceImage
	picture    []byte // of a file; nil of a text, and where it was not to be kept
}

// fields are the texts of a form by their names.
func (f *form) fields() map[string]*string {
	return map[string]*string{"submissionId": &f.submission, "userId": &f.user, "cf1": &f.custom[0], "cf2": &f.custom[1], "cf3": &f.custom[2]}
}

// maxStranger is how much JSON is read of a caller without a key. It takes no room, which strangers
// could keep from others.
const maxStranger = 16 << 10

// readForm reads what was posted, JSON too, whose picture cannot be one. Nothing large is kept of
// somebody who is denied, nor read where its form alone tells nothing: then the error is denied.
func (h *handler) readForm(r *http.Request, denied error) (*form, func(), error) {
	if r.ContentLength > api.MaxBody {
		return nil, nil, &api.Error{Code: api.TooLarge}
	}
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return nil, nil, errFormat(http.StatusBadRequest, err)
	}
	if kind == "application/json" {
		return h.readJSON(r, denied)
	}
	if kind != "multipart/form-data" || params["boundary"] == "" {
		return nil, nil, errFormat(http.StatusBadRequest, fmt.Errorf("a form of type %q", kind))
	}
	leave := func() {}
	var to *api.Spool // nobody keeps a picture that is not to be looked at
	if denied == nil {
		if leave, err = h.TakeBody(r, api.MaxBody); err != nil {
			return nil, nil, err
		}
		to = api.NewSpool(api.Length(r, api.MaxBody))
	}
	f := &form{}
	// One byte more than may be tells a body that is too large from one that ends.
	body := &counter{r: io.LimitReader(r.Body, api.MaxBody+1)}
	err = f.readParts(r.Context(), multipart.NewReader(body, params["boundary"]), to)
	if body.n > api.MaxBody {
		err = &api.Error{Code: api.TooLarge}
	}
	if err != nil {
		leave()
		return nil, nil, api.Reading(err)
	}
	return f, leave, nil
}

// A counter counts what is read.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func (h *handler) readJSON(r *http.Request, denied error) (*form, func(), error) {
	var o *api.Object
	var err error
	if denied == nil {
		var leave func()
		o, leave, err = h.ReadObject(r, api.MaxBody)
		defer leave()
	} else {
		if api.Length(r, api.MaxBody) > maxStranger {
			return nil, nil, denied
		}
		var data []byte
		if data, err = io.ReadAll(r.Body); err == nil {
			o, err = api.NewObject(data)
		} else {
			err = errFormat(http.StatusBadRequest, err)
		}
	}
	if err != nil {
		return nil, nil, err
	}
	f := &form{}
	var in struct {
		Submission string   `json:"submissionId"`
		Picture    api.Long `json:"faceImage"`
		User       string   `json:"userId"`
		CF1        string   `json:"cf1"`
		CF2        string   `json:"cf2"`
		CF3        string   `json:"cf3"`
	}
	if err := o.Decode(&in); err != nil {
		return nil, nil, err
	}
	f.submission, f.user, f.custom, f.given = in.Submission, in.User, [3]string{in.CF1, in.CF2, in.CF3}, in.Picture != ""
	for _, text := range f.fields() {
		if len(*text) > maxField || !printable(*text) {
			return nil, nil, errFormat(http.StatusBadRequest, errors.New("a field is too long or not text"))
		}
	}
	return f, func() {}, nil
}

// readParts reads the parts of a multipart body. Those it does not know are passed over.
func (f *form) readParts(ctx context.Context, m *multipart.Reader, to *api.Spool) error {
	bad := func(err error) error { return errFormat(http.StatusBadRequest, err) }
	fields := f.fields()
	var seen []string
	for range maxParts {
		part, err := m.NextRawPart() // contents are bytes as they are, whatever an encoding header says
		if err == io.EOF {           //nolint:errorlint // a body that ends before its last boundary wraps it
			return nil
		}
		if err != nil {
			return bad(err)
		}
		if ctx.Err() != nil {
			return bad(ctx.Err())
		}
		name := part.FormName()
		if name != "faceImage" && fields[name] == nil {
			if _, err := io.Copy(io.Discard, part); err != nil {
				return bad(err)
			}
			continue
		}
		if slices.Contains(seen, name) {
			return bad(fmt.Errorf("part %s is there twice", name))
		}
		seen = append(seen, name)
		if name == "faceImage" {
			err = f.readPicture(part, to)
		} else {
			err = readText(part, fields[name])
		}
		if err != nil {
			return bad(err)
		}
	}
	return bad(fmt.Errorf("more than %d parts", maxParts))
}

// readPicture reads the part of the picture. A text in its place is given, but no picture.
func (f *form) readPicture(part *multipart.Part, to *api.Spool) error {
	kind := part.Header.Get("Content-Type")
	file := part.FileName() != "" || strings.HasPrefix(kind, "image/") || kind == "application/octet-stream"
	if to == nil || !file {
		n, err := io.Copy(io.Discard, part)
		f.given = n > 0
		return err
	}
	data, err := to.Read(part)
	f.given, f.picture = len(data) > 0, data
	return err
}

func readText(part *multipart.Part, to *string) error {
	text, err := io.ReadAll(io.LimitReader(part, maxField+1))
	switch {
	case err != nil:
		return err
	case len(text) > maxField:
		return fmt.Errorf("part %s is longer than %d bytes", part.FormName(), maxField)
	case !printable(string(text)):
		return fmt.Errorf("part %s is not text", part.FormName())
	}
	*to = string(text)
	return nil
}

// printable reports whether text can be kept and told on.
func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

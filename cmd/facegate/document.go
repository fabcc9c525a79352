package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"facegate/access"
	"facegate/document"
	"facegate/document/mrz"
)

// A reading is the line `facegate document` prints for one picture.
type reading struct {
	File     string           `json:"file"`
	Kind     document.Kind    `json:"kind"`
	Valid    bool             `json:"valid"`
	Expired  *bool            `json:"expired"` // null where there is no date to judge
	Birth    mrz.Date         `json:"birth"`
	Expiry   mrz.Date         `json:"expiry"`
	Fields   *document.Fields `json:"fields"`
	Checks   []mrz.Check      `json:"checks"`
	Lines    []string         `json:"lines"`
	Repaired int              `json:"repaired"` // characters
	MS       float64          `json:"ms"`
}

func documentCommand(ctx context.Context, e *env, args []string) error {
	fs := e.flags("document")
	files, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return usagef("name pictures of documents")
	}
	r := document.Open()
	var no error
	for _, file := range files {
		img, err := picture(file)
		if err != nil {
			return err
		}
		started := time.Now()
		d, err := r.Read(ctx, img)
		if err != nil && !errors.Is(err, document.ErrNotRecognized) {
			return fmt.Errorf("%s: %w", file, err)
		}
		now := time.Now()
		out := reading{File: file, Kind: d.Kind, Valid: d.Valid, Checks: []mrz.Check{}, Lines: []string{}, MS: milliseconds(started)}
		if d.Kind == document.None {
			no = errNo
		} else {
			// The command is for people at a desk: it takes the machine's date as it is.
			out.Expired = d.Expired(now, access.ClockSynced)
			out.Birth, out.Expiry, out.Fields = d.Birth(now), d.Expiry(), &d.Fields
			out.Checks, out.Lines, out.Repaired = d.Checks, d.Lines, len(d.Repaired)
		}
		if err := e.print(out, func(w io.Writer) { out.human(w) }); err != nil {
			return err
		}
	}
	return no
}

func (r *reading) human(w io.Writer) {
	if r.Kind == document.None {
		fmt.Fprintf(w, "%s: no machine-readable zone and no barcode\n", r.File)
		return
	}
	state := "valid"
	if !r.Valid {
		state = "not valid"
	}
	if r.Expired != nil && *r.Expired {
		state += ", expired"
	}
	fmt.Fprintf(w, "%s: %s, %s\n", r.File, r.Kind, state)
	for _, line := range r.Lines {
		fmt.Fprintf(w, "  %q\n", line)
	}
	f := r.Fields
	for _, v := range [][2]string{
		{"number", f.Number},
		{"surname", f.Surname},
		{"given", f.Given},
		{"birth", r.Birth.String()},
		{"expiry", r.Expiry.String()},
		{"issued", f.Issued},
		{"sex", f.Sex},
		{"nationality", f.Nationality},
		{"issuer", f.Issuer},
		{"street", f.Street},
		{"city", f.City},
		{"state", f.State},
		{"zip", f.Zip},
		{"country", f.Country},
	} {
		if v[1] != "" {
			fmt.Fprintf(w, "  %-12s %s\n", v[0], v[1])
		}
	}
	for _, c := range r.Checks {
		if !c.Passed {
			fmt.Fprintf(w, "  fails: %s\n", c.Name)
		}
	}
}

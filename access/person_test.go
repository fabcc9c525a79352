package access

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestPersonCheck(t *testing.T) {
	for name, p := range map[string]Person{
		"no id":              {Name: "A"},
		"a blank before":     {ID: " a"},
		"a long id":          {ID: strings.Repeat("a", 65)},
		"a line break":       {ID: "a\nb"},
		"an escape sequence": {ID: "a", Name: "\x1b[31m"},
		"not UTF-8":          {ID: "a", Name: "\xc3"},
		"a long name":        {ID: "a", Name: strings.Repeat("n", 257)},
		"an empty group":     {ID: "a", Groups: []string{""}},
		"a group twice":      {ID: "a", Groups: []string{"g", "g"}},
		"backwards":          {ID: "a", ValidFrom: noon, ValidUntil: noon},
	} {
		if err := p.Check(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: got %v, want %v", name, err, ErrInvalid)
		}
	}
	good := Person{ID: "人-1", Name: "Zoë O'Ñandú", Groups: []string{"a", "b"}, ValidFrom: noon, ValidUntil: noon.Add(time.Hour)}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
}

func TestNoNameInLogs(t *testing.T) {
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("seen", "person", Person{ID: "p1", Name: "Ada"}, "other", &Person{ID: "p2", Name: "Bea"})
	if got := out.String(); !strings.Contains(got, "person=p1") || strings.Contains(got, "Ada") || strings.Contains(got, "Bea") {
		t.Errorf("log line: %s", got)
	}
}

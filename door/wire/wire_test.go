package wire

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestReaderBoundsLines(t *testing.T) {
	const limit = 5000 // above the buffer, so that a line comes in parts
	long := strings.Repeat("x", limit-1)
	tests := []struct {
		name, text string
		want       []string
		end        error
	}{
		{"lines", "a\n\nb\n", []string{"a", "", "b"}, io.EOF},
		{"a line of the bound", long + "\n", []string{long}, io.EOF},
		{"one byte more", long + "x\n", nil, ErrTooLong},
		{"a line without end", strings.Repeat("y", 1<<20), nil, ErrTooLong},
		{"a torn line", "a\nb", []string{"a"}, io.ErrUnexpectedEOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := NewReader(strings.NewReader(tt.text), limit)
			for _, want := range tt.want {
				if got, err := r.Line(); err != nil || string(got) != want {
					t.Fatalf("got %.20q, %v; want %.20q", got, err, want)
				}
			}
			if _, err := r.Line(); !errors.Is(err, tt.end) {
				t.Errorf("ended with %v, want %v", err, tt.end)
			}
		})
	}
}

func TestParseRequestRefuses(t *testing.T) {
	for name, line := range map[string]string{
		"nothing":            "",
		"no object":          `"pulse"`,
		"an unknown field":   `{"do":"pulse","for":3}`,
		"two objects":        `{"do":"pulse"}{"do":"pulse"}`,
		"a wrong type":       `{"do":"pulse","for_ms":"3s"}`,
		"a fraction":         `{"do":"pulse","for_ms":1.5}`,
		"a negative time":    `{"do":"pulse","for_ms":-1}`,
		"a day":              `{"do":"pulse","for_ms":86400000}`,
		"beyond all numbers": `{"do":"pulse","for_ms":1e300}`,
		"a long text":        `{"do":"pulse","why":"` + strings.Repeat("x", MaxText+1) + `"}`,
		"a line in a text":   `{"do":"pulse","why":"a\nb"}`,
		"an escape":          `{"do":"pulse","why":"\u001b[2J"}`,
		"no UTF-8":           "{\"do\":\"pulse\",\"why\":\"\xff\"}",
		"a long wait":        `{"do":"events","wait_ms":60000}`,
		"a negative number":  `{"do":"ack","seq":-1}`,
		"a long name":        `{"do":"hello","by":"` + strings.Repeat("x", MaxBy+1) + `"}`,
		"an escape as name":  `{"do":"hello","by":"\u001b"}`,
		"a lease of a day":   `{"do":"schedule","mode":"unlocked","for_ms":86400000}`,
		"a hold of years":    `{"do":"hold","for_ms":63244800000}`,
		"an end before time": `{"do":"schedule","mode":"unlocked","until":"0003-01-01T00:00:00Z"}`,
		"an end in words":    `{"do":"schedule","mode":"unlocked","until":"evening"}`,
	} {
		if r, err := ParseRequest([]byte(line)); err == nil {
			t.Errorf("%s: accepted %+v", name, r)
		}
	}
}

func TestTextFitsARequest(t *testing.T) {
	for _, s := range []string{"grant 17", strings.Repeat("ü", 500), "a\nb\x1b\xff", ""} {
		var buf bytes.Buffer
		if err := Write(&buf, Request{Do: Pulse, Why: Text(s)}); err != nil {
			t.Fatal(err)
		}
		line, err := NewReader(&buf, MaxRequest).Line()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseRequest(line); err != nil {
			t.Errorf("%.20q: %v", s, err)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(`{"do":"hello","version":1,"role":"controller"}`))
	f.Add([]byte(`{"do":"pulse","for_ms":3000,"why":"grant"}`))
	f.Add([]byte(`{"do":"events","journal":"ab","seq":18446744073709551615,"wait_ms":2000}`))
	f.Add([]byte(`{"do":"sim","line":"rex","level":"pulse"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := ParseRequest(line)
		if err != nil {
			return
		}
		if r.ForMs < 0 || r.ForMs > MaxFor.Milliseconds() || len(r.Why) > MaxText || r.WaitMs > MaxWait.Milliseconds() {
			t.Errorf("accepted %+v", r)
		}
		var buf bytes.Buffer
		if err := Write(&buf, r); err != nil {
			t.Fatal(err)
		}
		again, err := ParseRequest(bytes.TrimSuffix(buf.Bytes(), []byte("\n")))
		if err != nil || again != r {
			t.Errorf("%+v became %+v, %v", r, again, err)
		}
	})
}

package ocrb

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"facegate/pipeline/imgproc"
)

// page draws lines of characters on a light page of shaded grey, with a pitch in pixels,
// as if seen through a map from the page to where a point is printed.
func page(w, h int, pitch float64, lines []string, x0, y0 float64, bend func(x, y float64) (float64, float64)) *imgproc.Image {
	m := imgproc.New(w, h)
	var segs [classes][]segment
	for i := range segs {
		segs[i] = outline(strokes(Alphabet[i]))
	}
	for y := range h {
		for x := range w {
			ink := 0.0
			u, v := bend(float64(x), float64(y))
			u, v = (u-x0)/pitch, (v-y0)/pitch
			row, col := int(math.Floor(v/1.8)), int(math.Floor(u))
			if row >= 0 && row < len(lines) && col >= 0 && col < len(lines[row]) {
				cx, cy := (u-float64(col))*cellW, (v-1.8*float64(row))*cellW
				for _, s := range segs[index(lines[row][col])] {
					d := math.Sqrt(s.distance(cx, cy)) - 1.1
					ink = max(ink, min(1, .5-d*pitch/cellW))
				}
			}
			grey := byte((200 + 40*float64(x)/float64(w)) * (1 - .8*ink))
			o := y*m.Stride + 3*x
			m.Pix[o], m.Pix[o+1], m.Pix[o+2] = grey, grey, grey
		}
	}
	return m
}

func read(z Zone) string {
	var lines []string
	for _, cells := range z.Lines {
		var b []byte
		for i := range cells {
			c, _ := cells[i].Best("")
			b = append(b, c)
		}
		lines = append(lines, string(b))
	}
	return strings.Join(lines, "|")
}

func TestDrawnZones(t *testing.T) {
	straight := func(x, y float64) (float64, float64) { return x, y }
	passport := []string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"}
	card := []string{"I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "QUIXOTE<WAGNER<<JACK<VBFY<<<<<"}
	for _, c := range []struct {
		name  string
		lines []string
		w, h  int
		pitch float64
		turn  int
		bend  func(x, y float64) (float64, float64)
	}{
		{"small", passport, 500, 300, 10, 0, straight},
		{"large", card, 1500, 900, 40, 0, straight},
		{"small in a large picture", card, 1900, 1300, 15, 0, straight},
		{"skewed", passport, 900, 600, 18, 0, func(x, y float64) (float64, float64) { return x + .07*y, y - .07*x }},
		{"from the side", passport, 900, 600, 18, 0, func(x, y float64) (float64, float64) { return x * (1 + x/18000), y + y*x/25000 }},
		{"bent", card, 900, 600, 24, 0, func(x, y float64) (float64, float64) { return x, y + 8*math.Sin(x/300) }},
		{"on its head", passport, 900, 600, 18, 180, func(x, y float64) (float64, float64) { return 899 - x, 599 - y }},
		{"on its left side", card, 600, 900, 24, 90, func(x, y float64) (float64, float64) { return 899 - y, x }},
		{"on its right side", card, 600, 900, 24, 270, func(x, y float64) (float64, float64) { return y, 599 - x }},
	} {
		h := c.h
		if c.turn%180 != 0 {
			h = c.w
		}
		m := page(c.w, c.h, c.pitch, c.lines, 40, float64(h)/2, c.bend)
		want := strings.Join(c.lines, "|")
		zones, err := New().Find(t.Context().Err, m, func(z Zone) bool { return read(z) == want })
		if err != nil {
			t.Fatal(err)
		}
		if len(zones) == 0 || read(zones[0]) != want || (zones[0].Turn-c.turn+365)%360 > 10 {
			t.Errorf("%s: %d zones", c.name, len(zones))
			for _, z := range zones[:min(1, len(zones))] {
				t.Errorf("turn %d fit %.2f\n%s\n%s", z.Turn, z.Fit, want, read(z))
			}
		}
	}
}

func TestCharacters(t *testing.T) {
	all, _, _ := banks()
	for i, a := range all[0] {
		for k, b := range all[0][:i] {
			if s := dot(a, b); s > .97 {
				t.Errorf("%c and %c are alike: %.3f", Alphabet[i], Alphabet[k], s)
			}
		}
	}
	for i := range classes {
		if index(Alphabet[i]) != i {
			t.Errorf("index of %c is %d", Alphabet[i], index(Alphabet[i]))
		}
	}
}

func TestExtreme(t *testing.T) {
	p := newPlane(7, 1)
	copy(p.pix, []byte{0, 5, 1, 0, 0, 9, 2})
	for n, want := range map[int][2][]byte{
		1: {{0, 5, 1, 0, 0, 9, 2}, {0, 5, 1, 0, 0, 9, 2}},
		3: {{5, 5, 5, 1, 9, 9, 9}, {0, 0, 0, 0, 0, 0, 2}},
		9: {{5, 9, 9, 9, 9, 9, 9}, {0, 0, 0, 0, 0, 0, 0}},
	} {
		for i, largest := range []bool{true, false} {
			q := &plane{p.w, p.h, append([]byte(nil), p.pix...)}
			q.extreme(n, largest)
			for x, got := range q.pix {
				if got != want[i][x] {
					t.Errorf("extreme(%d, %v)[%d] = %v, want %v", n, largest, x, got, want[i][x])
				}
			}
		}
	}
}

func TestCancel(t *testing.T) {
	m := page(900, 600, 18, []string{strings.Repeat("<", 44), strings.Repeat("8", 44)}, 40, 300, func(x, y float64) (float64, float64) { return x, y })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := New().Find(ctx.Err, m, func(Zone) bool { return true }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func FuzzFind(f *testing.F) {
	f.Add(uint16(200), uint16(60), []byte{0, 255, 10})
	finder := New()
	f.Fuzz(func(t *testing.T, w, h uint16, pix []byte) {
		m := imgproc.New(int(w%700), int(h%300))
		for i := range m.Pix {
			if len(pix) > 0 {
				m.Pix[i] = pix[(i/3+i/len(pix)/7)%len(pix)]
			}
		}
		zones, err := finder.Find(t.Context().Err, m, func(Zone) bool { return false })
		if err != nil {
			t.Fatal(err)
		}
		for _, z := range zones {
			for _, cells := range z.Lines {
				if len(cells) != len(z.Lines[0]) {
					t.Fatal("lines of different length")
				}
				for i := range cells {
					if s := cells[i].top(); math.IsNaN(s) || s > 1.01 {
						t.Fatalf("a score of %v", s)
					}
				}
			}
		}
	})
}

// A picture that is too large is averaged while it is read: its mean stays.
func TestBrightest(t *testing.T) {
	m := imgproc.New(700, 301)
	for i := range m.Pix {
		m.Pix[i] = byte(i / 3 % 2 * 200)
	}
	p := brightest(m, 250)
	if p.w != 250 || p.h != 108 {
		t.Fatalf("%d x %d", p.w, p.h)
	}
	sum := 0
	for _, v := range p.pix {
		sum += int(v)
	}
	if mean := sum / len(p.pix); mean < 98 || mean > 102 {
		t.Errorf("mean %d", mean)
	}
}

package document

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"image"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/boombuler/barcode/pdf417"

	"facegate/access"
	"facegate/document/mrz"
	"facegate/document/ocrb"
	"facegate/internal/sharedtest"
	"facegate/pipeline/imgproc"
)

// labels are the rows of a set's labels.csv after the heading, and its directory.
func labels(t *testing.T, set string) (string, [][]string) {
	t.Helper()
	dir := filepath.Join(sharedtest.Dir(t, "faces"), set)
	f, err := os.Open(filepath.Join(dir, "labels.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return dir, rows[1:]
}

func picture(t *testing.T, path string) *imgproc.Image {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m, err := imgproc.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// mislabelled are pictures whose label differs from what they show, with what they show.
// The third's number has a letter O before the digit 0, and then all its digits fit.
func mislabelled() map[string]string {
	return map[string]string{
		"ar_id_cards_Liechtenstein.png": "IDLIEID98754015<<<<<<<<<<<<<<<|8205122F1906224LIE<<<<<<<<<<<6|OSPELTBECK<<MARISA<<<<<<<<<<<<",
		"ar_id_cards_Malta_BAD.png":     "IDMLT9999999<<3<9999999M<999<<|7309258F0810245MLT0310240<<<<5|SPITERI<MANDY<<<<<<<<<<<<<<<<<",
		"ar_resident_cards_France.png":  "IRFRAK682T8YLO0<1105040043<<<<|7906123F1401073SEN<<<<<<<<<<<6|MARTIN<<CHRISTELLE<HELENE<LAUR",
	}
}

// patient is a Reader whose limit a busy machine does not meet.
func patient() *Reader {
	r := Open()
	r.Limit = 5 * time.Minute
	return r
}

// Nine of ten specimens are read exactly, and nothing that is reported as valid is wrong:
// upright, and, in the long form, turned, scaled and skewed. Photographs are another test.
func TestSpecimens(t *testing.T) {
	t.Parallel()
	dir, rows := labels(t, "id_docs")
	views := []struct {
		name string
		do   func(*imgproc.Image) *imgproc.Image
	}{
		{"upright", func(m *imgproc.Image) *imgproc.Image { return m }},
		{"scaled down", func(m *imgproc.Image) *imgproc.Image { return resized(m, .8, imgproc.ResizeArea) }},
		{"scaled up", func(m *imgproc.Image) *imgproc.Image { return resized(m, 2.5, imgproc.ResizeLinear) }},
		{"skewed", func(m *imgproc.Image) *imgproc.Image { return turned(m, 4) }},
		{"upside down", func(m *imgproc.Image) *imgproc.Image { return turned(m, 180) }},
		{"on its side", func(m *imgproc.Image) *imgproc.Image { return turned(m, 83) }},
	}
	r := patient()
	for v, view := range views {
		if v > 0 && os.Getenv("FACEGATE_ALL_VIEWS") == "" {
			break // make documents
		}
		exact, valid := 0, 0
		for _, row := range rows {
			file, want, check := row[0], row[3], row[4]
			d, err := r.Read(t.Context(), view.do(picture(t, filepath.Join(dir, file))))
			if err != nil && !errors.Is(err, ErrNotRecognized) {
				t.Errorf("%s: %v", file, err)
				continue
			}
			got := strings.Join(d.Lines, "|")
			if shown := mislabelled()[file]; shown != "" {
				want = shown
				if r, err := mrz.Parse(strings.Split(shown, "|")); err == nil && r.Valid() {
					check = "valid"
				}
			}
			if check == "valid" {
				valid++
				if d.Valid && got == want {
					exact++
					continue
				}
			}
			switch {
			case d.Valid && want != "" && got != want, d.Valid && strings.HasPrefix(check, "bad"):
				t.Errorf("%s, %s: valid, and wrong:\n%s\n%s", file, view.name, want, got)
			case d.Kind == None:
				t.Logf("%s, %s (%s): not recognized", file, view.name, check)
			default:
				t.Logf("%s, %s (%s): %s, valid %v, exact %v %v\n%s", file, view.name, check, d.Kind, d.Valid, got == want, failed(&d), got)
			}
		}
		t.Logf("%s: %d of %d", view.name, exact, valid)
		if float64(exact) < .9*float64(valid) {
			t.Errorf("%s: %d of %d are read", view.name, exact, valid)
		}
	}
}

func failed(d *Document) (names []string) {
	for _, c := range d.Checks {
		if !c.Passed {
			names = append(names, c.Name)
		}
	}
	return names
}

func resized(m *imgproc.Image, k float64, how func(dst, src *imgproc.Image)) *imgproc.Image {
	out := imgproc.New(int(float64(m.W)*k), int(float64(m.H)*k))
	how(out, m)
	return out
}

func TestBarcodes(t *testing.T) {
	t.Parallel()
	dir, rows := labels(t, "pdf417")
	r := patient()
	n := 0
	for _, row := range rows {
		d, err := r.Read(t.Context(), picture(t, filepath.Join(dir, row[0])))
		if err != nil || d.Kind != PDF417 || d.Lines[0] != row[1] || d.Valid {
			t.Logf("%s: %+v, %v", row[0], d, err)
			continue
		}
		n++
	}
	t.Logf("%d of %d", n, len(rows))
	if n*100 < len(rows)*95 {
		t.Errorf("%d of %d are read", n, len(rows))
	}
}

const licence = "@\n\x1e\rANSI 636023090102DL00410280ZO03210024DLDCAD\nDBA01122024\nDCSSAMPLE\nDACJOHN\nDADMIDDLE\nDBD12302020\nDBB01121999\nDBC1\nDAYBLU\n" +
	"DAU070 in\nDAG111 N 5TH ST\nDAICOLUMBUS\nDAJOH\nDAK123456789  \nDAQ12345678\nDCGUSA\nDAZBLN\nDAW159\r"

// drawn is a licence's barcode on a white card.
func drawn(t *testing.T, text string) *imgproc.Image {
	t.Helper()
	code, err := pdf417.Encode(text, 4)
	if err != nil {
		t.Fatal(err)
	}
	const module, margin = 3, 80
	size := code.Bounds().Size()
	m := imgproc.New(module*size.X+2*margin, module*size.Y+6*margin)
	for y := range m.H {
		for x := range m.W {
			c := byte(240)
			if x, y := x-margin, y-3*margin; x >= 0 && y >= 0 && x < module*size.X && y < module*size.Y {
				if r, _, _, _ := code.At(x/module, y/module).RGBA(); r < 0x8000 {
					c = 20
				}
			}
			o := y*m.Stride + 3*x
			m.Pix[o], m.Pix[o+1], m.Pix[o+2] = c, c, c
		}
	}
	return m
}

func TestLicence(t *testing.T) {
	t.Parallel()
	card := drawn(t, licence)
	r := patient()
	blurred := resized(resized(card, .6, imgproc.ResizeArea), 1.7, imgproc.ResizeLinear)
	for name, m := range map[string]*imgproc.Image{
		"upright": card, "blurred": blurred, "turned 90": turned(card, 90), "turned 180": turned(card, 180), "skewed": turned(card, 7), "turned 33": turned(card, 33),
	} {
		d, err := r.Read(t.Context(), m)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		at := time.Date(2024, 1, 12, 23, 0, 0, 0, time.UTC)
		f := d.Fields
		if !d.Valid || d.Kind != PDF417 || f.Number != "12345678" || f.Given != "JOHN MIDDLE" || f.Template != "09" || f.Issued != "2020-12-30" ||
			d.Birth(at).String() != "1999-01-12" || *d.Expired(at, access.ClockSynced) || !*d.Expired(at.Add(time.Hour), access.ClockSynced) {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

func TestExpired(t *testing.T) {
	at := time.Date(2012, 4, 16, 0, 0, 0, 0, time.UTC)
	r, err := mrz.Parse([]string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"})
	if err != nil {
		t.Fatal(err)
	}
	d := fromZone(r, true, nil)
	if got := d.Expired(at, access.ClockSynced); got == nil || !*got {
		t.Error("the day after the last it is expired")
	}
	if got := d.Expired(at.Add(-time.Hour), access.ClockSynced); got == nil || *got {
		t.Error("on its last day it is not")
	}
	for _, clock := range []access.Clock{"", access.ClockUnsure} {
		if d.Expired(at, clock) != nil {
			t.Errorf("clock %q judges", clock)
		}
	}
	if (&Document{}).Expired(at, access.ClockSynced) != nil {
		t.Error("no date is judged")
	}
	if doubted := fromZone(r, false, nil); doubted.Valid {
		t.Error("a doubtful character leaves it valid")
	}
}

// Whatever the picture, an answer comes, and no document.
func TestNothingToRead(t *testing.T) {
	t.Parallel()
	noise := imgproc.New(1500, 1100)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range noise.Pix {
		noise.Pix[i] = byte(rng.UintN(256))
	}
	stripes := imgproc.New(2400, 1600)
	for y := range stripes.H {
		for x := range stripes.W {
			c := byte(255 * ((x/6 + y/60) % 2))
			o := y*stripes.Stride + 3*x
			stripes.Pix[o], stripes.Pix[o+1], stripes.Pix[o+2] = c, c, c
		}
	}
	r := Open()
	for name, m := range map[string]*imgproc.Image{
		"noise": noise, "stripes": stripes, "black": imgproc.New(800, 600), "empty": imgproc.New(0, 0), "a pixel": imgproc.New(1, 1),
		"a strip": imgproc.New(30000, 4), "a column": imgproc.New(3, 20000),
	} {
		if d, err := r.Read(t.Context(), m); !errors.Is(err, ErrNotRecognized) || d.Kind != None || d.Valid {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Read(ctx, noise); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled call: %v", err)
	}
}

// ReadFile is Read of what the file holds, and waits its turn.
func TestReadFile(t *testing.T) {
	dir, _ := labels(t, "id_docs")
	data, err := os.ReadFile(filepath.Join(dir, "pe_100_pass-hrv.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	r := patient()
	pauses := 0
	d, err := r.ReadFile(t.Context(), data, func() { pauses++ })
	if err != nil || !d.Valid || d.Kind != TD3 || pauses < 3 {
		t.Errorf("%+v after %d pauses, %v", d, pauses, err)
	}
	for _, junk := range [][]byte{nil, []byte("junk"), data[:20]} {
		if d, err := r.ReadFile(t.Context(), junk, nil); !errors.Is(err, imgproc.ErrPicture) || d.Kind != None {
			t.Errorf("%d bytes: %+v, %v", len(junk), d, err)
		}
	}
	<-r.turn // as if another call ran
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.ReadFile(ctx, data, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled call that waits: %v", err)
	}
}

// Decoding is a step: the turn comes before its pause, and the limit ends it.
func TestReadFileDecodes(t *testing.T) {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 40, 40))); err != nil {
		t.Fatal(err)
	}
	cut := b.Bytes()[:b.Len()-1]
	r := patient()
	paused := 0
	if _, err := r.ReadFile(t.Context(), cut, func() {
		paused++
		if len(r.turn) > 0 {
			t.Error("paused without the turn")
		}
	}); !errors.Is(err, imgproc.ErrPicture) || paused != 1 {
		t.Errorf("half a picture: %v after %d pauses", err, paused)
	}
	r.Limit = 1 // over before it begins
	if _, err := r.ReadFile(t.Context(), cut, nil); !errors.Is(err, ErrNotRecognized) {
		t.Errorf("without time: %v", err)
	}
}

// A visa's lines that are cut short are those of a smaller visa, and all its digits hold:
// what lies beside them tells.
func TestCutVisa(t *testing.T) {
	lines := []string{"V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "L8988901C4XXX4009078F96121096ZE18422"}
	z := ocrb.Zone{Fit: .95, Rest: .3}
	for _, l := range lines {
		cells := make([]ocrb.Cell, len(l))
		for i := range cells {
			cells[i][strings.IndexByte(ocrb.Alphabet, l[i])] = .95
		}
		z.Lines = append(z.Lines, cells)
	}
	if d, ok := decide(z); !ok || !d.Valid || d.Kind != MRVB {
		t.Errorf("alone: %+v", d)
	}
	z.Rest = 2
	if d, ok := decide(z); !ok || d.Valid {
		t.Errorf("with more beside it: %+v", d)
	}
}

// FuzzRead looks at pictures that are no pictures: few pixels of any value, many times.
func FuzzRead(f *testing.F) {
	f.Add(uint16(120), uint16(60), []byte{0, 255, 10})
	f.Add(uint16(400), uint16(90), []byte("P<UTO"))
	r := Open()
	f.Fuzz(func(t *testing.T, w, h uint16, pix []byte) {
		m := imgproc.New(int(w%600), int(h%400))
		for i := range m.Pix {
			if len(pix) > 0 {
				m.Pix[i] = pix[(i+i/len(pix)/3)%len(pix)]
			}
		}
		d, err := r.Read(t.Context(), m)
		if (err == nil) == (d.Kind == None) || err != nil && d.Valid {
			t.Fatalf("%+v, %v", d, err)
		}
	})
}

// FuzzBarcode damages a code: it is read as it was, as something else that is no licence of
// its number, or not, but nothing breaks.
func FuzzBarcode(f *testing.F) {
	f.Add(uint16(300), uint16(250), uint8(40), uint8(0))
	f.Add(uint16(0), uint16(0), uint8(255), uint8(255))
	f.Fuzz(func(t *testing.T, x, y uint16, size, grey uint8) {
		m := drawn(t, licence)
		for j := int(y); j < min(m.H, int(y)+int(size)); j++ {
			for i := int(x); i < min(m.W, int(x)+int(size)); i++ {
				for c := range 3 {
					m.Pix[j*m.Stride+3*i+c] ^= grey
				}
			}
		}
		text, err := readBarcode(t.Context().Err, m)
		if err != nil && !errors.Is(err, ErrEngine) {
			t.Fatal(err)
		}
		if text != "" && text != licence && fromText(text).Valid {
			t.Fatalf("%q is valid", text)
		}
	})
}

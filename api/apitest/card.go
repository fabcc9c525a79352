package apitest

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"strings"
	"time"

	"github.com/boombuler/barcode/pdf417"
	"golang.org/x/image/draw"
)

// Cards are drawn: 1000 by 630 pixels, a grey portrait of A as a printer would put it there, a
// fine pattern over everything, and a machine-readable zone of TD1 whose characters are cut out of
// a labelled specimen, printed in OCR-B. They say
//
//	MUSTER, ANNA MARIA, of UTO, female, born 1984-04-12, number B12345678, valid until 2040-01-31

// Card is such a card.
func (f *Faces) Card() []byte {
	f.tb.Helper()
	return f.card(zone("400131", 0))
}

// OldCard is one that was valid until 2012-01-31.
func (f *Faces) OldCard() []byte {
	f.tb.Helper()
	return f.card(zone("120131", 0))
}

// CardUntil is one that is valid until the day of a moment.
func (f *Faces) CardUntil(at time.Time) []byte {
	f.tb.Helper()
	return f.card(zone(at.Format("060102"), 0))
}

// BadCard is one whose last check digit is wrong.
func (f *Faces) BadCard() []byte {
	f.tb.Helper()
	return f.card(zone("400131", 1))
}

// BadCards are those of which one check digit is wrong, that of the number, the birth or the expiry.
// The last is right.
func (f *Faces) BadCards() map[string][]byte {
	f.tb.Helper()
	number, birth, expiry := checked("B12345678"), checked("840412"), checked("400131")
	wrong := func(field string) string {
		n := len(field) - 1
		return field[:n] + string('0'+(field[n]-'0'+1)%10)
	}
	return map[string][]byte{
		"number": f.card(fields(wrong(number), birth, expiry, 0)), "birth": f.card(fields(number, wrong(birth), expiry, 0)),
		"expiry": f.card(fields(number, birth, wrong(expiry), 0)),
	}
}

// PlainCard is one without a machine-readable zone.
func (f *Faces) PlainCard() []byte {
	f.tb.Helper()
	return f.card(nil)
}

// FacelessCard is one without a portrait.
func (f *Faces) FacelessCard() []byte {
	f.tb.Helper()
	m := f.blank()
	f.print(m, zone("400131", 0))
	return f.jpeg(m)
}

// licence is the barcode of a licence whose date of expiry is as MMDDCCYY.
func licence(expires string) string {
	return "@\n\x1e\rANSI 636023090102DL00410280ZO03210024DLDCAD\nDBA" + expires + "\nDCSSAMPLE\nDACJOHN\nDADMIDDLE\nDBD12302020\nDBB01121999\nDBC1\nDAYBLU\n" +
		"DAU070 in\nDAG111 N 5TH ST\nDAICOLUMBUS\nDAJOH\nDAK123456789  \nDAQ12345678\nDCGUSA\nDAZBLN\nDAW159\r"
}

// Licence is a drawn driver's licence with A's portrait and an AAMVA barcode below it. It says
//
//	JOHN MIDDLE SAMPLE, male, born 1999-01-12, number 12345678, Ohio, valid until 2040-01-12
func (f *Faces) Licence() []byte {
	f.tb.Helper()
	code, err := pdf417.Encode(licence("01122040"), 4)
	if err != nil {
		f.tb.Fatal(err)
	}
	const module = 3
	m := f.blank()
	f.portrait(m, image.Pt(60, 80))
	size := code.Bounds().Size()
	at := image.Pt((1000-module*size.X)/2, 610-module*size.Y)
	if at.X < 0 || at.Y < 280 {
		f.tb.Fatalf("a barcode of %v does not fit", size)
	}
	for y := range module * size.Y {
		for x := range module * size.X {
			m.Set(at.X+x, at.Y+y, code.At(x/module, y/module))
		}
	}
	return f.jpeg(m)
}

// Specimen is a labelled specimen of a document.
func (f *Faces) Specimen(name string) []byte { return f.file("id_docs", name) }

// Zone is the machine-readable zone of Card.
func (*Faces) Zone() []string { return zone("400131", 0) }

// zone is one of TD1; the last check digit is wrong by so much.
func zone(expires string, wrong int) []string {
	return fields(checked("B12345678"), checked("840412"), checked(expires), wrong)
}

// fields is a zone of number, birth and expiry, with their check digits. The last digit is that of
// what they are, and wrong by so much.
func fields(number, birth, expiry string, wrong int) []string {
	first := "I<UTO" + number + strings.Repeat("<", 15)
	second := birth + "F" + expiry + "UTO" + strings.Repeat("<", 11)
	all := number + strings.Repeat("<", 15) + birth + expiry + strings.Repeat("<", 11)
	digit := (int(checked(all)[len(all)]-'0') + wrong) % 10
	third := "MUSTER<<ANNA<MARIA"
	return []string{first, second + fmt.Sprint(digit), third + strings.Repeat("<", 30-len(third))}
}

// checked is a field with its check digit: weights 7, 3, 1, letters from 10, "<" nothing.
func checked(field string) string {
	sum := 0
	for i, c := range field {
		v := 0
		switch {
		case c >= '0' && c <= '9':
			v = int(c - '0')
		case c >= 'A' && c <= 'Z':
			v = int(c-'A') + 10
		}
		sum += v * [...]int{7, 3, 1}[i%3]
	}
	return field + fmt.Sprint(sum%10)
}

// blank is a card without anything on it.
func (f *Faces) blank() *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, 1000, 630))
	draw.Draw(m, m.Bounds(), image.NewUniform(color.RGBA{232, 238, 236, 255}), image.Point{}, draw.Src)
	draw.Draw(m, image.Rect(0, 430, 1000, 630), image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.Draw(m, image.Rect(0, 0, 1000, 70), image.NewUniform(color.RGBA{120, 150, 170, 255}), image.Point{}, draw.Src)
	return m
}

// CardOf is a valid card with all of a picture in the place of the portrait.
func (f *Faces) CardOf(picture []byte) []byte {
	f.tb.Helper()
	face, err := jpeg.Decode(bytes.NewReader(picture))
	if err != nil {
		f.tb.Fatal(err)
	}
	m := f.blank()
	size := face.Bounds().Size()
	to := image.Rect(60, 80, 60+size.X*340/size.Y, 420)
	draw.CatmullRom.Scale(m, to, face, face.Bounds(), draw.Src, nil)
	f.print(m, zone("400131", 0))
	return f.jpeg(m)
}

func (f *Faces) card(lines []string) []byte {
	f.tb.Helper()
	m := f.blank()
	f.portrait(m, image.Pt(60, 110))
	guilloche(m, image.Rect(0, 70, 1000, 430))
	f.print(m, lines)
	return f.jpeg(m)
}

// portrait draws A's face, 120 pixels wide, in grey and as a JPEG of quality 40.
func (f *Faces) portrait(m *image.RGBA, at image.Point) {
	f.tb.Helper()
	cut := image.Rect(75, 40, 250, 240)
	grey := image.NewGray(image.Rect(0, 0, cut.Dx(), cut.Dy()))
	draw.Draw(grey, grey.Bounds(), f.a1(), cut.Min, draw.Src)
	var b bytes.Buffer
	if err := jpeg.Encode(&b, grey, &jpeg.Options{Quality: 40}); err != nil {
		f.tb.Fatal(err)
	}
	printed, err := jpeg.Decode(&b)
	if err != nil {
		f.tb.Fatal(err)
	}
	draw.Draw(m, printed.Bounds().Add(at), printed, image.Point{}, draw.Src)
}

// guilloche draws waves over a part of a card.
func guilloche(m *image.RGBA, in image.Rectangle) {
	for line := range 12 {
		for x := in.Min.X; x < in.Max.X; x++ {
			t := float64(x-in.Min.X) / 60
			y := float64(in.Min.Y) + float64(in.Dy())*(float64(line)+.5)/12 + 14*math.Sin(t+float64(line)) + 6*math.Sin(2.7*t)
			p := image.Pt(x, int(y))
			if !p.In(in) {
				continue
			}
			c := m.RGBAAt(p.X, p.Y)
			m.SetRGBA(p.X, p.Y, color.RGBA{c.R - c.R/6, c.G - c.G/10, c.B - c.B/8, 255})
		}
	}
}

// Where the characters of the specimen are, in pixels.
const (
	glyphFirst, glyphPitch = 65.5, 15.07 // the middle of the first, and from one to the next
	glyphW, glyphH         = 15, 20
)

// print puts lines of OCR-B at the foot of a card, twice as large as the specimen's.
func (f *Faces) print(m *image.RGBA, lines []string) {
	f.tb.Helper()
	if len(lines) == 0 {
		return
	}
	specimen, err := jpeg.Decode(bytes.NewReader(f.file("id_docs", "pe_100_pass-uto.jpg")))
	if err != nil {
		f.tb.Fatal(err)
	}
	glyphs := make(map[rune]image.Rectangle)
	for _, l := range []struct {
		top  int
		text string
	}{{416, "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<"}, {451, "L898902C36UTO7408122F1204159ZE184226B<<<<<10"}} {
		for i, c := range l.text {
			x := int(math.Round(glyphFirst+glyphPitch*float64(i))) - glyphW/2
			glyphs[c] = image.Rect(x, l.top, x+glyphW, l.top+glyphH)
		}
	}
	for row, l := range lines {
		for i, c := range l {
			from, ok := glyphs[c]
			if !ok {
				f.tb.Fatalf("the specimen has no %q", c)
			}
			x, y := 50+30*i, 450+56*row
			draw.CatmullRom.Scale(m, image.Rect(x, y, x+2*glyphW, y+2*glyphH), specimen, from, draw.Src, nil)
		}
	}
}

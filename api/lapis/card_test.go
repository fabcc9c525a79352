package lapis

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"testing"

	"golang.org/x/image/draw"
	"golang.org/x/image/math/f64"

	"facegate/api/apitest"
)

// laid is a card as it lies on a table, turned by so many degrees; its far end is narrower by such a
// share.
func laid(t *testing.T, card []byte, degrees, narrow float64) []byte {
	t.Helper()
	from, err := jpeg.Decode(bytes.NewReader(card))
	if err != nil {
		t.Fatal(err)
	}
	size := from.Bounds().Size()
	tilted := image.NewRGBA(from.Bounds())
	draw.Draw(tilted, tilted.Rect, image.NewUniform(color.Gray{90}), image.Point{}, draw.Src)
	w, h := float64(size.X), float64(size.Y)
	for y := range size.Y {
		// A row's distance grows to the far end, and what is far is small.
		depth := 1 + narrow*(1-float64(y)/h)
		v := h - (h-float64(y))*depth
		for x := range size.X {
			u := w/2 + (float64(x)-w/2)*depth
			if v >= 0 && u >= 0 && u < w {
				tilted.Set(x, y, from.At(int(u), int(v)))
			}
		}
	}
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	side := int(math.Hypot(w, h)) + 20
	out := image.NewRGBA(image.Rect(0, 0, side, side))
	draw.Draw(out, out.Rect, image.NewUniform(color.Gray{90}), image.Point{}, draw.Src)
	c := float64(side) / 2
	draw.CatmullRom.Transform(out, f64.Aff3{cos, -sin, c - cos*w/2 + sin*h/2, sin, cos, c - sin*w/2 - cos*h/2}, tilted, tilted.Rect, draw.Src, nil)
	var b bytes.Buffer
	if err := jpeg.Encode(&b, out, &jpeg.Options{Quality: 92}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A card is read however it lies.
func TestCardsThatLie(t *testing.T) {
	s := newSite(t, apitest.Options{})
	card := s.faces.Card()
	for _, tt := range []struct {
		name            string
		degrees, narrow float64
	}{{"askew", 20, 0}, {"on its side", 90, 0}, {"upside down", 180, 0}, {"far away at one end", 0, .15}, {"all of it", 200, .1}} {
		t.Run(tt.name, func(t *testing.T) {
			got := s.post(t, "document-identification", fields{"frontImageBase64": b64(laid(t, card, tt.degrees, tt.narrow))})
			s.golden(t, got, 200, jsonType, `{"documentIdentificationId":"<uuid>","idInformation":`+info1+`}`)
		})
	}
}

// One wrong digit is enough for a document not to be one.
func TestWrongDigits(t *testing.T) {
	s := newSite(t, apitest.Options{})
	for name, card := range s.faces.BadCards() {
		t.Run(name, func(t *testing.T) {
			apitest.Golden(t, s.post(t, "document-identification", fields{"frontImageBase64": b64(card)}), 400, jsonType, goldenUnknown)
		})
	}
}

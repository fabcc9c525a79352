package baf

import (
	"encoding/json"
	"image"
	"testing"
	"time"

	"github.com/boombuler/barcode/pdf417"
	"golang.org/x/image/draw"

	"facegate/document"
	"facegate/pipeline/imgproc"
)

// A licence is told as the original's sample is.
func TestLicence(t *testing.T) {
	const text = "@\n\x1e\rANSI 636023090102DL00410280ZO03210024DLDCAD\nDBA01122024\nDCSSAMPLE\nDACJOHN\nDADMIDDLE\nDBD12302020\nDBB01121999\nDBC1\nDAYBLU\n" +
		"DAU070 in\nDAG111 N 5TH ST\nDAICOLUMBUS\nDAJOH\nDAK123456789  \nDAQ12345678\nDCGUSA\nDAZBLN\nDAW159\r"
	code, err := pdf417.Encode(text, 4)
	if err != nil {
		t.Fatal(err)
	}
	const module, margin = 3, 80
	size := code.Bounds().Size().Mul(module)
	card := image.NewRGBA(image.Rect(0, 0, size.X+2*margin, size.Y+2*margin))
	draw.Draw(card, card.Bounds(), image.White, image.Point{}, draw.Src)
	draw.NearestNeighbor.Scale(card, image.Rect(margin, margin, margin+size.X, margin+size.Y), code, code.Bounds(), draw.Src, nil)
	m := imgproc.New(card.Rect.Dx(), card.Rect.Dy())
	for y := range m.H {
		for x := range m.W {
			copy(m.Pix[y*m.Stride+3*x:][:3], card.Pix[card.PixOffset(x, y):])
		}
	}
	r := document.Open()
	r.Limit = time.Minute
	d, err := r.Read(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(textsOf(&d, time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"privateName":"JOHN MIDDLE","abbr3Country":"USA","abbrCountry":null,"address":"111 N 5TH ST","city":"COLUMBUS","class":"D","country":"United States of America",` +
		`"dob":"1999-01-12","expires":"2024-01-12","eyes":"BLUE","familyName":"SAMPLE","firstName":"JOHN","fullName":"JOHN MIDDLE SAMPLE","gender":"MALE","hair":"BLONDE","height":"70",` +
		`"id":"12345678","idType":"DL","issued":"2020-12-30","middleName":"MIDDLE","postalBox":null,"state":"OH","issuedBy":"OH","template":"09","weight":"159","zip":"12345-6789"}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if kind := kindOf(&d); kind != kindCard || !d.Valid {
		t.Errorf("kind %d, valid %v", kind, d.Valid)
	}
}

// Package apitest lets tests of an API call it as its clients do: a server on a loopback port
// ([New]), a store, the real models ([facegate/judge]) and pictures that provoke every outcome
// ([Faces]). Nothing of it is faked but the door, which only counts.
//
// Pictures come from ../shared/faces beside the checkout, as they are or changed with known
// parameters; none is kept. Where they, the models or the runtime are absent the test is
// skipped with one line.
//
//	A1 A2 A3 A4  one living person in two lights; A1 is the one to enrol
//	B1 B2        another living person
//	Spoof        a screen that shows A
//	None Many    no face; several people
//	Closed       eyes closed
//	Occluded     a face behind sunglasses (the hands of the labelled sets hide too little)
//	Masked Bare  a third person with a mask over mouth and nose, and without
//	Helmet       a fourth person in a helmet
//	Turn30 Turn50 a fifth person, turned by 31° and by 63°; Front is them looking ahead
//	Small Close Border Cut Blur Dark Bright   A1, changed; Turned  A2 on its side, with its orientation
//	Junk Short OnePixel Huge CMYK Sixteen GIF WebP TIFF HEIC PNG Big   pictures for a decoder
//	Card OldCard BadCard PlainCard FacelessCard   drawn identity cards with A's portrait
//	Licence       a drawn licence with A's portrait and a barcode; Specimen, one of the labelled documents
//
// A server is for one test; what one test does with it another does not see.
package apitest

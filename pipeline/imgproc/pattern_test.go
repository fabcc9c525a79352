package imgproc

// pattern is a picture that these tests and the script that made the reference values compute
// from one formula.
func pattern(w, h int) *Image {
	m := New(w, h)
	for y := range h {
		for x := range w {
			for c := range 3 {
				v := (x*x*(c+1)/3+y*y*(3-c)/2+x*y/(c+2)+29*c)>>3 + ((x>>3^y>>3)&1)*60
				m.Pix[y*m.Stride+3*x+c] = byte(v)
			}
		}
	}
	return m
}

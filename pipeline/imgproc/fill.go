package imgproc

// A Norm is how a model wants its pixels: channel c is Mul[c] times the byte plus Add[c],
// in the order of the model's channels.
type Norm struct {
	BGR      bool
	Mul, Add [3]float32
}

// Uniform is the Norm that maps bytes to v*mul + add in every channel, in RGB order.
func Uniform(mul, add float32) Norm {
	return Norm{Mul: [3]float32{mul, mul, mul}, Add: [3]float32{add, add, add}}
}

// Fill writes src to dst as a model's input of shape 1 x H x W x 3. dst holds at least
// 3*W*H values.
func Fill(dst []float32, src *Image, n Norm) {
	for y := range src.H {
		fill(dst[3*src.W*y:3*src.W*(y+1)], src.row(y), &n)
	}
}

// FillBytes writes src to dst as a model's input of bytes, in RGB or BGR order. dst holds at
// least 3*W*H bytes.
func FillBytes(dst []byte, src *Image, bgr bool) {
	for y := range src.H {
		o, row := dst[3*src.W*y:3*src.W*(y+1)], src.row(y)
		if !bgr {
			copy(o, row)
			continue
		}
		for i := 0; i < len(row); i += 3 {
			o[i], o[i+1], o[i+2] = row[i+2], row[i+1], row[i]
		}
	}
}

// fillGo converts the product first, lest it be fused with the sum and differ by machine.
func fillGo(dst []float32, row []byte, n *Norm) {
	r, b := 0, 2
	if n.BGR {
		r, b = 2, 0
	}
	for i := 0; i+2 < len(row); i += 3 {
		dst[i] = float32(float32(row[i+r])*n.Mul[0]) + n.Add[0]
		dst[i+1] = float32(float32(row[i+1])*n.Mul[1]) + n.Add[1]
		dst[i+2] = float32(float32(row[i+b])*n.Mul[2]) + n.Add[2]
	}
}

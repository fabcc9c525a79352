package face

import "facegate/pipeline/imgproc"

func fill(dst []float32, src *imgproc.Image, mul, add float32) {
	for y := range src.H {
		row := src.Pix[y*src.Stride : y*src.Stride+3*src.W]
		out := dst[3*src.W*y:]
		for i, v := range row {
			out[i] = float32(v)*mul + add
		}
	}
}

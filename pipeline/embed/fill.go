package embed

import "facegate/pipeline/imgproc"

func fillImageNet(dst []float32, src *imgproc.Image) {
	mean, dev := [3]float32{.485, .456, .406}, [3]float32{.229, .224, .225}
	for y := range src.H {
		row := src.Pix[y*src.Stride : y*src.Stride+3*src.W]
		out := dst[3*src.W*y:]
		for i, v := range row {
			out[i] = (float32(v)/255 - mean[i%3]) / dev[i%3]
		}
	}
}

func fillBGR(dst []float32, src *imgproc.Image) {
	for y := range src.H {
		row := src.Pix[y*src.Stride : y*src.Stride+3*src.W]
		out := dst[3*src.W*y:]
		for i := 0; i < len(row); i += 3 {
			out[i], out[i+1], out[i+2] = float32(row[i+2]), float32(row[i+1]), float32(row[i])
		}
	}
}

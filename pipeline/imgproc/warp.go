package imgproc

import "math"

// Warp fills dst with src seen through toDst (source to destination), bilinear, black
// outside: OpenCV's warpAffine with INTER_LINEAR and a constant border.
func Warp(dst, src *Image, toDst Affine) {
	inv := toDst.Invert()
	for y := range dst.H {
		row := dst.Pix[y*dst.Stride:]
		for x := range dst.W {
			p := inv.Apply(Point{float64(x), float64(y)})
			o := row[3*x : 3*x+3]
			fx, fy := math.Floor(p.X), math.Floor(p.Y)
			if !(fx >= -1 && fy >= -1 && fx < float64(src.W) && fy < float64(src.H)) {
				o[0], o[1], o[2] = 0, 0, 0
				continue
			}
			ix, iy, wx, wy := int(fx), int(fy), p.X-fx, p.Y-fy
			var acc [3]float64
			for dy := range 2 {
				for dx := range 2 {
					sx, sy := ix+dx, iy+dy
					if sx < 0 || sy < 0 || sx >= src.W || sy >= src.H {
						continue
					}
					w := (1 - wx + float64(dx)*(2*wx-1)) * (1 - wy + float64(dy)*(2*wy-1))
					s := src.Pix[sy*src.Stride+3*sx:]
					acc[0] += w * float64(s[0])
					acc[1] += w * float64(s[1])
					acc[2] += w * float64(s[2])
				}
			}
			for c := range acc {
				o[c] = byte(acc[c] + .5)
			}
		}
	}
}

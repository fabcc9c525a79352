//go:build !cgo

package imgproc

func vsum(acc []uint32, pix []byte, stride int, y *axis, d int) { vsumGo(acc, pix, stride, y, d) }
func hsum(out []uint16, acc []uint32, x *axis, c channels, scale float64) {
	hsumGo(out, acc, x, c, scale)
}
func hfilter(out []int32, row []byte, t *taps)             { hfilterGo(out, row, t) }
func vlinear(out []byte, a, b []int32, wa, wb int32)       { vlinearGo(out, a, b, wa, wb) }
func vlanczos(out []byte, ring []int32, slot, w *[8]int32) { vlanczosGo(out, ring, slot, w) }
func warp(dst, src *Image, q warpMap)                      { warpGo(dst, src, q) }
func yccRow(dst, y, cb, cr []byte, m *matrix)              { yccRowGo(dst, y, cb, cr, m) }
func yuyvRow(dst, row []byte, m *matrix)                   { yuyvRowGo(dst, row, m) }
func nv12Row(dst, y, uv []byte, m *matrix)                 { nv12RowGo(dst, y, uv, m) }
func yccMean(dst []byte, ycc []uint16, m *matrix)          { yccMeanGo(dst, ycc, m) }
func fill(dst []float32, row []byte, n *Norm)              { fillGo(dst, row, n) }
func upsampleH(out, in []byte)                             { upsampleHGo(out, in) }
func upsampleHV(out, near, far []byte)                     { upsampleHVGo(out, near, far) }

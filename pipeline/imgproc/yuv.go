package imgproc

// A matrix turns Y, Cb, Cr into R, G, B by integers with shift fraction bits; black and
// zero are the samples that stand for no light and no colour.
type matrix struct {
	black, zero        int32
	y                  int32
	crR, cbG, crG, cbB int32
	shift              int32
}

// limitedRange is BT.601 with Y from 16 to 235, which cameras' raw formats use; the
// coefficients are OpenCV's.
func limitedRange() matrix {
	return matrix{16, 128, 1220542, 1673527, -409993, -852492, 2116026, 20}
}

// fullRange is BT.601 with Y from 0 to 255, which JPEG uses; the coefficients are libjpeg's.
func fullRange() matrix {
	return matrix{0, 128, 65536, 91881, -22554, -46802, 116130, 16}
}

// mean is the matrix for samples in 1/64, the precision of averages.
func (m matrix) mean() matrix {
	q := func(v int32) int32 {
		if m.shift == 20 {
			return (v + 32) >> 6
		}
		return (v + 2) >> 2
	}
	return matrix{64 * m.black, 64 * m.zero, q(m.y), q(m.crR), q(m.cbG), q(m.crG), q(m.cbB), 20}
}

func (m *matrix) rgb(y, cb, cr int32) (r, g, b byte) {
	y, cb, cr = max(0, y-m.black)*m.y+1<<(m.shift-1), cb-m.zero, cr-m.zero
	return clamp8((y + m.crR*cr) >> m.shift),
		clamp8((y + m.cbG*cb + m.crG*cr) >> m.shift),
		clamp8((y + m.cbB*cb) >> m.shift)
}

// yccRowGo converts one row; the four slices are 3, 1, 1 and 1 bytes a pixel.
func yccRowGo(dst, y, cb, cr []byte, m *matrix) {
	cb, cr = cb[:len(y)], cr[:len(y)]
	for i, v := range y {
		dst[3*i], dst[3*i+1], dst[3*i+2] = m.rgb(int32(v), int32(cb[i]), int32(cr[i]))
	}
}

// yccMeanGo converts pixels of three samples in 1/64.
func yccMeanGo(dst []byte, ycc []uint16, m *matrix) {
	for i := 0; i+2 < len(ycc); i += 3 {
		dst[i], dst[i+1], dst[i+2] = m.rgb(int32(ycc[i]), int32(ycc[i+1]), int32(ycc[i+2]))
	}
}

// yuyvRowGo converts one row of Y0 U Y1 V; colour holds for both pixels.
func yuyvRowGo(dst, row []byte, m *matrix) {
	for i, o := 0, 0; i+3 < len(row); i, o = i+4, o+6 {
		u, v := int32(row[i+1]), int32(row[i+3])
		dst[o], dst[o+1], dst[o+2] = m.rgb(int32(row[i]), u, v)
		dst[o+3], dst[o+4], dst[o+5] = m.rgb(int32(row[i+2]), u, v)
	}
}

// nv12RowGo converts one row of Y with its row of U V; colour holds for two pixels.
func nv12RowGo(dst, y, uv []byte, m *matrix) {
	for i, v := range y {
		c := i &^ 1
		dst[3*i], dst[3*i+1], dst[3*i+2] = m.rgb(int32(v), int32(uv[c]), int32(uv[c+1]))
	}
}

// upsampleHGo doubles a row of colour samples as libjpeg's "fancy" upsampling does (a triangle
// filter). out holds one or two samples for each of in.
func upsampleHGo(out, in []byte) {
	n := len(in)
	if n == 1 {
		out[0] = in[0]
		if len(out) > 1 {
			out[1] = in[0]
		}
		return
	}
	for i, v := range in {
		l, r := in[max(i-1, 0)], in[min(i+1, n-1)]
		c := 3 * int32(v)
		a, b := byte((c+int32(l)+1)>>2), byte((c+int32(r)+2)>>2)
		if 2*i < len(out) {
			out[2*i] = a
		}
		if 2*i+1 < len(out) {
			out[2*i+1] = b
		}
	}
}

// upsampleHVGo doubles in both directions: near is the row of colour samples the output row
// lies in, far the one on its other side.
func upsampleHVGo(out, near, far []byte) {
	n := len(near)
	sum := func(i int) int32 { return 3*int32(near[i]) + int32(far[i]) }
	for i := range near {
		c := 3 * sum(i)
		a, b := byte((c+sum(max(i-1, 0))+8)>>4), byte((c+sum(min(i+1, n-1))+7)>>4)
		if 2*i < len(out) {
			out[2*i] = a
		}
		if 2*i+1 < len(out) {
			out[2*i+1] = b
		}
	}
}

// upsampleV is a row between two rows of colour samples, as libjpeg-turbo does it; lower
// says that far lies below near.
func upsampleV(out, near, far []byte, lower bool) {
	bias := int32(1)
	if lower {
		bias = 2
	}
	for i, v := range near {
		out[i] = byte((3*int32(v) + int32(far[i]) + bias) >> 2)
	}
}

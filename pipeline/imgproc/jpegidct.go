package imgproc

// A block is 8 x 8 coefficients in natural order: row by row, the frequency along a row grows
// to the right.
type block [64]int32

// zigzag is the natural place of each coefficient in the order in which files have them
// (ITU-T T.81, figure A.6).
const zigzag = "\x00\x01\x08\x10\x09\x02\x03\x0a\x11\x18\x20\x19\x12\x0b\x04\x05" +
	"\x0c\x13\x1a\x21\x28\x30\x29\x22\x1b\x14\x0d\x06\x07\x0e\x15\x1c" +
	"\x23\x2a\x31\x38\x39\x32\x2b\x24\x1d\x16\x0f\x17\x1e\x25\x2c\x33" +
	"\x3a\x3b\x34\x2d\x26\x1f\x27\x2e\x35\x3c\x3d\x36\x2f\x37\x3e\x3f"

// The inverse DCT is that of Loeffler, Ligtenberg and Moschytz (1989). What is rounded where
// decides the last bit of a sample, and is as in image/jpeg, so that both give the same.
//
// sin and cos are of multiples of pi/16; the number behind them is how many bits of fraction
// the constant has.
const (
	halfCos6x18, halfSin6x18 = 70936, 171254 // times 1/√2
	halfCos6x12, halfSin6x12 = 1108, 2676
	rootHalfx8, rootHalfx14  = 181, 11585
	cos3x12, sin3x12         = 3406, 2276
	cos1x12, sin1x12         = 4017, 799
)

// inverse turns dequantised coefficients into samples, rows of which are stride apart in dst.
// b is scratch afterwards.
func (b *block) inverse(dst []byte, stride int) {
	rows := 0 // one more than the last row that has coefficients
	for y := range 8 {
		if inverseRow((*[8]int32)(b[8*y:])) {
			rows = y + 1
		}
	}
	d := [8]*[8]byte{
		(*[8]byte)(dst), (*[8]byte)(dst[stride:]), (*[8]byte)(dst[2*stride:]), (*[8]byte)(dst[3*stride:]),
		(*[8]byte)(dst[4*stride:]), (*[8]byte)(dst[5*stride:]), (*[8]byte)(dst[6*stride:]), (*[8]byte)(dst[7*stride:]),
	}
	if rows <= 1 {
		for x := range 8 {
			d[0][x] = sample((b[x] + 1<<19) >> 2 >> 18)
		}
		for y := 1; y < 8; y++ {
			*d[y] = *d[0]
		}
		return
	}
	for x := range 8 {
		f0, f1, f2, f3 := b[x], b[8+x], b[16+x], b[24+x]
		f4, f5, f6, f7 := b[32+x], b[40+x], b[48+x], b[56+x]

		f0 += 1 << 19 // a half of what is shifted out in the end
		sum, dif := (f0+f4)>>2, (f0-f4)>>2
		f2, f6 = f2>>13, f6>>13
		low, high := halfCos6x12*f2-halfSin6x12*f6, halfSin6x12*f2+halfCos6x12*f6
		e0, e1, e2, e3 := sum+high, dif+low, dif-low, sum-high

		p, m := f1+f7, f1-f7
		f3, f5 = f3>>13*rootHalfx14, f5>>13*rootHalfx14
		p, q, m, n := (p+f3)>>14, (p-f3)>>14, (m+f5)>>14, (m-f5)>>14
		o0, o1 := sin3x12*m+cos3x12*p, sin1x12*q+cos1x12*n
		o2, o3 := cos1x12*q-sin1x12*n, cos3x12*m-sin3x12*p

		d[0][x], d[7][x] = sample((e0+o0)>>18), sample((e0-o0)>>18)
		d[1][x], d[6][x] = sample((e1+o1)>>18), sample((e1-o1)>>18)
		d[2][x], d[5][x] = sample((e2+o2)>>18), sample((e2-o2)>>18)
		d[3][x], d[4][x] = sample((e3+o3)>>18), sample((e3-o3)>>18)
	}
}

// inverseRow transforms one row in place, with 20 bits of fraction. It reports whether there
// is anything but zeros.
func inverseRow(x *[8]int32) bool {
	if x[1]|x[2]|x[3]|x[4]|x[5]|x[6]|x[7] == 0 {
		if x[0] == 0 {
			return false
		}
		v := x[0] << 17
		*x = [8]int32{v, v, v, v, v, v, v, v}
		return true
	}
	sum, dif := x[0]<<17+x[4]<<17, x[0]<<17-x[4]<<17
	low, high := halfCos6x18*x[2]-halfSin6x18*x[6], halfSin6x18*x[2]+halfCos6x18*x[6]
	e0, e1, e2, e3 := sum+high, dif+low, dif-low, sum-high

	p, m := x[1]<<7+x[7]<<7, x[1]<<7-x[7]<<7
	f3, f5 := x[3]*rootHalfx8, x[5]*rootHalfx8
	p, q, m, n := (p+f3)>>2, (p-f3)>>2, (m+f5)>>2, (m-f5)>>2
	o0, o1 := sin3x12*m+cos3x12*p, sin1x12*q+cos1x12*n
	o2, o3 := cos1x12*q-sin1x12*n, cos3x12*m-sin3x12*p

	*x = [8]int32{e0 + o0, e1 + o1, e2 + o2, e3 + o3, e3 - o3, e2 - o2, e1 - o1, e0 - o0}
	return true
}

// sample is a transformed value with its level shifted to 0 to 255.
func sample(v int32) byte {
	v += 128
	if uint32(v) > 255 {
		return byte(^(v >> 31))
	}
	return byte(v)
}

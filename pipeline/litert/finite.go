package litert

import "unsafe"

// finite reports whether x holds neither NaN nor infinity: an exponent of all ones. Two
// numbers are tested at a time; adding one to the exponent carries into the sign bit, which
// was masked away, exactly when all its bits are set.
func finite(x []float32) bool {
	const exponents, ones = 0x7f800000_7f800000, 0x00800000_00800000
	var bad uint64
	if len(x) > 0 && uintptr(unsafe.Pointer(&x[0]))%8 == 0 {
		pairs := unsafe.Slice((*uint64)(unsafe.Pointer(&x[0])), len(x)/2)
		x = x[len(pairs)*2:]
		for ; len(pairs) >= 4; pairs = pairs[4:] {
			bad |= (pairs[0]&exponents + ones) | (pairs[1]&exponents + ones) | (pairs[2]&exponents + ones) | (pairs[3]&exponents + ones)
		}
		for _, p := range pairs {
			bad |= p&exponents + ones
		}
	}
	for _, v := range x {
		if v-v != 0 {
			return false
		}
	}
	return bad&0x80000000_80000000 == 0
}

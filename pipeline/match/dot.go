package match

// dots fills scores[i] with the dot product of probe and row i of rows, a matrix of
// len(scores) rows as long as probe. It is the inner loop of every search and the one
// function that a kernel for a given processor replaces.
//
// Each row is summed in an order that depends on its length alone, so the same two vectors
// give the same bits wherever the row stands.
func dots(scores, rows, probe []float32) {
	n := len(probe)
	for i := range scores {
		scores[i] = dot(rows[i*n:(i+1)*n], probe)
	}
}

// dot sums in eight running sums: a single one would wait for each addition, and lose more
// digits.
func dot(a, b []float32) float32 {
	b = b[:len(a)]
	var s0, s1, s2, s3, s4, s5, s6, s7 float32
	for len(a) >= 8 && len(b) >= 8 {
		x, y := (*[8]float32)(a), (*[8]float32)(b)
		s0 += x[0] * y[0]
		s1 += x[1] * y[1]
		s2 += x[2] * y[2]
		s3 += x[3] * y[3]
		s4 += x[4] * y[4]
		s5 += x[5] * y[5]
		s6 += x[6] * y[6]
		s7 += x[7] * y[7]
		a, b = a[8:], b[8:]
	}
	for i, v := range a {
		s0 += v * b[i]
	}
	return ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
}

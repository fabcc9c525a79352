package match

// dotsGo fills scores[i] with the dot product of probe and row i of rows, a matrix of
// len(scores) rows as long as probe. It is the inner loop of every search; dots is this, or a
// kernel that computes the same bits.
//
// Each row is summed in an order that depends on its length alone, so the same two vectors
// give the same bits wherever the row stands.
func dotsGo(scores, rows, probe []float32) {
	n := len(probe)
	for i := range scores {
		scores[i] = dot(rows[i*n:(i+1)*n], probe)
	}
}

// dot sums in eight running sums: a single one would wait for each addition, and lose more
// digits. The conversions keep a product from being fused with its sum, which processors
// round in different ways.
func dot(a, b []float32) float32 {
	b = b[:len(a)]
	var s0, s1, s2, s3, s4, s5, s6, s7 float32
	for len(a) >= 8 && len(b) >= 8 {
		x, y := (*[8]float32)(a), (*[8]float32)(b)
		s0 += float32(x[0] * y[0])
		s1 += float32(x[1] * y[1])
		s2 += float32(x[2] * y[2])
		s3 += float32(x[3] * y[3])
		s4 += float32(x[4] * y[4])
		s5 += float32(x[5] * y[5])
		s6 += float32(x[6] * y[6])
		s7 += float32(x[7] * y[7])
		a, b = a[8:], b[8:]
	}
	for i, v := range a {
		s0 += float32(v * b[i])
	}
	return ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
}

package ocrb

// A Cell is the evidence for one character: how well each of the Alphabet correlates with
// what is printed there, at most 1.
type Cell [classes]float32

// Best is the character that fits best among those of the alphabet given, and by how much
// it beats the next of them. An empty alphabet means all.
func (c *Cell) Best(alphabet string) (char byte, margin float64) {
	if alphabet == "" {
		alphabet = Alphabet
	}
	first, second := float32(-2), float32(-2)
	for i := range len(alphabet) {
		switch s := c[index(alphabet[i])]; {
		case s > first:
			first, second, char = s, first, alphabet[i]
		case s > second:
			second = s
		}
	}
	return char, float64(first - second)
}

// Score is how well a character fits.
func (c *Cell) Score(char byte) float64 { return float64(c[index(char)]) }

func (c *Cell) top() float64 {
	s := c[0]
	for _, v := range c {
		s = max(s, v)
	}
	return float64(s)
}

func index(char byte) int {
	switch {
	case char >= '0' && char <= '9':
		return int(char - '0')
	case char >= 'A' && char <= 'Z':
		return int(char-'A') + 10
	}
	return classes - 1
}

// farther is what the square of a pitch away from where a cell should be costs.
const farther = 3

// minContrast is the deviation of grey levels below which a cell is blank.
const minContrast = 6

// A bank is the templates of all characters at one softness and size, in the alphabet's order.
type bank [classes][]float32

// top is how well the best of a bank fits.
func (b *bank) top(patch []float32) float32 {
	var best float32
	for _, t := range b {
		best = max(best, dot(t, patch))
	}
	return best
}

func dot(a, b []float32) float32 {
	var s0, s1, s2, s3 float32
	b = b[:len(a)]
	for i := 0; i+3 < len(a); i += 4 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
		s2 += a[i+2] * b[i+2]
		s3 += a[i+3] * b[i+3]
	}
	return s0 + s1 + s2 + s3
}

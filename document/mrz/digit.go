package mrz

// Digit is the check digit of a field: the sum of its characters' values, weighted 7, 3, 1
// and so on, modulo 10. Digits count as they are, A to Z as 10 to 35, anything else as 0.
func Digit(field string) byte {
	sum := 0
	for i := range len(field) {
		sum += value(field[i]) * [3]int{7, 3, 1}[i%3]
	}
	return byte('0' + sum%10)
}

func value(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'Z':
		return int(c-'A') + 10
	}
	return 0
}

// holds reports whether the one character digit is the check digit of the field.
func holds(field, digit string) bool { return digit == string(Digit(field)) }

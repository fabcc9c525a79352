package mrz

// A Change is one character that Repair replaced; line and column count from 0.
type Change struct {
	Line, Column int
	From, To     byte
}

// Repair undoes confusions of optical reading (O for 0, I for 1, B for 8, S for 5, Z for 2
// and the reverse) where the field's alphabet forbids the character that was read and a
// check digit covers the replacement. The result is returned only if the whole zone is
// then valid; otherwise the lines come back as they are, with no changes. Lines of no
// known shape come back as they are.
func Repair(lines []string) ([]string, []Change) {
	f, err := formatOf(lines)
	if err != nil {
		return lines, nil
	}
	l := layoutOf(f)
	of, covered := l.classes(f)
	out := make([]string, len(lines))
	var changes []Change
	for i, line := range lines {
		b := []byte(line)
		for k, c := range b {
			if to := twin(c); to != 0 && covered[i][k] && !in(c, of[i][k]) && in(to, of[i][k]) {
				b[k] = to
				changes = append(changes, Change{i, k, c, to})
			}
		}
		out[i] = string(b)
	}
	if len(changes) == 0 {
		return lines, nil
	}
	if r, err := Parse(out); err != nil || !r.Valid() {
		return lines, nil
	}
	return out, changes
}

// twin is the character another is taken for, or 0.
func twin(c byte) byte {
	const a, b = "OIBSZ", "01852"
	for i := range len(a) {
		switch c {
		case a[i]:
			return b[i]
		case b[i]:
			return a[i]
		}
	}
	return 0
}

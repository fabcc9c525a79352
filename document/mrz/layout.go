package mrz

// A span is a run of characters of one line.
type span struct{ line, from, to int }

// A layout says where a format keeps its fields. A span that is empty is a field the
// format lacks.
type layout struct {
	code, issuer, name, nationality, sex   span
	number, numberCheck, birth, birthCheck span
	expiry, expiryCheck                    span
	optional, optionalCheck, optional2     span
	composite                              []span
	compositeCheck                         span
}

func layoutOf(f Format) layout {
	if f == TD1 {
		return layout{
			code: span{0, 0, 2}, issuer: span{0, 2, 5}, number: span{0, 5, 14}, numberCheck: span{0, 14, 15}, optional: span{0, 15, 30},
			birth: span{1, 0, 6}, birthCheck: span{1, 6, 7}, sex: span{1, 7, 8}, expiry: span{1, 8, 14}, expiryCheck: span{1, 14, 15},
			nationality: span{1, 15, 18}, optional2: span{1, 18, 29},
			composite: []span{{0, 5, 30}, {1, 0, 7}, {1, 8, 15}, {1, 18, 29}}, compositeCheck: span{1, 29, 30},
			name: span{2, 0, 30},
		}
	}
	_, n := f.Shape()
	l := layout{
		code: span{0, 0, 2}, issuer: span{0, 2, 5}, name: span{0, 5, n},
		number: span{1, 0, 9}, numberCheck: span{1, 9, 10}, nationality: span{1, 10, 13},
		birth: span{1, 13, 19}, birthCheck: span{1, 19, 20}, sex: span{1, 20, 21},
		expiry: span{1, 21, 27}, expiryCheck: span{1, 27, 28}, optional: span{1, 28, n},
	}
	switch f {
	case TD2:
		l.optional.to = n - 1
		l.composite = []span{{1, 0, 10}, {1, 13, 20}, {1, 21, n - 1}}
	case TD3:
		l.optional.to, l.optionalCheck = n-2, span{1, n - 2, n - 1}
		l.composite = []span{{1, 0, 10}, {1, 13, 20}, {1, 21, n - 1}}
	default:
		return l
	}
	l.compositeCheck = span{1, n - 1, n}
	return l
}

// A class is a set of the zone's characters.
type class int

const (
	digits       class = 1 << iota
	letters            // A to Z
	filler             // <
	sexes              // M, F and the filler
	alnum        = digits | letters | filler
	name         = letters | filler
	dateOrFiller = digits | filler
)

func in(c byte, k class) bool {
	switch {
	case c >= '0' && c <= '9':
		return k&digits != 0
	case c == 'M' || c == 'F':
		return k&(letters|sexes) != 0
	case c >= 'A' && c <= 'Z':
		return k&letters != 0
	}
	return c == '<' && k&(filler|sexes) != 0
}

// classes gives every character of a format its class, and whether a check digit covers it.
func (l *layout) classes(f Format) (of [][]class, covered [][]bool) {
	n, length := f.Shape()
	of, covered = make([][]class, n), make([][]bool, n)
	for i := range n {
		of[i], covered[i] = make([]class, length), make([]bool, length)
		for k := range length {
			of[i][k] = alnum
		}
	}
	set := func(k class, cover bool, spans ...span) {
		for _, s := range spans {
			for c := s.from; c < s.to; c++ {
				of[s.line][c] = k
				covered[s.line][c] = covered[s.line][c] || cover
			}
		}
	}
	set(alnum, true, l.composite...)
	set(alnum, true, l.number)
	set(name, false, l.issuer, l.nationality, l.name)
	set(letters, false, span{0, 0, 1})
	set(sexes, false, l.sex)
	set(dateOrFiller, true, l.birth)
	set(digits, true, l.birthCheck, l.expiry, l.expiryCheck, l.compositeCheck)
	set(dateOrFiller, true, l.numberCheck, l.optionalCheck)
	return of, covered
}

func alphabetHolds(lines []string, l layout) bool {
	f, err := formatOf(lines)
	if err != nil {
		return false
	}
	of, _ := l.classes(f)
	for i, line := range lines {
		for k := range len(line) {
			if !in(line[k], of[i][k]) {
				return false
			}
		}
	}
	return true
}

// Alphabet is the characters a position of a format may have, from 0; covered says whether
// a check digit sees a change there. A position outside the format has none.
func (f Format) Alphabet(line, column int) (chars string, covered bool) {
	l := layoutOf(f)
	of, cover := l.classes(f)
	if line < 0 || line >= len(of) || column < 0 || column >= len(of[line]) {
		return "", false
	}
	var s []byte
	for _, c := range []byte("0123456789<ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		if in(c, of[line][column]) {
			s = append(s, c)
		}
	}
	return string(s), cover[line][column]
}

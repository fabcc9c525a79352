package document

import (
	"math"

	"facegate/document/mrz"
	"facegate/document/ocrb"
)

// What a zone must have to be one, and its letters to be beyond doubt.
const (
	minFit    = .80 // mean correlation of the cells with the characters read
	minLetter = .60 // correlation of a character that no check digit covers
	minMargin = .02 // by which that character beats the next its field may have
)

// decide turns a zone's evidence into characters and checks them. ok is false where it is
// no zone of a known format.
func decide(z ocrb.Zone) (d Document, ok bool) {
	format := formatOf(z)
	if format == "" || z.Fit < minFit {
		return Document{}, false
	}
	t := balance(z, format)
	legible := true
	lines := make([]string, len(z.Lines))
	for i, cells := range z.Lines {
		b := make([]byte, len(cells))
		for k := range cells {
			alphabet, covered := format.Alphabet(i, k)
			if covered {
				b[k] = t.choose(&cells[k])
				continue
			}
			// Nothing checks this one: what its field cannot have is no reading of it.
			c, margin := cells[k].Best(alphabet)
			b[k] = c
			if cells[k].Score(c) < minLetter || margin < minMargin {
				legible = false
			}
		}
		lines[i] = string(b)
	}
	lines, repaired := mrz.Repair(lines)
	r, err := mrz.Parse(lines)
	if err != nil {
		return Document{}, false
	}
	return fromZone(r, legible, repaired), true
}

func formatOf(z ocrb.Zone) mrz.Format {
	first, _ := z.Lines[0][0].Best("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
	for _, f := range []mrz.Format{mrz.TD1, mrz.TD2, mrz.TD3} {
		if n, length := f.Shape(); n != len(z.Lines) || length != len(z.Lines[0]) {
			continue
		}
		switch {
		case first == 'V' && f == mrz.TD2:
			return mrz.MRVB
		case first == 'V' && f == mrz.TD3:
			return mrz.MRVA
		}
		return f
	}
	return ""
}

// twins are the digits and letters that print makes alike.
func twins() [5][2]byte {
	return [5][2]byte{{'0', 'O'}, {'1', 'I'}, {'2', 'Z'}, {'5', 'S'}, {'8', 'B'}}
}

// A scale says for each pair of twins by how much the digit's score must beat the letter's.
type scale [5]float64

// balance learns from the fields that hold only digits and those that hold only letters how
// alike this document prints each pair, and puts the boundary for its mixed fields halfway.
// Where it prints one of a pair nowhere, that one is taken to lie as far off as usual.
func balance(z ocrb.Zone, format mrz.Format) scale {
	const digits, letters = "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ<"
	const usual = .05 // how far a printed character's own score is above its twin's
	var s scale
	for p, pair := range twins() {
		var sum, n [2]float64
		for i, cells := range z.Lines {
			for k := range cells {
				alphabet, _ := format.Alphabet(i, k)
				digit, letter := onlyOf(alphabet, digits), onlyOf(alphabet, letters)
				if !digit && !letter {
					continue
				}
				side := 0
				if letter {
					side = 1
				}
				if c, _ := cells[k].Best(alphabet); c == pair[side] {
					sum[side] += cells[k].Score(pair[0]) - cells[k].Score(pair[1])
					n[side]++
				}
			}
		}
		// The usual distance counts as one observation.
		of := [2]float64{usual, -usual}
		for side := range of {
			of[side] = (of[side] + sum[side]) / (1 + n[side])
		}
		s[p] = (of[0] + of[1]) / 2
		if math.IsNaN(s[p]) {
			s[p] = 0
		}
	}
	return s
}

// onlyOf reports whether an alphabet has nothing but the characters of the set, fillers aside.
func onlyOf(alphabet, set string) bool {
	n := 0
	for i := range len(alphabet) {
		if alphabet[i] == '<' {
			continue
		}
		n++
		found := false
		for k := range len(set) {
			found = found || set[k] == alphabet[i]
		}
		if !found {
			return false
		}
	}
	return n > 0
}

// choose is the character of a cell whose field may have any.
func (s *scale) choose(c *ocrb.Cell) byte {
	best, _ := c.Best("")
	for p, pair := range twins() {
		if best != pair[0] && best != pair[1] {
			continue
		}
		if c.Score(pair[0])-c.Score(pair[1]) >= s[p] {
			return pair[0]
		}
		return pair[1]
	}
	return best
}

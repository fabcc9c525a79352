package document

import (
	"math"
	"strings"

	"facegate/document/mrz"
	"facegate/document/ocrb"
)

// What a zone must have to be one, and its characters to be beyond doubt. Clearness is a
// margin in parts of what the character leaves unexplained, so that a blurred one needs a
// larger margin than a sharp one.
const (
	// what may lie beside a zone and look like characters: a visa's lines, cut short, would
	// pass for those of a smaller one
	maxRest    = 1.2
	minFit     = .80 // mean correlation of the cells with the characters read
	minLetter  = .60 // correlation of a character that no check digit covers
	maxForeign = .06 // by which a character its field cannot have may fit better
	// by which one may fit better where a check digit sees it: as much as two readings of the
	// same print differ
	maxUndecided = .02
	minMargin    = .035 // by which that character beats the next its field may have
	minClear     = .10  // clearness of such a character
	minCovered   = .03  // clearness of one that a check digit covers
	maxDoubts    = 1    // covered characters that may be less clear: two errors can make up for each other in a digit
)

// clearness is a margin over the next character in parts of what the cell leaves unexplained.
func clearness(c *ocrb.Cell, char byte, margin float64) float64 {
	s := c.Score(char)
	return margin / max(.02, 1-s*s)
}

// decide turns a zone's evidence into characters and checks them. ok is false where it is
// no zone of a known format.
func decide(z ocrb.Zone) (d Document, ok bool) {
	format := formatOf(z)
	if format == "" || z.Fit < minFit {
		return Document{}, false
	}
	t := balance(z, format)
	legible, doubts := true, 0
	lines := make([]string, len(z.Lines))
	for i, cells := range z.Lines {
		b := make([]byte, len(cells))
		for k := range cells {
			cell := &cells[k]
			alphabet, covered := format.Alphabet(i, k)
			if i == 0 && k == 0 && format == mrz.TD3 {
				alphabet = "P" // what has this format and begins with another letter is no passport
			}
			if covered {
				b[k], _ = t.best(cell, ocrb.Alphabet)
				if c, _ := t.best(cell, alphabet); cell.Score(b[k])-cell.Score(c) < maxUndecided {
					b[k] = c
				}
				if margin := unseen(cell, b[k], alphabet); margin < minMargin || clearness(cell, b[k], margin) < minClear {
					legible = false
				}
				if c, margin := cell.Best(alphabet); clearness(cell, c, margin) < minCovered {
					doubts++
				}
				continue
			}
			// Nothing checks this one. What its field cannot have is no reading of it, unless
			// it is plain that it is printed there.
			c, margin := t.best(cell, alphabet)
			if free, _ := t.best(cell, ocrb.Alphabet); cell.Score(free)-cell.Score(c) > maxForeign {
				c = free
			}
			b[k] = c
			if len(alphabet) == 1 {
				margin = 1
			}
			if cell.Score(c) < minLetter || margin < minMargin || clearness(cell, c, margin) < minClear {
				legible = false
			}
		}
		lines[i] = string(b)
	}
	if format == mrz.TD3 && lines[0][0] != 'P' || z.Rest > maxRest {
		legible = false
	}
	lines, repaired := mrz.Repair(lines)
	r, err := mrz.Parse(lines)
	if err != nil {
		return Document{}, false
	}
	return fromZone(r, legible && doubts <= maxDoubts, repaired), true
}

// unseen is by how much a character beats the best of those of its field that a check digit
// cannot tell from it, because their values differ by a multiple of ten: S from 8, G from 6.
func unseen(c *ocrb.Cell, char byte, alphabet string) float64 {
	margin := math.Inf(1)
	for i := range len(alphabet) {
		if o := alphabet[i]; o != char && mrz.Digit(string(o)) == mrz.Digit(string(char)) {
			margin = min(margin, c.Score(char)-c.Score(o))
		}
	}
	return margin
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

// A pair is a digit and a letter that print makes alike. The numbers are by how much the
// digit's score is above the letter's where the one or the other is printed, the medians
// over the specimens.
type pair struct {
	digit, letter     byte
	isDigit, isLetter float64
}

func twins() [5]pair {
	return [5]pair{{'0', 'O', .12, -.12}, {'1', 'I', .24, -.25}, {'2', 'Z', .13, -.24}, {'5', 'S', .24, -.24}, {'8', 'B', .15, -.10}}
}

// A scale says for each pair of twins by how much the digit's score must beat the letter's.
type scale [5]float64

// balance learns from the fields that hold only digits and those that hold only letters how
// alike this document prints each pair, and puts the boundary for its mixed fields halfway.
// Where it prints one of a pair nowhere, that one is taken to be as it usually is.
func balance(z ocrb.Zone, format mrz.Format) scale {
	const digits, letters = "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ<"
	var s scale
	for p, pair := range twins() {
		var sum, n [2]float64 // of the digit and of the letter
		for i, cells := range z.Lines {
			for k := range cells {
				alphabet, _ := format.Alphabet(i, k)
				digit, letter := onlyOf(alphabet, digits), onlyOf(alphabet, letters)
				if !digit && !letter {
					continue
				}
				side, want := 0, pair.digit
				if letter {
					side, want = 1, pair.letter
				}
				if c, _ := cells[k].Best(alphabet); c == want {
					sum[side] += pair.difference(&cells[k])
					n[side]++
				}
			}
		}
		// What is usual counts as one observation.
		s[p] = ((pair.isDigit+sum[0])/(1+n[0]) + (pair.isLetter+sum[1])/(1+n[1])) / 2
	}
	return s
}

func (p *pair) difference(c *ocrb.Cell) float64 { return c.Score(p.digit) - c.Score(p.letter) }

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

// sure is how far a cell must lie from the boundary of a pair, in parts of what is usual.
const sure = .6

// best is the character of a cell among those of the alphabet, and by how much it beats
// the next, which is nothing where it may be a twin. Between twins the scale decides.
func (s *scale) best(c *ocrb.Cell, alphabet string) (char byte, margin float64) {
	char, margin = c.Best(alphabet)
	for p, pair := range twins() {
		if char != pair.digit && char != pair.letter || strings.IndexByte(alphabet, pair.digit) < 0 || strings.IndexByte(alphabet, pair.letter) < 0 {
			continue
		}
		above := pair.difference(c) - s[p]
		char = pair.digit
		other := pair.letter
		if above < 0 {
			char, other = other, char
		}
		_, margin = c.Best(strings.ReplaceAll(alphabet, string(other), ""))
		if usual := (pair.isDigit - pair.isLetter) / 2; math.Abs(above) < sure*usual {
			return char, 0
		}
		return char, min(margin, math.Abs(above))
	}
	return char, margin
}

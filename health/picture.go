package health

import "fmt"

// Luma levels of the black and the no longer black picture. Black is 16 in the limited range of
// YUYV and NV12, and the amplified noise of a covered sensor lies above it; a face needs far
// more light than this to be judged at all.
const (
	blackPeak byte = 40
	seenPeak  byte = 48
)

// Blackness tells black pictures: a covered lens, no light, a sensor that sends zeros. A picture
// of one colour is none: an empty wall is a scene. The zero value is ready; it is for one
// goroutine.
type Blackness struct{ black bool }

// See takes samples of luma of one picture, spread over all of it (a few hundred will do), and
// reports whether it is black, and why, for [CameraBlack]. Without samples nothing changes.
func (b *Blackness) See(luma []byte) (black bool, cause string) {
	if len(luma) == 0 {
		return b.black, ""
	}
	p, limit := peak(luma), blackPeak
	if b.black {
		limit = seenPeak
	}
	if b.black = p < limit; !b.black {
		return false, ""
	}
	return true, fmt.Sprintf("nothing in the picture is brighter than %d of 255", p)
}

// peak is the level that 99 of 100 samples do not exceed: a hot pixel is no light.
func peak(luma []byte) byte {
	var count [256]int
	for _, v := range luma {
		count[v]++
	}
	above := len(luma) / 100
	for v := 255; v > 0; v-- {
		if above -= count[v]; above < 0 {
			return byte(v)
		}
	}
	return 0
}

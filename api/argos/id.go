package argos

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"strings"
	"time"
)

// alphabet is Crockford's, in which order of text is order of number.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// newID is a ULID: the time in milliseconds and 80 random bits.
func newID(at time.Time) string {
	var b [20]byte // 130 bits are written, of which the first two are zero
	binary.BigEndian.PutUint64(b[:], uint64(at.UnixMilli())<<16)
	_, _ = rand.Read(b[6:16]) // never fails: crypto/rand ends the program instead
	// 128 bits are no whole number of digits: they are shifted behind two zero bits.
	var shifted [20]byte
	for i := range shifted {
		shifted[i] = b[i] >> 2
		if i > 0 {
			shifted[i] |= b[i-1] << 6
		}
	}
	return base32.NewEncoding(alphabet).EncodeToString(shifted[:])[:26]
}

// isID reports whether text could be a ULID.
func isID(text string) bool {
	return len(text) == 26 && strings.Trim(text, alphabet) == ""
}

package litert

import (
	"encoding/binary"
	"errors"
)

// checkFlatbuffer refuses bytes that are no TensorFlow Lite model: the file identifier and
// the root table must be there. The library verifies the rest.
func checkFlatbuffer(b []byte) error {
	const minimum, maximum = 24, 256 << 20
	switch {
	case len(b) < minimum:
		return errors.New("too short")
	case len(b) > maximum:
		return errors.New("too long")
	case string(b[4:8]) != "TFL3":
		return errors.New("no TFL3 identifier")
	case int64(binary.LittleEndian.Uint32(b)) > int64(len(b)-4):
		return errors.New("cut short")
	}
	return nil
}

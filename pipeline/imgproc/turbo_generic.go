//go:build !cgo

package imgproc

import (
	"errors"
	"image"
)

// A Turbo is libjpeg-turbo's decoder, which this build is without.
type Turbo struct{}

// OpenTurbo is an error in a build without cgo.
func OpenTurbo() (*Turbo, error) {
	return nil, errors.New("load the JPEG accelerator: built without cgo")
}

// Close does nothing.
func (*Turbo) Close() error { return nil }

func (*Turbo) decode(*image.YCbCr, []byte, int, int) (bool, error) { return false, nil }

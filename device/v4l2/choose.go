package v4l2

import (
	"cmp"
	"slices"

	"facegate/device"
)

// A Size is a frame size a camera offers, or a range of them: on some devices every size
// between two, in steps.
type Size struct {
	MinWidth, MaxWidth, StepWidth    int
	MinHeight, MaxHeight, StepHeight int
}

// An Offer is one of a camera's formats with its sizes.
type Offer struct {
	Format device.Format
	FourCC uint32
	Sizes  []Size // empty where the driver does not tell them
}

// The formats as Video4Linux names them. mjpg and jpeg are the same bytes.
const (
	fourccYUYV = 'Y' | 'U'<<8 | 'Y'<<16 | 'V'<<24
	fourccNV12 = 'N' | 'V'<<8 | '1'<<16 | '2'<<24
	fourccMJPG = 'M' | 'J'<<8 | 'P'<<16 | 'G'<<24
	fourccJPEG = 'J' | 'P'<<8 | 'E'<<16 | 'G'<<24
	fourccRGB3 = 'R' | 'G'<<8 | 'B'<<16 | '3'<<24
)

// formatOf is the format that the pipeline knows by another name, 0 for none.
func formatOf(fourcc uint32) device.Format {
	switch fourcc {
	case fourccYUYV:
		return device.YUYV
	case fourccNV12:
		return device.NV12
	case fourccMJPG, fourccJPEG:
		return device.MJPEG
	case fourccRGB3:
		return device.RGB24
	}
	return 0
}

// A setting is what a camera is asked for.
type setting struct {
	fourcc        uint32
	width, height int
}

// smallPixels is the size up to which raw frames fit a USB 2 bus at video rates and are
// cheaper to sample than a JPEG is to decode.
const smallPixels = 640 * 480

// rank orders formats at one size: raw when small, compressed when large.
func rank(f device.Format, pixels int) int {
	order := []device.Format{device.YUYV, device.NV12, device.RGB24, device.MJPEG}
	if pixels > smallPixels {
		order = []device.Format{device.MJPEG, device.NV12, device.YUYV, device.RGB24}
	}
	return slices.Index(order, f)
}

// choose picks from what a camera offers: the smallest size that holds the wanted one, or
// the largest there is, then the best format at that size. It returns false if the camera
// offers no format that can be read.
func choose(offers []Offer, width, height int) (setting, bool) {
	type candidate struct {
		setting
		format device.Format
	}
	var all []candidate
	for _, o := range offers {
		sizes := o.Sizes
		if len(sizes) == 0 { // ask for what is wanted and see
			sizes = []Size{{MinWidth: width, MaxWidth: width, MinHeight: height, MaxHeight: height}}
		}
		for _, s := range sizes {
			w, h := s.nearest(width, height)
			if w > 0 && h > 0 && w%2 == 0 && h%2 == 0 {
				all = append(all, candidate{setting{o.FourCC, w, h}, o.Format})
			}
		}
	}
	if len(all) == 0 {
		return setting{}, false
	}
	best := slices.MinFunc(all, func(a, b candidate) int {
		aHolds, bHolds := a.width >= width && a.height >= height, b.width >= width && b.height >= height
		if aHolds != bHolds {
			if aHolds {
				return -1
			}
			return 1
		}
		aPx, bPx := a.width*a.height, b.width*b.height
		size := cmp.Compare(aPx, bPx)
		if !aHolds {
			size = -size
		}
		return cmp.Or(size, cmp.Compare(rank(a.format, aPx), rank(b.format, bPx)))
	})
	return best.setting, true
}

// nearest is the size in the range that comes closest to the wanted one, rounded up to the
// next step.
func (s Size) nearest(width, height int) (w, h int) {
	if s.MaxWidth == 0 || s.MaxHeight == 0 { // a driver that takes any size
		return width, height
	}
	return step(width, s.MinWidth, s.MaxWidth, s.StepWidth), step(height, s.MinHeight, s.MaxHeight, s.StepHeight)
}

func step(want, lo, hi, by int) int {
	v := min(max(want, lo), hi)
	if by > 1 {
		v = lo + (v-lo+by-1)/by*by
		if v > hi {
			v -= by
		}
	}
	return v
}

package replay

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"

	"facegate/device"
)

// Record appends a frame to a .mjpeg recording. A frame that is MJPEG already is written as
// it is, without what pads it behind its end; others become JPEG pictures of high quality,
// with the chroma resolution the frame has. The frame stays the caller's.
func Record(w io.Writer, f *device.Frame) error {
	img, err := picture(f)
	if err != nil {
		return fmt.Errorf("record frame %d: %w", f.Seq, err)
	}
	if img == nil {
		var spans []span
		if spans, err = splitJPEG(bufio.NewReader(bytes.NewReader(f.Data))); err == nil && len(spans) == 0 {
			err = errors.New("it holds no JPEG picture")
		}
		if err == nil {
			_, err = w.Write(f.Data[spans[0].at:][:spans[0].len])
		}
	} else {
		err = jpeg.Encode(w, img, &jpeg.Options{Quality: 95})
	}
	if err != nil {
		return fmt.Errorf("record frame %d: %w", f.Seq, err)
	}
	return nil
}

// picture views a frame as an image; nil means that its bytes are a picture already.
func picture(f *device.Frame) (image.Image, error) {
	rect := image.Rect(0, 0, f.Width, f.Height)
	need := f.Stride * f.Height
	switch f.Format {
	case device.NV12:
		need = need * 3 / 2
	case device.MJPEG, device.YUYV, device.RGB24:
	default:
		return nil, fmt.Errorf("no such format: %v", f.Format)
	}
	if f.Width < 1 || f.Height < 1 || len(f.Data) < need {
		return nil, errors.New("its bytes do not fit its size")
	}
	switch f.Format {
	case device.RGB24:
		rgb := make([]byte, 0, 3*f.Width*f.Height)
		for y := range f.Height {
			rgb = append(rgb, f.Data[y*f.Stride:][:3*f.Width]...)
		}
		return expandRGB(rgb, f.Width, f.Height), nil
	case device.YUYV:
		m := image.NewYCbCr(rect, image.YCbCrSubsampleRatio422)
		for y := range f.Height {
			row := f.Data[y*f.Stride:]
			for x := 0; x < f.Width/2; x++ {
				m.Y[y*m.YStride+2*x], m.Y[y*m.YStride+2*x+1] = fullLuma(row[4*x]), fullLuma(row[4*x+2])
				m.Cb[y*m.CStride+x], m.Cr[y*m.CStride+x] = fullChroma(row[4*x+1]), fullChroma(row[4*x+3])
			}
		}
		return m, nil
	case device.NV12:
		m := image.NewYCbCr(rect, image.YCbCrSubsampleRatio420)
		for y := range f.Height {
			for x, v := range f.Data[y*f.Stride:][:f.Width] {
				m.Y[y*m.YStride+x] = fullLuma(v)
			}
		}
		for y := range f.Height / 2 {
			row := f.Data[f.Stride*(f.Height+y):]
			for x := range f.Width / 2 {
				m.Cb[y*m.CStride+x], m.Cr[y*m.CStride+x] = fullChroma(row[2*x]), fullChroma(row[2*x+1])
			}
		}
		return m, nil
	case device.MJPEG:
	}
	return nil, nil
}

// fullLuma and fullChroma widen a camera's limited range (16 to 235, 16 to 240; ITU-R BT.601)
// to the full range that JPEG has (JFIF).
func fullLuma(v byte) byte   { return widen(int(v)-16, 219, 0) }
func fullChroma(v byte) byte { return widen(int(v)-128, 224, 128) }

func widen(v, span, middle int) byte {
	v *= 255
	if v < 0 {
		v -= span // so that halves round away from zero on both sides
	}
	return byte(min(255, max(0, middle+(v+span/2)/span)))
}

package replay

import (
	"bufio"
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"facegate/device"
)

// psnr compares two pictures of one size in decibels.
func psnr(a, b image.Image) float64 {
	var sq, n float64
	r := a.Bounds()
	for y := range r.Dy() {
		for x := range r.Dx() {
			ar, ag, ab, _ := a.At(x, y).RGBA()
			br, bg, bb, _ := b.At(x, y).RGBA()
			for _, d := range []float64{float64(ar) - float64(br), float64(ag) - float64(bg), float64(ab) - float64(bb)} {
				sq, n = sq+d*d/257/257, n+1
			}
		}
	}
	return 10 * math.Log10(255*255*n/sq)
}

// narrow brings a picture of the full range into the limited one.
func narrow(m *image.YCbCr) {
	for i, v := range m.Y {
		m.Y[i] = clamp(float64(v)*219/255 + 16.5)
	}
	for _, c := range [][]byte{m.Cb, m.Cr} {
		for i, v := range c {
			c[i] = clamp((float64(v)-128)*224/255 + 128.5)
		}
	}
}

func clamp(v float64) byte { return byte(min(255, max(0, v))) }

// What Record writes, Open plays: the same JPEG bytes for MJPEG frames, nearly the same
// pixels for others.
func TestRecordAndPlayBack(t *testing.T) {
	dir := t.TempDir()
	pics := []image.Image{drawn(64, 48, 1), drawn(64, 48, 2), drawn(64, 48, 3)}
	jpegs := make([][]byte, len(pics))
	var rec bytes.Buffer
	for i, m := range pics {
		jpegs[i] = encodeJPEG(t, m)
		padded := append(bytes.Clone(jpegs[i]), make([]byte, 100)...)
		f := &device.Frame{Seq: uint64(i), Width: 64, Height: 48, Format: device.MJPEG, Data: padded}
		if err := Record(&rec, f); err != nil {
			t.Fatal(err)
		}
	}
	first := writeFile(t, filepath.Join(dir, "first.mjpeg"), rec.Bytes())
	synctest.Test(t, func(t *testing.T) {
		got, err := play(t, mustOpen(t, first, Options{FPS: 10}), 0)
		if !errors.Is(err, device.ErrEnded) || len(got) != len(jpegs) {
			t.Fatalf("got %d frames and %v, want %d and ErrEnded", len(got), err, len(jpegs))
		}
		for i := range got {
			if !bytes.Equal(got[i].data, jpegs[i]) {
				t.Errorf("frame %d is not the recorded picture byte for byte", i)
			}
		}
	})

	yuv, err := jpeg.Decode(bytes.NewReader(jpegs[0])) // 4:2:0
	if err != nil {
		t.Fatal(err)
	}
	y := yuv.(*image.YCbCr)
	narrow(y) // as a camera and a .y4m file have it
	wide := image.NewYCbCr(y.Rect, y.SubsampleRatio)
	for i, v := range y.Y {
		wide.Y[i] = clamp(float64(int(v)-16)*255/219 + .5)
	}
	for i := range y.Cb {
		wide.Cb[i], wide.Cr[i] = clamp(float64(int(y.Cb[i])-128)*255/224+128.5), clamp(float64(int(y.Cr[i])-128)*255/224+128.5)
	}
	var planes bytes.Buffer
	planes.WriteString("YUV4MPEG2 W64 H48 F25:1 Ip A1:1 C420jpeg XYSCSS=420JPEG\n")
	for range 2 {
		planes.WriteString("FRAME\n")
		for row := range 48 {
			planes.Write(y.Y[row*y.YStride:][:64])
		}
		for _, c := range [][]byte{y.Cb, y.Cr} {
			for row := range 24 {
				planes.Write(c[row*y.CStride:][:32])
			}
		}
	}
	planes.WriteString("FRAME\ncut") // a last frame that was not written to its end
	raw := writeFile(t, filepath.Join(dir, "raw.y4m"), planes.Bytes())
	synctest.Test(t, func(t *testing.T) {
		c := mustOpen(t, raw, Options{})
		var rec bytes.Buffer
		n := 0
		err := c.Stream(t.Context(), func(f *device.Frame) error {
			defer f.Release()
			n++
			rec.Reset()
			return Record(&rec, f)
		})
		if m := c.Mode(); !errors.Is(err, device.ErrEnded) || n != 2 || m.Format != device.NV12 || m.FPS != 25 {
			t.Fatalf("got %d frames, mode %+v and %v", n, m, err)
		}
		back, err := jpeg.Decode(&rec)
		if err != nil {
			t.Fatal(err)
		}
		if db := psnr(wide, back); db < 38 {
			t.Errorf("NV12 played, recorded and decoded: %.1f dB, want at least 38", db)
		}
	})
}

func TestY4MIn422BecomesYUYV(t *testing.T) {
	path := writeFile(t, filepath.Join(t.TempDir(), "a.y4m"), []byte("YUV4MPEG2 W2 H2 F10:1 C422\nFRAME Ip\nYyZzUuVv"))
	synctest.Test(t, func(t *testing.T) {
		got, _ := play(t, mustOpen(t, path, Options{}), 0)
		if len(got) != 1 || string(got[0].data) != "YUyVZuzv" {
			t.Errorf("got %d frames: %+v", len(got), got)
		}
	})
}

func TestRecordOfRGBAndYUYV(t *testing.T) {
	m := drawn(64, 48, 1)
	frames := []*device.Frame{{Width: 64, Height: 48, Stride: 192, Format: device.RGB24, Data: packRGB(m)}}
	ycc := image.NewYCbCr(m.Rect, image.YCbCrSubsampleRatio422)
	for i := range ycc.Y {
		ycc.Y[i] = uint8(16 + i%220)
	}
	for i := range ycc.Cb {
		ycc.Cb[i], ycc.Cr[i] = uint8(100+i%32), uint8(150-i%32)
	}
	yuyv := make([]byte, 2*64*48)
	for i := range ycc.Cb {
		yuyv[4*i], yuyv[4*i+1], yuyv[4*i+2], yuyv[4*i+3] = ycc.Y[2*i], ycc.Cb[i], ycc.Y[2*i+1], ycc.Cr[i]
	}
	frames = append(frames, &device.Frame{Width: 64, Height: 48, Stride: 128, Format: device.YUYV, Data: yuyv})
	for i, v := range ycc.Y {
		ycc.Y[i] = fullLuma(v)
	}
	for i := range ycc.Cb {
		ycc.Cb[i], ycc.Cr[i] = fullChroma(ycc.Cb[i]), fullChroma(ycc.Cr[i])
	}
	for i, want := range []image.Image{m, ycc} {
		var b bytes.Buffer
		if err := Record(&b, frames[i]); err != nil {
			t.Fatal(err)
		}
		got, err := jpeg.Decode(&b)
		if err != nil {
			t.Fatal(err)
		}
		if db := psnr(want, got); db < 28 { // the edges of drawn suffer from the encoder's 4:2:0
			t.Errorf("%v: %.1f dB", frames[i].Format, db)
		}
	}
	for _, bad := range []*device.Frame{
		{Width: 4, Height: 4, Stride: 8, Format: device.YUYV, Data: make([]byte, 31)},
		{Width: 4, Height: 4, Stride: 4, Format: device.NV12, Data: make([]byte, 23)},
		{Width: 4, Height: 4, Format: device.MJPEG},
		{Width: 4, Height: 4, Format: device.MJPEG, Data: []byte("no picture")},
		{},
	} {
		if err := Record(&bytes.Buffer{}, bad); err == nil {
			t.Errorf("%v with %d bytes was recorded", bad.Format, len(bad.Data))
		}
	}
}

func TestSplitJPEG(t *testing.T) {
	pic := encodeJPEG(t, drawn(32, 32, 1))
	// an application segment that carries a whole thumbnail
	thumb := encodeJPEG(t, drawn(8, 8, 2))
	exif := append([]byte{0xff, 0xd8, 0xff, 0xe1, byte((len(thumb) + 2) >> 8), byte(len(thumb) + 2)}, thumb...)
	exif = append(exif, pic[2:]...)
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	n := int64(len(pic))
	tests := []struct {
		name string
		data []byte
		want []span
	}{
		{"nothing", nil, nil},
		{"text", []byte("\xff\xd9 some \xff text"), nil},
		{"two", join(pic, pic), []span{{0, len(pic)}, {n, len(pic)}}},
		{"padded and prefixed", join([]byte("--boundary\r\n"), pic, make([]byte, 7), pic), []span{{12, len(pic)}, {12 + n + 7, len(pic)}}},
		{"thumbnail inside", join(exif, pic), []span{{0, len(exif)}, {int64(len(exif)), len(pic)}}},
		{"first torn in its data", join(pic[:len(pic)-20], pic), []span{{0, len(pic) - 20}, {n - 20, len(pic)}}},
		{"last torn", join(pic, pic[:30]), []span{{0, len(pic)}, {n, 30}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := splitJPEG(bufio.NewReader(bytes.NewReader(tt.data)))
			if err != nil || len(got) != len(tt.want) {
				t.Fatalf("got %v, %v; want %v", got, err, tt.want)
			}
			for i := range got {
				if got[i] != tt.want[i] {
					t.Errorf("got %v, want %v", got, tt.want)
				}
			}
		})
	}
}

// Whatever bytes are in a recording: an error or frames inside the file, never a crash.
func FuzzOpenRecording(f *testing.F) {
	f.Add([]byte("\xff\xd8\xff\xe0\x00\x04ab\xff\xda\x00\x02cd\xff\xd9"), true)
	f.Add([]byte("YUV4MPEG2 W2 H2 F10:1 C422\nFRAME Ip\nYyZzUuVv"), false)
	f.Add([]byte("YUV4MPEG2 W2 H2 F1:0 C\nFRAME\n"), false)
	f.Fuzz(func(t *testing.T, data []byte, motion bool) {
		name := "a.y4m"
		if motion {
			name = "a.mjpeg"
		}
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Open(path, Options{})
		if err != nil {
			return
		}
		rd, err := c.clip.open()
		if err != nil {
			t.Fatal(err)
		}
		defer rd.Close()
		for i := range c.clip.frames() {
			if _, err := rd.read(i, nil); err != nil {
				t.Fatalf("frame %d: %v", i, err)
			}
		}
	})
}

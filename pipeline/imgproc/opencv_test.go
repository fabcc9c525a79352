package imgproc

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"facegate/device"
)

// testdata/opencv.gz holds what OpenCV 5.0.0 computed, from the same pattern and from the
// files in testdata/pictures, as records of a name, a length and as many bytes.

func opencv(t *testing.T) map[string][]byte {
	t.Helper()
	data, err := os.ReadFile("testdata/opencv.gz")
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	r, all := bufio.NewReader(z), map[string][]byte{}
	for {
		name, err := r.ReadString('\n')
		if err == io.EOF {
			return all
		}
		size, err2 := r.ReadString('\n')
		n, err3 := strconv.Atoi(strings.TrimSpace(size))
		if err != nil || err2 != nil || err3 != nil {
			t.Fatal(name, err, err2, err3)
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(r, b); err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSpace(name)] = b
	}
}

// within checks the mean and the largest difference.
func within(t *testing.T, name string, got, want []byte, mean float64, most int) {
	t.Helper()
	if len(got) != len(want) || len(want) == 0 {
		t.Errorf("%s: %d bytes, want %d", name, len(got), len(want))
		return
	}
	sum, peak := 0, 0
	for i := range want {
		d := max(int(got[i])-int(want[i]), int(want[i])-int(got[i]))
		sum, peak = sum+d, max(peak, d)
	}
	if m := float64(sum) / float64(len(want)); m > mean || peak > most {
		t.Errorf("%s: differs by %.4f in the mean, %d at most; want %.4f, %d", name, m, peak, mean, most)
	}
}

func TestResizeAsOpenCV(t *testing.T) {
	want, src := opencv(t), pattern(48, 36)
	for _, k := range []struct {
		name   string
		resize func(dst, src *Image)
		mean   float64
		most   int
	}{
		{"area", ResizeArea, .01, 1},
		{"linear", ResizeLinear, .01, 1},
		{"lanczos", ResizeLanczos4, 0, 0},
	} {
		for _, s := range [][2]int{{20, 15}, {24, 18}, {16, 12}, {12, 9}, {48, 36}, {65, 50}, {60, 10}, {9, 35}} {
			dst := New(s[0], s[1])
			k.resize(dst, src)
			name := fmt.Sprintf("%s %dx%d", k.name, s[0], s[1])
			within(t, name, dst.Pix, want[name], k.mean, k.most)
		}
	}
}

func TestCropsAsOpenCV(t *testing.T) {
	want, src := opencv(t), pattern(48, 36)
	for i, m := range []Affine{
		{0.9, 0.2, -5.3, -0.2, 0.9, 7.7},
		{0.31, 0, 3, 0, 0.31, 2},
		{1.7, -0.5, -20, 0.5, 1.7, -30},
		{1, 0, -5.25, 0, 1, -7.75},
	} {
		dst := New(32, 32)
		Warp(dst, src, m)
		name := fmt.Sprint("warp ", i)
		within(t, name, dst.Pix, want[name], .1, 1)
	}
	for i, c := range []struct {
		box       Box
		scale, up float64
		n         int
	}{
		{Box{10.3, 5.1, 35.7, 30.9}, 1.5, .2, 20},
		{Box{15.3, 10.1, 25.7, 20.9}, 1.2, 0, 24},
		{Box{-5.3, -10.1, 40.7, 45.9}, 1.5, .1, 24},
	} {
		dst := New(c.n, c.n)
		m := SquareCrop(dst, src, c.box, c.scale, c.up)
		name := fmt.Sprint("square ", i)
		within(t, name, dst.Pix, want[name], .15, 1)
		if p := m.Apply(Point{c.box.Centre().X, c.box.Centre().Y - c.up*c.box.H()}); p != (Point{float64(c.n) / 2, float64(c.n) / 2}) {
			t.Errorf("%s: the middle lands on %v", name, p)
		}
	}
	for i, b := range []Box{{10, 5, 35, 30}, {-3, 3, 30, 35}, {15, 10, 22, 20}} {
		dst := New(24, 24)
		if !Reflect101Square(dst, src, b, 1.8) {
			t.Errorf("box %+v refused", b)
		}
		name := fmt.Sprint("reflect ", i)
		within(t, name, dst.Pix, want[name], .01, 1)
	}
}

func TestGrayAsOpenCV(t *testing.T) {
	want, src := opencv(t), pattern(48, 36)
	var g, s Gray
	ToGray(&g, src)
	within(t, "gray", g.Pix, want["gray"], 0, 0)
	Gaussian(&s, &g, 1)
	within(t, "gauss 1", s.Pix, want["gauss 1"], .1, 1)
	Gaussian(&g, &g, 4)
	within(t, "gauss 4", g.Pix, want["gauss 4"], .1, 1)
}

func TestFramesAsOpenCV(t *testing.T) {
	want := opencv(t)
	var p Picture
	mustSet(t, &p, yuyvFrame(48, 36))
	within(t, "yuyv", p.RGB().Pix, want["yuyv"], 0, 0)

	y, uv := pattern(48, 36), pattern(48, 18)
	f := &device.Frame{Width: 48, Height: 36, Stride: 48, Format: device.NV12, Data: make([]byte, 48*54)}
	for i := range 48 * 36 {
		f.Data[i] = y.Pix[3*i]
	}
	for i := range 48 * 18 {
		f.Data[48*36+i] = uv.Pix[3*i+1]
	}
	mustSet(t, &p, f)
	within(t, "nv12", p.RGB().Pix, want["nv12"], 0, 0)
}

func TestDecodeAsOpenCV(t *testing.T) {
	want := opencv(t)
	files, err := filepath.Glob("testdata/pictures/*")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		m, err := Decode(data)
		if err != nil {
			t.Errorf("%s: %v", f, err)
			continue
		}
		mean, most := .1, 3
		switch filepath.Ext(f) {
		case ".png", ".bmp", ".gif":
			mean, most = 0, 0
		case ".webp":
			mean, most = .3, 3
		}
		within(t, f, m.Pix, want["picture "+filepath.Base(f)], mean, most)

		again, err := Read(bytes.NewReader(data))
		if err != nil || !bytes.Equal(again.Pix, m.Pix) {
			t.Errorf("%s: Read differs from Decode: %v", f, err)
		}
	}
}

package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"facegate/device"
)

// drawn returns a w x h test picture with edges, different for every seed.
func drawn(w, h, seed int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			v := uint8(40 + 17*seed)
			if (x/4+y/4)%2 == 0 {
				v += 90
			}
			m.SetRGBA(x, y, color.RGBA{v, uint8(x * 255 / w), uint8(y * 255 / h), 255})
		}
	}
	return m
}

func writeFile(t *testing.T, path string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func writePNG(t *testing.T, path string, m image.Image) string {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return writeFile(t, path, b.Bytes())
}

func encodeJPEG(t *testing.T, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 90}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A kept is a frame that was copied out of the camera's memory.
type kept struct {
	seq  uint64
	at   time.Duration // since the first frame
	data []byte
}

// play collects every frame until the camera ends or max frames came.
func play(t *testing.T, c *Camera, most int) ([]kept, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []kept
	var first time.Time
	err := c.Stream(ctx, func(f *device.Frame) error {
		defer f.Release()
		if len(got) == 0 {
			first = f.At
		}
		got = append(got, kept{f.Seq, f.At.Sub(first), bytes.Clone(f.Data)})
		if len(got) == most {
			cancel()
		}
		return nil
	})
	return got, err
}

func mustOpen(t *testing.T, path string, o Options) *Camera {
	t.Helper()
	c, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDirectoryInNameOrder(t *testing.T) {
	dir := t.TempDir()
	b, a := drawn(32, 24, 1), drawn(32, 24, 2)
	writePNG(t, filepath.Join(dir, "b.png"), b)
	writePNG(t, filepath.Join(dir, "a.png"), a)
	writeFile(t, filepath.Join(dir, "labels.csv"), []byte("not a picture"))
	synctest.Test(t, func(t *testing.T) {
		c := mustOpen(t, dir, Options{FPS: 10, Exact: true})
		if got, want := c.Duration(), 4*time.Second; got != want {
			t.Errorf("got duration %v, want %v", got, want)
		}
		start := time.Now()
		got, err := play(t, c, 0)
		if !errors.Is(err, device.ErrEnded) {
			t.Fatalf("got error %v, want ErrEnded", err)
		}
		if d := time.Since(start); d != 4*time.Second {
			t.Errorf("took %v, want 4s exactly", d)
		}
		if len(got) != 40 {
			t.Fatalf("got %d frames, want 40", len(got))
		}
		for i, f := range got {
			want := a
			if i >= 20 {
				want = b
			}
			if !bytes.Equal(f.data, packRGB(want)) {
				t.Fatalf("frame %d does not show the expected picture pixel for pixel", i)
			}
			if f.seq != uint64(i) || f.at != time.Duration(i)*100*time.Millisecond {
				t.Fatalf("frame %d: got seq %d at %v", i, f.seq, f.at)
			}
		}
		want := device.Mode{Device: "replay " + dir, Width: 32, Height: 24, Format: device.RGB24, FPS: 10}
		if c.Mode() != want {
			t.Errorf("got mode %+v, want %+v", c.Mode(), want)
		}
	})
}

func TestListShowsPicturesAndEmptyScenes(t *testing.T) {
	dir := t.TempDir()
	writePNG(t, filepath.Join(dir, "one.png"), drawn(32, 24, 1))
	for _, list := range []string{
		"file,seconds\none.png,0.2\n,0.3\n",
		"who,seconds,file\nada,0.2,one.png\n,0.3,\n",
		"one.png,0.2\n,0.3\n",
	} {
		path := writeFile(t, filepath.Join(dir, "frames.csv"), []byte(list))
		synctest.Test(t, func(t *testing.T) {
			got, err := play(t, mustOpen(t, path, Options{FPS: 10}), 0)
			if !errors.Is(err, device.ErrEnded) || len(got) != 5 {
				t.Fatalf("list %q: got %d frames and %v, want 5 and ErrEnded", list, len(got), err)
			}
			for i, f := range got {
				empty := true
				for _, v := range f.data {
					empty = empty && math.Abs(float64(v)-grey) < 10
				}
				if empty != (i >= 2) {
					t.Errorf("list %q: frame %d is empty: %v", list, i, empty)
				}
			}
			if bytes.Equal(got[2].data, got[3].data) {
				t.Error("two frames of an empty scene are equal")
			}
		})
	}
}

func TestBadInputIsNamedAtOpen(t *testing.T) {
	dir := t.TempDir()
	writePNG(t, filepath.Join(dir, "good.png"), drawn(16, 16, 1))
	whole := encodeJPEG(t, drawn(64, 64, 1))
	writeFile(t, filepath.Join(dir, "cut.jpg"), whole[:len(whole)/2])
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	// a PNG header that promises 60 000 x 60 000 pixels
	bomb := append([]byte{}, "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\xea\x60\x00\x00\xea\x60\x08\x02\x00\x00\x00\x48\xd3\x38\x0e"...)
	tests := []struct {
		name, file, content string
		want                string
	}{
		{"missing picture", "a.csv", "file,seconds\ngood.png,1\ngone.png,1\n", "gone.png"},
		{"cut picture", "b.csv", "file,seconds\ngood.png,1\ncut.jpg,1\n", "cut.jpg"},
		{"no time", "c.csv", "file,seconds\ngood.png,1\ngood.png,soon\n", "line 3"},
		{"negative time", "d.csv", "file,seconds\ngood.png,-1\n", "line 2"},
		{"not a number", "e.csv", "file,seconds\ngood.png,NaN\n", "line 2"},
		{"columns missing", "f.csv", "picture,time,who\ngood.png,1,ada\n", "columns"},
		{"nothing listed", "g.csv", "file,seconds\n", "no pictures"},
		{"no recording", "h.mjpeg", "hello", "no JPEG"},
		{"no y4m", "i.y4m", "hello\n", "YUV4MPEG2"},
		{"odd y4m", "j.y4m", "YUV4MPEG2 W3 H2 F30:1\nFRAME\n......", "even"},
		{"y4m without a frame", "k.y4m", "YUV4MPEG2 W4 H2 F30:1\nFRAME\n...", "no whole frame"},
		{"y4m without a rate", "l.y4m", "YUV4MPEG2 W4 H2 F30:0\n", "frames a second"},
		{"y4m of ten bits", "m.y4m", "YUV4MPEG2 W4 H2 F30:1 C420p10\n", "C420p10"},
		{"another type", "n.txt", "hello", "n.txt"},
		{"too many pixels", "o.csv", "file,seconds\nbomb.png,1\n", "bomb.png"},
	}
	writeFile(t, filepath.Join(dir, "bomb.png"), bomb)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Open(writeFile(t, filepath.Join(dir, tt.file), []byte(tt.content)), Options{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one that says %q", err, tt.want)
			}
		})
	}
	for _, path := range []string{empty, filepath.Join(dir, "nowhere")} {
		if _, err := Open(path, Options{}); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("Open(%s): got error %v, want one that names it", path, err)
		}
	}
	for _, o := range []Options{{FPS: -1}, {FPS: math.NaN()}, {FPS: 1e6}, {Hold: -1}, {Width: 640}} {
		if _, err := Open(dir, o); err == nil {
			t.Errorf("Open with %+v: got no error", o)
		}
	}
}

func TestStillsLiveAndDeterministic(t *testing.T) {
	dir := t.TempDir()
	m := drawn(64, 48, 1)
	writePNG(t, filepath.Join(dir, "a.png"), m)
	run := func(seed uint64) (got []kept) {
		synctest.Test(t, func(t *testing.T) {
			got, _ = play(t, mustOpen(t, dir, Options{FPS: 10, Seed: seed}), 0)
		})
		return got
	}
	a, again, other := run(1), run(1), run(2)
	for i := range a {
		if !bytes.Equal(a[i].data, again[i].data) {
			t.Fatalf("frame %d differs between two plays with one seed", i)
		}
		if bytes.Equal(a[i].data, other[i].data) {
			t.Fatalf("frame %d is the same with another seed", i)
		}
		if i > 0 && bytes.Equal(a[i].data, a[i-1].data) {
			t.Fatalf("frame %d is a copy of the one before", i)
		}
	}
	// The unshifted frame carries noise and nothing else.
	src := packRGB(m)
	var sum, sq float64
	for i, v := range a[0].data {
		d := float64(v) - float64(src[i])
		sum, sq = sum+d, sq+d*d
	}
	n := float64(len(src))
	if mean, dev := sum/n, math.Sqrt(sq/n); math.Abs(mean) > 0.05 || dev < 0.8*sigma || dev > 1.3*sigma {
		t.Errorf("noise has mean %.3f and deviation %.3f, want 0 and about %v", mean, dev, sigma)
	}
}

// A ramp moved by d pixels is lower or higher by d steps, whatever lies between pixels.
func TestShiftIsExactOnARamp(t *testing.T) {
	const w, h = 40, 30
	rgb := make([]byte, 0, 3*w*h)
	for y := range h {
		for x := range w {
			rgb = append(rgb, byte(5*x), byte(6*y), 77)
		}
	}
	var s still
	s.set(rgb, w, h)
	for _, d := range []struct{ x, y float64 }{{0.2, 0}, {-0.2, 0}, {0, 0.3}, {0.25, -0.3}} {
		got := s.shifted(d.x, d.y)
		for y := 3; y < h-3; y++ {
			for x := 3; x < w-3; x++ {
				p := got[3*(y*w+x):]
				wantX, wantY := 5*(float64(x)+d.x), 6*(float64(y)+d.y)
				if math.Abs(float64(p[0])-wantX) > 0.6 || math.Abs(float64(p[1])-wantY) > 0.6 || p[2] != 77 {
					t.Fatalf("shift %v at %d,%d: got %d, want %.2f %.2f 77", d, x, y, p[:3], wantX, wantY)
				}
			}
		}
	}
}

// To the left is to the right in a mirror, for edges too.
func TestShiftIsSymmetric(t *testing.T) {
	const w, h = 24, 18
	flip := func(rgb []byte) []byte {
		out := make([]byte, len(rgb))
		for y := range h {
			for x := range w {
				copy(out[3*(y*w+x):][:3], rgb[3*((h-1-y)*w+w-1-x):])
			}
		}
		return out
	}
	var there, back still
	rgb := packRGB(drawn(w, h, 1))
	there.set(rgb, w, h)
	back.set(flip(rgb), w, h)
	a, b := there.shifted(0.3, 0.2), flip(back.shifted(-0.3, -0.2))
	for i := range a {
		if d := int(a[i]) - int(b[i]); d < -1 || d > 1 { // rounding
			t.Fatalf("byte %d: got %d, in the mirror %d", i, a[i], b[i])
		}
	}
}

func TestPositionsDiffer(t *testing.T) {
	var s still
	s.set(packRGB(drawn(40, 30, 1)), 40, 30)
	for i := range shifts {
		for j := range i {
			if bytes.Equal(s.at(i), s.at(j)) {
				t.Errorf("positions %d and %d show the same", j, i)
			}
		}
	}
}

func BenchmarkStill1280x720(b *testing.B) {
	const w, h = 1280, 720
	rgb := packRGB(drawn(w, h, 1))
	n := newNoise(1)
	b.Run("noise", func(b *testing.B) {
		dst := make([]byte, len(rgb))
		for i := range b.N {
			n.add(dst, rgb, uint64(i))
		}
	})
	b.Run("shift", func(b *testing.B) {
		var s still
		s.set(rgb, w, h)
		for b.Loop() {
			s.shifted(0.2, 0.1)
		}
	})
}

func TestOtherSizesFitOnGrey(t *testing.T) {
	dir := t.TempDir()
	writePNG(t, filepath.Join(dir, "a.png"), drawn(40, 30, 1))
	tall := image.NewRGBA(image.Rect(0, 0, 30, 60))
	for i := range tall.Pix {
		tall.Pix[i] = 255
	}
	writePNG(t, filepath.Join(dir, "b.png"), tall)
	synctest.Test(t, func(t *testing.T) {
		got, _ := play(t, mustOpen(t, dir, Options{FPS: 1, Hold: time.Second, Exact: true}), 0)
		if len(got) != 2 {
			t.Fatalf("got %d frames, want 2", len(got))
		}
		// 30 x 60 becomes 15 x 30 in the middle of 40 x 30
		for x, want := range map[int]byte{0: grey, 10: grey, 14: 255, 20: 255, 25: 255, 29: grey, 39: grey} {
			if v := got[1].data[3*(15*40+x)]; v != want {
				t.Errorf("column %d: got %d, want %d", x, v, want)
			}
		}
	})
}

func TestLoopAndLateConsumer(t *testing.T) {
	dir := t.TempDir()
	writePNG(t, filepath.Join(dir, "a.png"), drawn(16, 16, 1))
	synctest.Test(t, func(t *testing.T) {
		c := mustOpen(t, dir, Options{FPS: 10, Hold: 300 * time.Millisecond, Loop: true})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var seqs []uint64
		start := time.Now()
		err := c.Stream(ctx, func(f *device.Frame) error {
			defer f.Release()
			if d := f.At.Sub(start); d != time.Duration(f.Seq)*100*time.Millisecond {
				t.Errorf("frame %d is of %v", f.Seq, d)
			}
			seqs = append(seqs, f.Seq)
			switch len(seqs) {
			case 3:
				time.Sleep(450 * time.Millisecond) // frames 3 to 5 pass by
			case 6:
				cancel()
			}
			return nil
		})
		if got, want := fmt.Sprint(seqs, err), "[0 1 2 6 7 8] <nil>"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func TestFramesAreLent(t *testing.T) {
	dir := t.TempDir()
	writePNG(t, filepath.Join(dir, "a.png"), drawn(16, 16, 1))
	synctest.Test(t, func(t *testing.T) {
		c := mustOpen(t, dir, Options{FPS: 10, Loop: true})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		type loan struct {
			frame *device.Frame
			copy  []byte
		}
		got := make(chan loan, 100)
		done := make(chan error)
		go func() {
			done <- c.Stream(ctx, func(f *device.Frame) error {
				got <- loan{f, bytes.Clone(f.Data)}
				return nil
			})
		}()
		time.Sleep(time.Second)
		synctest.Wait()
		if len(got) != 4 {
			t.Fatalf("%d frames are on loan, want 4", len(got))
		}
		first := <-got
		for l := first; ; l = <-got {
			if !bytes.Equal(l.frame.Data, l.copy) {
				t.Errorf("frame %d changed while on loan", l.frame.Seq)
			}
			if len(got) == 0 {
				break
			}
		}
		first.frame.Release()
		first.frame.Release() // does nothing
		time.Sleep(time.Second)
		synctest.Wait()
		if len(got) != 1 {
			t.Errorf("after one release %d frames have come, want 1", len(got))
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestStreamEnds(t *testing.T) {
	dir := t.TempDir()
	writePNG(t, filepath.Join(dir, "a.png"), drawn(16, 16, 1))
	c := mustOpen(t, dir, Options{})
	stop := errors.New("stop")
	err := c.Stream(t.Context(), func(f *device.Frame) error {
		defer f.Release()
		if err := c.Stream(t.Context(), nil); !errors.Is(err, device.ErrInUse) {
			t.Errorf("second stream: got %v, want ErrInUse", err)
		}
		return stop
	})
	if err != stop { //nolint:errorlint // it must be handed on unwrapped
		t.Errorf("got error %v, want the callback's", err)
	}
	// A picture that vanishes after Open is named.
	if err := os.Remove(filepath.Join(dir, "a.png")); err != nil {
		t.Fatal(err)
	}
	if _, err := play(t, c, 0); err == nil || !strings.Contains(err.Error(), "a.png") {
		t.Errorf("got error %v, want one that names a.png", err)
	}
}

func TestDecodeOption(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "a.jpg"), []byte("anything"))
	o := Options{Decode: func(data []byte) (int, int, []byte, error) {
		if string(data) != "anything" {
			return 0, 0, nil, errors.New("other bytes")
		}
		return 2, 1, []byte{1, 2, 3, 4, 5, 6}, nil
	}, Exact: true, FPS: 1}
	synctest.Test(t, func(t *testing.T) {
		got, _ := play(t, mustOpen(t, dir, o), 0)
		if len(got) != 2 || !bytes.Equal(got[0].data, []byte{1, 2, 3, 4, 5, 6}) {
			t.Errorf("got %v, want the decoder's pixels twice", got)
		}
	})
	o.Decode = func([]byte) (int, int, []byte, error) { return 2, 2, make([]byte, 5), nil }
	if _, err := Open(dir, o); err == nil {
		t.Error("pixels that do not fit the size were accepted")
	}
}

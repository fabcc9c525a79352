package imgproc

import (
	"errors"
	"slices"
	"testing"

	"facegate/device"
)

func openTurbo(tb testing.TB) *Turbo {
	tb.Helper()
	turbo, err := OpenTurbo()
	if err != nil {
		tb.Skip(err)
	}
	tb.Cleanup(func() {
		if err := turbo.Close(); err != nil {
			tb.Error(err)
		}
	})
	return turbo
}

func TestTurboEqualsGoDecoder(t *testing.T) {
	p, q := Picture{Turbo: openTurbo(t)}, Picture{}
	frames := []*device.Frame{
		gentleFrame(t, device.MJPEG, 640, 360), gentleFrame(t, device.MJPEG, 33, 17), mjpegFrame(t, 96, 64, false),
	}
	for _, name := range []string{"420.jpg", "422.jpg", "440.jpg", "411.jpg", "444.jpg", "gray.jpg", "progressive.jpg", "restart.jpg"} {
		frames = append(frames, &device.Frame{Width: 37, Height: 29, Format: device.MJPEG, Data: testFile(t, name)})
	}
	for _, f := range frames {
		mustSet(t, &p, f)
		mustSet(t, &q, f)
		within(t, "turbo", p.RGB().Pix, slices.Clone(q.RGB().Pix), .1, 3)
	}
}

func TestTurboRefusesDamage(t *testing.T) {
	p := Picture{Turbo: openTurbo(t)}
	whole := mjpegFrame(t, 96, 64, true)
	for _, n := range []int{2, 3, 10, len(whole.Data) / 2, len(whole.Data) - 100} {
		f := &device.Frame{Width: 96, Height: 64, Format: device.MJPEG, Data: whole.Data[:len(whole.Data)-n]}
		if err := p.SetFrame(f); !errors.Is(err, ErrPicture) || p.W != 0 {
			t.Errorf("%d bytes short: %v", n, err)
		}
	}
}

func TestTurboDoesNotAllocate(t *testing.T) {
	p, f, dst := Picture{Turbo: openTurbo(t)}, mjpegFrame(t, 320, 240, false), New(128, 128)
	if n := testing.AllocsPerRun(5, func() { mustSet(t, &p, f); p.Letterbox(dst); p.RGB() }); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

func BenchmarkTurbo(b *testing.B) {
	p, f, dst := Picture{Turbo: openTurbo(b)}, gentleFrame(b, device.MJPEG, 1280, 720), New(128, 128)
	for b.Loop() {
		mustSet(b, &p, f)
		p.Letterbox(dst)
	}
}

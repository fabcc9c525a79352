package bench

import (
	"testing"

	"facegate/device"
	"facegate/pipeline/imgproc"
)

// A frame of any format shows the picture it was made of.
func TestFrameShowsThePicture(t *testing.T) {
	m := imgproc.New(64, 48)
	for i := range m.W * m.H {
		m.Pix[3*i], m.Pix[3*i+1], m.Pix[3*i+2] = byte(40+2*(i%m.W)), 90, byte(200-2*(i/m.W))
	}
	for _, format := range []device.Format{device.YUYV, device.NV12, device.RGB24, device.MJPEG} {
		f, err := frame(m, format)
		if err != nil {
			t.Fatal(err)
		}
		var p imgproc.Picture
		if err := p.SetFrame(f); err != nil {
			t.Fatalf("%v: %v", format, err)
		}
		for _, at := range [][2]int{{3, 5}, {40, 20}, {62, 46}} {
			got, want := p.RGB().Pix[p.RGB().Stride*at[1]+3*at[0]:][:3], m.Pix[m.Stride*at[1]+3*at[0]:][:3]
			for c := range got {
				if d := int(got[c]) - int(want[c]); d < -8 || d > 8 {
					t.Errorf("%v at %v: got %v, want about %v", format, at, got, want)
				}
			}
		}
	}
	if _, err := frame(m, 0); err == nil {
		t.Error("a frame of no format is none")
	}
}

// Large and small pictures come to the same place, whatever hangs over the edge.
func TestBeforePutsTheFaceInTheMiddle(t *testing.T) {
	for _, side := range []int{100, 1000} {
		m := imgproc.New(side, side)
		face := imgproc.Box{X0: .2 * float64(side), Y0: .3 * float64(side), X1: .5 * float64(side), Y1: .6 * float64(side)}
		for y := int(face.Y0); y < int(face.Y1); y++ {
			for x := int(face.X0); x < int(face.X1); x++ {
				m.Pix[y*m.Stride+3*x] = 255
			}
		}
		out := before(m, face)
		red := func(x, y int) bool { p := out.Pix[y*out.Stride+3*x:]; return p[0] > 240 && p[1] < 20 }
		const half = int(faceShare * frameH / 2)
		for _, d := range []int{-half + 8, 0, half - 8} {
			if !red(frameW/2+d, frameH/2+d) {
				t.Errorf("side %d: no face at %d from the middle", side, d)
			}
		}
		if red(frameW/2+half+8, frameH/2) || red(frameW/2, frameH/2-half-8) {
			t.Errorf("side %d: the face is larger than it should be", side)
		}
		if p := out.Pix[:3]; p[0] < 100 || p[0] > 156 {
			t.Errorf("side %d: the corner is %v, not background", side, p)
		}
	}
}

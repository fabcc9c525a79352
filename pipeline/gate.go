package pipeline

import (
	"time"

	"facegate/device"
)

const (
	gateColumns, gateRows = 32, 24

	// A sample has changed when it moved further than sensor noise (a deviation of about 3
	// grey levels on webcams) plausibly does.
	gateStep = 14
	// A scene has changed when this share of its samples has.
	gateShare = 0.02
	// A still scene is looked at this often all the same: a person who stood motionless when
	// the detector missed them gets another chance.
	gateLook = 500 * time.Millisecond
)

// A Gate spares an empty, unchanging scene the detector. It samples the luma of a frame on
// a coarse grid, which costs microseconds, and compares it with the last scene that was
// looked at and found empty. The zero value lets every frame through until Empty is called.
type Gate struct {
	last, now [gateColumns * gateRows]byte
	empty     bool
	at        time.Time
}

// Pass reports whether the detector should look at f.
func (g *Gate) Pass(f *device.Frame) bool {
	// A clock that was set back must not keep the gate shut until it has caught up.
	since := f.At.Sub(g.at)
	if !sampleLuma(&g.now, f) || !g.empty || since < 0 || since >= gateLook {
		return true
	}
	changed := 0
	for i, v := range g.now {
		if d := int(v) - int(g.last[i]); d > gateStep || d < -gateStep {
			changed++
		}
	}
	return float64(changed) >= gateShare*float64(len(g.now))
}

// Empty tells the gate what the detector found in the frame that was last let through.
func (g *Gate) Empty(empty bool, at time.Time) {
	g.empty, g.at = empty, at
	if empty {
		g.last = g.now
	}
}

// Luma are samples of a frame's luma on a coarse grid over all of it, nil for frames whose
// pixels lie compressed.
func Luma(f *device.Frame) []byte {
	var grid [gateColumns * gateRows]byte
	if !sampleLuma(&grid, f) {
		return nil
	}
	return grid[:]
}

// sampleLuma reads one luma (green, for RGB) sample a grid cell. It reports false for
// frames whose pixels lie compressed or do not fit their description.
func sampleLuma(dst *[gateColumns * gateRows]byte, f *device.Frame) bool {
	var step, offset int
	switch f.Format {
	case device.YUYV:
		step = 2
	case device.NV12:
		step = 1
	case device.RGB24:
		step, offset = 3, 1
	default:
		return false
	}
	if f.Width <= 0 || f.Height <= 0 || f.Stride < step*f.Width || len(f.Data) < f.Stride*f.Height {
		return false
	}
	for r := range gateRows {
		row := f.Data[(2*r+1)*f.Height/(2*gateRows)*f.Stride:]
		for c := range gateColumns {
			dst[r*gateColumns+c] = row[(2*c+1)*f.Width/(2*gateColumns)*step+offset]
		}
	}
	return true
}

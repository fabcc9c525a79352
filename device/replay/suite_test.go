package replay_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"facegate/device/devicetest"
	"facegate/device/replay"
)

func TestCameraSuite(t *testing.T) {
	dir := t.TempDir()
	m := image.NewGray(image.Rect(0, 0, 32, 24))
	m.SetGray(5, 5, color.Gray{Y: 200})
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a.png"), b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	devicetest.TestCamera(t, func(t *testing.T) devicetest.CameraRig {
		c, err := replay.Open(dir, replay.Options{FPS: 100, Loop: true})
		if err != nil {
			t.Fatal(err)
		}
		return devicetest.CameraRig{Camera: c}
	})
}

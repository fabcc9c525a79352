package v4l2

import (
	"errors"
	"os"
	"testing"

	"facegate/device"
	"facegate/device/v4l2/uapi"
)

func TestNoCameraThere(t *testing.T) {
	dir := t.TempDir()
	file := dir + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{dir + "/absent": device.ErrGone, file: device.ErrNotCamera, dir: device.ErrNotCamera} {
		err := New(Options{Device: path}).Stream(t.Context(), nil)
		if !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", path, err, want)
		}
	}
}

func TestIdentity(t *testing.T) {
	cam := identity{"cam", "usb-1", "", "0/1.0"}
	serial := identity{"cam", "usb-1", "77", "0/1.0"}
	tests := []struct {
		name string
		a, b identity
		want bool
	}{
		{"itself", cam, cam, true},
		{"another port", cam, identity{"cam", "usb-2", "", "0/1.0"}, false},
		{"another type", cam, identity{"other", "usb-1", "", "0/1.0"}, false},
		{"its infrared twin", cam, identity{"cam", "usb-1", "", "0/1.2"}, false},
		{"same serial, another port", serial, identity{"cam", "usb-2", "77", "0/1.0"}, true},
		{"another serial, same port", serial, identity{"cam", "usb-1", "78", "0/1.0"}, false},
	}
	for _, tt := range tests {
		if got := tt.a.is(tt.b); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestCheckLayout(t *testing.T) {
	tests := []struct {
		name   string
		in     uapi.Format
		stride int
		ok     bool
	}{
		{"padded rows", uapi.Format{Width: 640, Height: 480, FourCC: fourccYUYV, Stride: 1536}, 1536, true},
		{"no stride told", uapi.Format{Width: 640, Height: 480, FourCC: fourccYUYV}, 1280, true},
		{"NV12", uapi.Format{Width: 640, Height: 480, FourCC: fourccNV12}, 640, true},
		{"RGB", uapi.Format{Width: 640, Height: 480, FourCC: fourccRGB3}, 1920, true},
		{"compressed", uapi.Format{Width: 640, Height: 480, FourCC: fourccMJPG, Stride: 640}, 0, true},
		{"odd", uapi.Format{Width: 641, Height: 480, FourCC: fourccYUYV}, 0, false},
		{"empty", uapi.Format{FourCC: fourccYUYV}, 0, false},
		{"unknown", uapi.Format{Width: 640, Height: 480, FourCC: 1}, 0, false},
	}
	for _, tt := range tests {
		l := tt.in
		if err := checkLayout(&l); (err == nil) != tt.ok || tt.ok && l.Stride != tt.stride {
			t.Errorf("%s: got stride %d and %v", tt.name, l.Stride, err)
		}
	}
}

func TestFits(t *testing.T) {
	raw := func(f device.Format, stride int) *device.Frame {
		return &device.Frame{Width: 4, Height: 2, Stride: stride, Format: f}
	}
	tests := []struct {
		f    *device.Frame
		data []byte
		want bool
	}{
		{raw(device.YUYV, 8), make([]byte, 16), true},
		{raw(device.YUYV, 8), make([]byte, 15), false},
		{raw(device.NV12, 4), make([]byte, 12), true},
		{raw(device.NV12, 4), make([]byte, 11), false},
		{raw(device.RGB24, 12), make([]byte, 24), true},
		{raw(device.MJPEG, 0), []byte("\xff\xd8\xff"), true},
		{raw(device.MJPEG, 0), []byte("\x00\xd8\xff"), false},
		{raw(device.MJPEG, 0), nil, false},
	}
	for _, tt := range tests {
		if got := fits(tt.f, tt.data); got != tt.want {
			t.Errorf("%v in %d bytes: got %v, want %v", tt.f.Format, len(tt.data), got, tt.want)
		}
	}
}

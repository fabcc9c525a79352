package v4l2

import (
	"testing"

	"facegate/device"
)

func discrete(sizes ...[2]int) (list []Size) {
	for _, s := range sizes {
		list = append(list, Size{s[0], s[0], 0, s[1], s[1], 0})
	}
	return list
}

func TestChoose(t *testing.T) {
	vga, hd, full := [2]int{640, 480}, [2]int{1280, 720}, [2]int{1920, 1080}
	yuyv := func(s ...Size) Offer { return Offer{device.YUYV, fourccYUYV, s} }
	nv12 := func(s ...Size) Offer { return Offer{device.NV12, fourccNV12, s} }
	mjpg := func(s ...Size) Offer { return Offer{device.MJPEG, fourccMJPG, s} }
	tests := []struct {
		name   string
		offers []Offer
		w, h   int
		want   setting
	}{
		{"raw when small", []Offer{mjpg(discrete(vga, hd)...), yuyv(discrete(vga, hd)...)}, 640, 480, setting{fourccYUYV, 640, 480}},
		{"compressed when large", []Offer{yuyv(discrete(vga, hd)...), mjpg(discrete(vga, hd)...)}, 1280, 720, setting{fourccMJPG, 1280, 720}},
		{"YUYV before NV12", []Offer{nv12(discrete(vga)...), yuyv(discrete(vga)...)}, 640, 480, setting{fourccYUYV, 640, 480}},
		{"NV12 alone", []Offer{nv12(discrete(vga)...), mjpg(discrete(vga)...)}, 640, 480, setting{fourccNV12, 640, 480}},
		{"the size matters more than the format", []Offer{yuyv(discrete([2]int{320, 240})...), mjpg(discrete(vga)...)}, 640, 480, setting{fourccMJPG, 640, 480}},
		{"the next larger size", []Offer{yuyv(discrete([2]int{320, 240}, full, hd)...)}, 640, 480, setting{fourccYUYV, 1280, 720}},
		{"the largest of the small ones", []Offer{yuyv(discrete([2]int{160, 120}, [2]int{320, 240})...)}, 640, 480, setting{fourccYUYV, 320, 240}},
		{"a range", []Offer{yuyv(Size{16, 16384, 1, 16, 8640, 1})}, 650, 366, setting{fourccYUYV, 650, 366}},
		{"a range in steps", []Offer{yuyv(Size{32, 1000, 16, 32, 1000, 8})}, 650, 365, setting{fourccYUYV, 656, 368}},
		{"a range that ends below", []Offer{yuyv(Size{32, 500, 16, 32, 300, 8})}, 650, 365, setting{fourccYUYV, 496, 296}},
		{"a continuous range, given as zeros", []Offer{yuyv(Size{})}, 640, 480, setting{fourccYUYV, 640, 480}},
		{"no sizes told", []Offer{yuyv()}, 640, 480, setting{fourccYUYV, 640, 480}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := choose(tt.offers, tt.w, tt.h); !ok || got != tt.want {
				t.Errorf("got %v, %v; want %v", got, ok, tt.want)
			}
		})
	}
	if got, ok := choose(nil, 640, 480); ok {
		t.Errorf("chose %v from nothing", got)
	}
	if got, ok := choose([]Offer{yuyv(discrete([2]int{641, 481})...)}, 640, 480); ok {
		t.Errorf("chose %v, an odd size", got)
	}
}

func TestFormats(t *testing.T) {
	for fourcc, want := range map[uint32]device.Format{
		0x56595559: device.YUYV, 0x3231564e: device.NV12, 0x47504a4d: device.MJPEG, 0x4745504a: device.MJPEG, 0x33424752: device.RGB24, 1: 0,
	} {
		if got := formatOf(fourcc); got != want {
			t.Errorf("%#x: got %v, want %v", fourcc, got, want)
		}
	}
}

package uapi

import (
	"errors"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sizes and request numbers as a C compiler gives them for linux/videodev2.h on a 64-bit
// machine.
func TestLayout(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the table is for 64-bit machines")
	}
	tests := []struct {
		name      string
		got, want uintptr
	}{
		{"sizeof(struct v4l2_capability)", unsafe.Sizeof(capability{}), 104},
		{"sizeof(struct v4l2_format)", unsafe.Sizeof(format{}), 208},
		{"offsetof(struct v4l2_format, fmt)", unsafe.Offsetof(format{}.pix), 8},
		{"sizeof(struct v4l2_buffer)", unsafe.Sizeof(buffer{}), 88},
		{"offsetof(struct v4l2_buffer, timestamp)", unsafe.Offsetof(buffer{}.timestamp), 24},
		{"offsetof(struct v4l2_buffer, m)", unsafe.Offsetof(buffer{}.offset), 64},
		{"VIDIOC_QUERYCAP", querycap, 0x80685600},
		{"VIDIOC_G_FMT", gFmt, 0xc0d05604},
		{"VIDIOC_REQBUFS", reqbufs, 0xc0145608},
		{"VIDIOC_QUERYBUF", querybuf, 0xc0585609},
		{"VIDIOC_QBUF", qbuf, 0xc058560f},
		{"VIDIOC_DQBUF", dqbuf, 0xc0585611},
		{"VIDIOC_STREAMON", streamon, 0x40045612},
		{"VIDIOC_STREAMOFF", streamoff, 0x40045613},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: got %#x, want %#x", tt.name, tt.got, tt.want)
		}
	}
}

func TestNotAVideoNode(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd := int(f.Fd())
	_, query := Query(fd)
	_, get := GetFormat(fd)
	_, start := Start(fd, 4)
	for _, err := range []error{query, get, start} {
		if !errors.Is(err, unix.ENOTTY) {
			t.Errorf("got %v, want ENOTTY", err)
		}
	}
}

func TestText(t *testing.T) {
	if got := text([]byte("vivid\x00\x00x")); got != "vivid" {
		t.Errorf("got %q", got)
	}
	if got := text([]byte("full")); got != "full" {
		t.Errorf("got %q", got)
	}
}

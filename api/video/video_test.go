package video

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"os"
	"path/filepath"
	"testing"
	"time"

	"facegate/pipeline/imgproc"
)

func file(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// TestParse reads files that other programs wrote.
func TestParse(t *testing.T) {
	for _, name := range []string{"mjpeg.avi", "opencv.avi", "mjpeg.mov", "mjpeg.mp4"} {
		v, err := Parse(file(t, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(v.Frames) != 10 || v.Duration != time.Second {
			t.Errorf("%s: %d frames in %v, want 10 in 1s", name, len(v.Frames), v.Duration)
		}
		for i, f := range v.Frames {
			img, err := imgproc.Decode(f.JPEG)
			if err != nil || image.Pt(img.W, img.H) != image.Pt(64, 48) {
				t.Fatalf("%s: frame %d: %v", name, i, err)
			}
			if f.At != time.Duration(i)*100*time.Millisecond {
				t.Errorf("%s: frame %d is at %v", name, i, f.At)
			}
			// The circle is 5 pixels further to the right in each.
			if p := img.Pix[24*img.Stride+3*(8+5*i):]; p[0] < 200 || p[1] < 200 || p[2] < 200 {
				t.Errorf("%s: frame %d has no circle: %v", name, i, p[:3])
			}
		}
	}
}

func TestRefused(t *testing.T) {
	mp4, avi := file(t, "mjpeg.mp4"), file(t, "mjpeg.avi")
	twice := func(data []byte, at, n int) []byte { // a box again behind itself; the file's sizes are put right by fit
		return bytes.Join([][]byte{data[:at+n], data[at : at+n], data[at+n:]}, nil)
	}
	moov := bytes.Index(mp4, []byte("moov")) - 4
	trak := bytes.Index(mp4, []byte("trak")) - 4
	length := int(binary.BigEndian.Uint32(mp4[trak:]))
	two := twice(mp4, trak, length)
	binary.BigEndian.PutUint32(two[moov:], binary.BigEndian.Uint32(two[moov:])+uint32(length))
	change := func(data []byte, old, now string) []byte {
		if !bytes.Contains(data, []byte(old)) {
			t.Fatalf("no %q", old)
		}
		return bytes.ReplaceAll(data, []byte(old), []byte(now))
	}
	// A count of frames that the file cannot hold.
	many := bytes.Clone(mp4)
	stsz := bytes.Index(many, []byte("stsz"))
	binary.BigEndian.PutUint32(many[stsz+12:], 1<<31)
	late := bytes.Clone(mp4)
	stco := bytes.Index(late, []byte("stco"))
	binary.BigEndian.PutUint32(late[stco+12:], 1<<30)
	for _, tt := range []struct {
		name string
		data []byte
		want error
	}{
		{"nothing", nil, ErrFormat},
		{"junk", bytes.Repeat([]byte("junk"), 100), ErrFormat},
		{"a JPEG", []byte("\xff\xd8\xff\xe0 and so on, and on"), ErrFormat},
		{"WAV", []byte("RIFF\x04\x00\x00\x00WAVE"), ErrFormat},
		{"AVI without frames", []byte("RIFF\x04\x00\x00\x00AVI "), ErrFormat},
		{"another codec in AVI", file(t, "mpeg4.avi"), ErrCodec},
		{"another codec in MP4", file(t, "mpeg4.mp4"), ErrCodec},
		{"two tracks", two, ErrFormat},
		{"fragments", change(mp4, "moov", "moof"), ErrFormat},
		{"no JPEG in it", change(avi, "\xff\xd8\xff", "\xff\x00\xff"), ErrCodec},
		{"no track", change(mp4, "vide", "soun"), ErrFormat},
		{"too many frames", many, ErrFormat},
		{"a frame beyond the end", late, ErrFormat},
		{"cut off", mp4[:len(mp4)/2], ErrFormat},
	} {
		if v, err := Parse(tt.data); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, %v; want %v", tt.name, v, err, tt.want)
		}
	}
	// What a recorder that was stopped leaves is read as far as it goes.
	if v, err := Parse(avi[:len(avi)-3000]); err != nil || len(v.Frames) == 0 || len(v.Frames) == 10 {
		t.Errorf("an AVI that was cut off: %v, %v", v, err)
	}
}

// FuzzParse: whatever comes, Parse ends and its frames lie in the file and in order.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"mjpeg.avi", "opencv.avi", "mjpeg.mov", "mjpeg.mp4", "mpeg4.mp4"} {
		f.Add(file(f, name))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := Parse(data)
		if err != nil {
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrCodec) {
				t.Fatal(err)
			}
			return
		}
		if len(v.Frames) == 0 || len(v.Frames) > maxFrames || v.Duration < 0 || v.Duration > time.Hour {
			t.Fatalf("%d frames in %v", len(v.Frames), v.Duration)
		}
		var last time.Duration
		for _, f := range v.Frames {
			if len(f.JPEG) > len(data) || f.At < last || f.At > v.Duration {
				t.Fatalf("a frame of %d bytes at %v after %v", len(f.JPEG), f.At, last)
			}
			last = f.At
		}
	})
}

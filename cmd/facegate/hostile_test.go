package main

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"facegate/internal/sharedtest"
)

// mostMemory is what the program may take at its peak, whatever it is shown: models and
// runtime (160 MiB), a picture of the 50 million pixels that are allowed with 16 bits a
// sample, and the one before it.
const mostMemory = 900 << 20

// Pictures made to do harm, through the real program: each gives its line, none ends it, and
// memory stays bounded.
func TestHostilePictures(t *testing.T) {
	home := sharedtest.Home(t)
	dir := t.TempDir()
	type row struct {
		name string
		want []string // qualities
		data []byte
	}
	refused, empty := []string{"image_error"}, []string{"no_face", "face_too_small"}
	jpg, pngFile := encodeJPEG(t, 320, 240), encodePNG(t, image.NewRGBA(image.Rect(0, 0, 320, 240)))
	rows := []row{
		{"nothing.jpg", refused, nil},
		{"text.jpg", refused, []byte("Dear sir, enclosed is my photograph.")},
		{"script.png", refused, []byte("#!/bin/sh\nexit 0\n")},
		{"cut.jpg", refused, jpg[:len(jpg)/2]},
		{"head.jpg", refused, jpg[:20]},
		{"cut.png", refused, pngFile[:len(pngFile)/2]},
		{"huge.png", refused, pngOfSize(pngFile, 30000, 30000)},
		{"huge.jpg", refused, jpegOfSize(t, jpg, 30000, 30000)},
		{"tall.jpg", refused, jpegOfSize(t, jpg, 1, 65535)},
		{"large-by-name.jpg", refused, jpegOfSize(t, jpg, 7000, 7000)}, // allowed, but the pixels are not there
		{"large-by-name.png", refused, pngOfSize(pngFile, 7000, 7000)},
		{"scans.jpg", refused, manyScans(t, 5000)},
		{"noise.jpg", refused, append([]byte("\xff\xd8\xff\xe0"), bytes.Repeat([]byte{0x5a, 0xff, 0}, 1<<16)...)},
		{"markers.jpg", refused, append([]byte("\xff\xd8"), bytes.Repeat([]byte("\xff\xfe\x00\x02"), 1<<18)...)},
		{"bytes.jpg", refused, append(slices.Clone(jpg), make([]byte, 33<<20)...)},
		{"animated.webp", refused, animatedWebP()},

		{"one.png", empty, encodePNG(t, image.NewGray(image.Rect(0, 0, 1, 1)))},
		{"one.jpg", empty, encodeJPEG(t, 1, 1)},
		{"line.png", empty, encodePNG(t, image.NewGray(image.Rect(0, 0, 20000, 1)))},
		{"deep.png", empty, encodePNG(t, image.NewNRGBA64(image.Rect(0, 0, 64, 64)))},
		{"zeros.png", empty, blackPNG(t, 7000, 7000)}, // decodes to a thousand times its size
		{"again.png", empty, blackPNG(t, 7000, 7000)},
		{"three.png", empty, blackPNG(t, 7000, 7000)},
		{"cmyk.jpg", empty, pictureFile(t, "cmyk.jpg")},
		{"animated.gif", empty, animatedGIF(t, 300)},
		{"animated.png", empty, animatedPNG(pngFile)},
		{"progressive.jpg", empty, pictureFile(t, "progressive.jpg")},
		{"exif-loop.jpg", empty, withEXIF(jpg, exifLoop())},
		{"exif-counts.jpg", empty, withEXIF(jpg, exifCounts())},
		{"exif-cut.jpg", empty, withEXIF(jpg, []byte("MM\x00*\xff\xff\xff\xff"))},
		{"exifs.jpg", empty, withEXIF(jpg, slices.Repeat([][]byte{exifCounts()}, 200)...)},
	}
	args := []string{"--home", home, "analyse", dir} // the directory itself is no picture either
	for _, r := range rows {
		path := filepath.Join(dir, r.name)
		if err := os.WriteFile(path, r.data, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	cmd := exec.Command(filepath.Join(programs, "facegate"), args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, stderr.Bytes())
	}
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	if len(lines) != len(rows)+1 {
		t.Fatalf("%d lines for %d arguments:\n%s", len(lines), len(rows)+1, stdout.Bytes())
	}
	for i, line := range lines {
		var got struct {
			File    string
			Quality string
		}
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		want := refused
		if i > 0 {
			want = rows[i-1].want
		}
		if got.File != args[3+i] || !slices.Contains(want, got.Quality) {
			t.Errorf("%s: got %s, want one of %v", got.File, got.Quality, want)
		}
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		t.Fatal("no resource usage")
	}
	peak := usage.Maxrss << 10
	t.Logf("%d files, peak of resident memory %d MiB", len(rows), peak>>20)
	if peak > mostMemory {
		t.Errorf("peak of resident memory %d MiB, want %d at most", peak>>20, mostMemory>>20)
	}
}

func pictureFile(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(sharedtest.Root(t), "pipeline", "imgproc", "testdata", "pictures", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func encodeJPEG(t *testing.T, w, h int) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.Set(x, y, color.RGBA{uint8(x), uint8(y), uint8(x * y), 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func encodePNG(t *testing.T, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// chunk is a chunk of a PNG file.
func chunk(kind string, data []byte) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	out = append(append(out, kind...), data...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[4:]))
}

// pngOfSize is a file whose header claims another size.
func pngOfSize(file []byte, w, h uint32) []byte {
	out := slices.Clone(file)
	binary.BigEndian.PutUint32(out[16:], w)
	binary.BigEndian.PutUint32(out[20:], h)
	binary.BigEndian.PutUint32(out[29:], crc32.ChecksumIEEE(out[12:29]))
	return out
}

// blackPNG has four samples of 16 bits a pixel, all zero.
func blackPNG(t *testing.T, w, h uint32) []byte {
	t.Helper()
	head := binary.BigEndian.AppendUint32(nil, w)
	head = binary.BigEndian.AppendUint32(head, h)
	head = append(head, 16, 6, 0, 0, 0)
	var pixels bytes.Buffer
	z := zlib.NewWriter(&pixels)
	row := make([]byte, 1+8*w)
	for range h {
		if _, err := z.Write(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return slices.Concat([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", head), chunk("IDAT", pixels.Bytes()), chunk("IEND", nil))
}

// animatedPNG claims four thousand million frames.
func animatedPNG(file []byte) []byte {
	return slices.Concat(file[:33], chunk("acTL", []byte("\xff\xff\xff\xff\x00\x00\x00\x00")), file[33:])
}

func animatedGIF(t *testing.T, frames int) []byte {
	t.Helper()
	m := image.NewPaletted(image.Rect(0, 0, 200, 200), color.Palette{color.Black, color.White})
	g := &gif.GIF{}
	for range frames {
		g.Image, g.Delay = append(g.Image, m), append(g.Delay, 1)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// animatedWebP has the header of one and no frame.
func animatedWebP() []byte {
	part := func(kind string, data []byte) []byte {
		return append(binary.LittleEndian.AppendUint32([]byte(kind), uint32(len(data))), data...)
	}
	body := slices.Concat([]byte("WEBP"), part("VP8X", []byte("\x02\x00\x00\x00\xff\x00\x00\xff\x00\x00")), part("ANIM", make([]byte, 6)))
	return part("RIFF", body)
}

// jpegOfSize is a file whose frame header claims another size.
func jpegOfSize(t *testing.T, file []byte, w, h uint16) []byte {
	t.Helper()
	out := slices.Clone(file)
	at := bytes.Index(out, []byte("\xff\xc0"))
	if at < 0 {
		t.Fatal("no frame header")
	}
	binary.BigEndian.PutUint16(out[at+5:], h)
	binary.BigEndian.PutUint16(out[at+7:], w)
	return out
}

// manyScans repeats the last scan of a progressive JPEG.
func manyScans(t *testing.T, n int) []byte {
	t.Helper()
	file := pictureFile(t, "progressive.jpg")
	at := bytes.LastIndex(file, []byte("\xff\xda"))
	end := len(file) - 2
	return slices.Concat(file[:end], bytes.Repeat(file[at:end], n), file[end:])
}

// withEXIF puts EXIF segments before everything else of a JPEG.
func withEXIF(file []byte, tiffs ...[]byte) []byte {
	out := slices.Clone(file[:2])
	for _, tiff := range tiffs {
		out = append(out, 0xff, 0xe1)
		out = binary.BigEndian.AppendUint16(out, uint16(2+6+len(tiff)))
		out = append(append(out, "Exif\x00\x00"...), tiff...)
	}
	return append(out, file[2:]...)
}

// exifEntry is one entry of a directory, big-endian.
func exifEntry(tag, kind uint16, count, value uint32) []byte {
	out := binary.BigEndian.AppendUint16(nil, tag)
	out = binary.BigEndian.AppendUint16(out, kind)
	out = binary.BigEndian.AppendUint32(out, count)
	return binary.BigEndian.AppendUint32(out, value)
}

// exifLoop is a directory that names itself as the next one and as its own part.
func exifLoop() []byte {
	const exifPart = 0x8769
	return slices.Concat([]byte("MM\x00*\x00\x00\x00\x08\x00\x01"), exifEntry(exifPart, 4, 1, 8), []byte("\x00\x00\x00\x08"))
}

// exifCounts claims as many entries as can be, each of four thousand million values.
func exifCounts() []byte {
	out := []byte("MM\x00*\x00\x00\x00\x08\xff\xff")
	for i := range uint16(4000) {
		out = append(out, exifEntry(0x112, 5, 1<<32-1, uint32(i))...)
	}
	return out
}

package imgproc

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/adler32"
	"io"
	"math/rand/v2"
	"testing"
)

// inflate reads a stream from IDAT chunks of the given size.
func inflate(stream []byte, split int) ([]byte, error) {
	var chunks []byte
	for len(stream) > split {
		chunks = pngChunk(chunks, "IDAT", stream[:split])
		stream = stream[split:]
	}
	chunks = pngChunk(pngChunk(chunks, "IDAT", stream), "IEND", nil)
	f := &pngFile{rest: chunks}
	z, err := newInflater(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(z, 1<<24))
}

func deflate(tb testing.TB, data []byte, level int) []byte {
	tb.Helper()
	var b bytes.Buffer
	w, err := zlib.NewWriterLevel(&b, level)
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func TestInflater(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	noise := make([]byte, 300_000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	skewed := make([]byte, 300_000) // has long codes
	for i := range skewed {
		skewed[i] = byte(r.ExpFloat64() * 9)
	}
	far := bytes.Repeat(noise[:32768], 4) // matches as far back as they go
	texts := map[string][]byte{
		"nothing": nil, "one byte": {7}, "zeros": make([]byte, 200_000), "noise": noise, "skewed": skewed, "far": far, "picture": pattern(300, 200).Pix,
	}
	for name, text := range texts {
		for _, level := range []int{flate.HuffmanOnly, 0, 1, 6, 9} {
			for _, split := range []int{1, 13, 4096, 1 << 30} {
				got, err := inflate(deflate(t, text, level), split)
				if err != nil || !bytes.Equal(got, text) {
					t.Errorf("%s of level %d in chunks of %d: %d bytes, %v; want %d bytes", name, level, split, len(got), err, len(text))
				}
			}
		}
	}
}

// Each of a file's blocks may have its own tables. They take no memory.
func TestInflaterKeepsItsMemory(t *testing.T) {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	for i := range 5000 { // each Flush ends a block
		fmt.Fprintf(w, "%d the quick brown fox jumps over the lazy dog %d", i*i, i*i*i)
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f := &pngFile{rest: pngChunk(pngChunk(nil, "IDAT", b.Bytes()), "IEND", nil)}
	if n := allocated(func() {
		z, err := newInflater(f)
		if err == nil {
			_, err = io.Copy(io.Discard, z)
		}
		if err != nil {
			t.Error(err)
		}
	}); n > 200_000 {
		t.Errorf("%d bytes were allocated", n)
	}
}

// FuzzInflater compares with compress/flate. What that can read gets its checksum.
func FuzzInflater(f *testing.F) {
	for _, level := range []int{flate.HuffmanOnly, 0, 1, 9} {
		f.Add(deflate(f, []byte("a picture of a fox, a fox, a fox, a fox, and a dog"), level)[2:], 5)
		f.Add(deflate(f, pattern(20, 20).Pix, level)[2:], 50)
	}
	f.Fuzz(func(t *testing.T, data []byte, split int) {
		const most = 1 << 20
		r := bytes.NewReader(data)
		want, errWant := io.ReadAll(io.LimitReader(flate.NewReader(r), most))
		if len(want) == most {
			return
		}
		stream := append([]byte{0x78, 0x9c}, data[:len(data)-r.Len()]...)
		stream = binary.BigEndian.AppendUint32(stream, adler32.Checksum(want))
		got, err := inflate(stream, max(split, 1))
		switch {
		case (err == nil) != (errWant == nil):
			t.Errorf("error %v; flate says %v", err, errWant)
		case err == nil && !bytes.Equal(got, want):
			t.Errorf("%d bytes, other than the %d of flate", len(got), len(want))
		}
	})
}

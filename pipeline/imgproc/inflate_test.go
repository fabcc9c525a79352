package imgproc

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
	"image/png"
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

// emptyBlocks is how a stream begins that goes on to bring nothing: with four blocks of fixed
// codes in five bytes, or with stored ones of five bytes.
func emptyBlocks(n int, stored bool) []byte {
	b := []byte{0x78, 0x9c}
	if stored {
		return append(b, bytes.Repeat([]byte("\x00\x00\x00\xff\xff"), n)...)
	}
	return append(b, bytes.Repeat([]byte("\x02\x08\x20\x80\x00"), n/4)...)
}

// A file of some megabytes has millions of blocks that bring nothing.
func TestInflaterRefusesEmptyBlocks(t *testing.T) {
	for _, stored := range []bool{false, true} {
		f := &pngFile{h: 32, rest: pngChunk(nil, "IDAT", emptyBlocks(100_000, stored))}
		z, err := newInflater(f)
		if err != nil {
			t.Fatal(err)
		}
		n, err := z.Read(make([]byte, 1))
		if _, ok := errors.AsType[png.FormatError](err); n > 0 || !ok || z.blocks > fewBlocks+rowBlocks*32+1 {
			t.Errorf("stored %v: %d bytes and %v after %d blocks", stored, n, err, z.blocks)
		}
	}
}

// The tables of blocks that bring none are made once.
func TestInflaterKeepsFixedCodes(t *testing.T) {
	z, err := newInflater(&pngFile{rest: pngChunk(nil, "IDAT", emptyBlocks(100, false))})
	if err != nil {
		t.Fatal(err)
	}
	var first *codes
	for i := range 100 {
		if err := z.block(); err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = z.code
		}
		if z.code != first || first == nil {
			t.Fatalf("block %d has tables of its own", i)
		}
		if err := z.decode(); err != nil {
			t.Fatal(err)
		}
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
		case tooMuch(err):
		case (err == nil) != (errWant == nil):
			t.Errorf("error %v; flate says %v", err, errWant)
		case err == nil && !bytes.Equal(got, want):
			t.Errorf("%d bytes, other than the %d of flate", len(got), len(want))
		}
	})
}

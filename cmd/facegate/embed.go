package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"facegate/pipeline"
	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
)

// embedList writes the embeddings of a list of pictures as a NumPy array, and the quality
// codes beside it.
func embedList(ctx context.Context, e *env, args []string) error {
	fs := e.flags("embed")
	root := fs.String("root", ".", "directory the list's files lie in")
	out := fs.String("out", "", "file to write, .npy")
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(rest) != 1 || *out == "" {
		return usagef("embed takes one list and --out FILE.npy")
	}
	files, err := readList(rest[0])
	if err != nil {
		return err
	}
	s, err := e.sight()
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // the process ends
	an := s.an
	bar := newProgress(e.stderr, "embed", len(files))
	vectors := make([]float32, 0, len(files)*an.Dim())
	codes := make([]face.Quality, len(files))
	zeros := make([]float32, an.Dim())
	for i, file := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		v, q, err := embedding(an, filepath.Join(*root, file))
		if err != nil {
			return err
		}
		if v == nil {
			v = zeros
		}
		vectors, codes[i] = append(vectors, v...), q
		bar.step()
	}
	bar.done()
	if err := writeNPY(*out, vectors, an.Dim()); err != nil {
		return err
	}
	return writeCodes(strings.TrimSuffix(*out, ".npy")+".csv", files, codes)
}

// embedding is the vector of the face in a picture, nil where none was found, and the quality
// code. The vector is valid until the Analyser's next call.
func embedding(an *pipeline.Analyser, path string) ([]float32, face.Quality, error) {
	img, err := picture(path)
	if errors.Is(err, imgproc.ErrPicture) {
		return nil, face.ImageError, nil
	} else if err != nil {
		return nil, "", err
	}
	a, err := an.Picture(img, pipeline.AllStages&^pipeline.Passive)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", path, err)
	}
	return a.Embedding, a.Quality, nil
}

// readList reads the column "file" of a CSV file, or the first one where no header names it.
func readList(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := csv.NewReader(bufio.NewReader(f))
	r.FieldsPerRecord = -1
	column := 0
	var files []string
	for first := true; ; first = false {
		line, err := r.Read()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		if at := slices.Index(line, "file"); first && at >= 0 {
			column = at
			continue
		}
		if column >= len(line) {
			return nil, fmt.Errorf("read %s: a row has no column %d", path, column+1)
		}
		files = append(files, line[column])
	}
}

// writeNPY writes rows of dim float32 in NumPy's format, version 1.0 (NEP 1).
func writeNPY(path string, vectors []float32, dim int) error {
	header := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", len(vectors)/dim, dim)
	pad := 64 - (10+len(header)+1)%64
	header += strings.Repeat(" ", pad%64) + "\n"
	b := make([]byte, 0, 10+len(header)+4*len(vectors))
	b = append(b, "\x93NUMPY\x01\x00"...)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(header)))
	b = append(b, header...)
	for _, v := range vectors {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return os.WriteFile(path, b, 0o600)
}

func writeCodes(path string, files []string, codes []face.Quality) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := csv.NewWriter(f)
	// encoding/csv keeps its first error for Error.
	_ = w.Write([]string{"file", "quality"})
	for i, name := range files {
		_ = w.Write([]string{name, string(codes[i])})
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return err
	}
	return f.Close()
}

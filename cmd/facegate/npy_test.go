package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// readNPY reads an array of float32 rows as NumPy's format description has it.
func readNPY(path string) ([][]float32, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if len(data) < 10 || string(data[:8]) != "\x93NUMPY\x01\x00" {
		return nil, fmt.Errorf("%s: no NumPy array of version 1.0", path)
	}
	n := 10 + int(binary.LittleEndian.Uint16(data[8:]))
	if n > len(data) || n%64 != 0 || data[n-1] != '\n' {
		return nil, fmt.Errorf("%s: header of %d bytes", path, n)
	}
	shape := regexp.MustCompile(`^\{'descr': '<f4', 'fortran_order': False, 'shape': \((\d+), (\d+)\), \} *\n$`).FindStringSubmatch(string(data[10:n]))
	if shape == nil {
		return nil, fmt.Errorf("%s: header %q", path, data[10:n])
	}
	rows, _ := strconv.Atoi(shape[1])
	dim, _ := strconv.Atoi(shape[2])
	if len(data)-n != 4*rows*dim {
		return nil, fmt.Errorf("%s: %d bytes for %d x %d numbers", path, len(data)-n, rows, dim)
	}
	out := make([][]float32, rows)
	for i := range out {
		for range dim {
			out[i] = append(out[i], math.Float32frombits(binary.LittleEndian.Uint32(data[n:])))
			n += 4
		}
	}
	return out, nil
}

// npy FILE LENGTH… wants an array of rows of these lengths, 1 or 0.
func npy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: npy FILE LENGTH…")
	}
	rows, err := readNPY(ts.MkAbs(args[0]))
	ts.Check(err)
	var got []string
	for _, r := range rows {
		sum := 0.
		for _, v := range r {
			sum += float64(v) * float64(v)
		}
		got = append(got, strconv.FormatFloat(math.Round(math.Sqrt(sum)*1e4)/1e4, 'g', -1, 64))
	}
	if want := args[1:]; strings.Join(got, " ") != strings.Join(want, " ") {
		ts.Fatalf("rows of length %v, want %v", got, want)
	}
}

package replay

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"facegate/device"
)

// A shown is one line of a list: a picture, or an empty scene, and for how long.
type shown struct {
	file string // empty: nobody is there
	hold time.Duration
}

// A stills clip is a list of pictures on one time line.
type stills struct {
	o     Options
	list  []shown
	until []time.Duration // until[i] is when list[i] ends
	m     device.Mode
}

// listDirectory names the pictures of a directory in name order.
func listDirectory(dir string, hold time.Duration) ([]shown, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list pictures: %w", err)
	}
	var list []shown
	for _, e := range entries {
		switch strings.ToLower(filepath.Ext(e.Name())) {
		case ".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff":
			if !e.IsDir() {
				list = append(list, shown{filepath.Join(dir, e.Name()), hold})
			}
		}
	}
	return list, nil
}

// readList reads a frames.csv. The columns file and seconds are found by their names in the
// first row, other columns are ignored; without such a row there must be just the two.
// Files are relative to the list.
func readList(path string) ([]shown, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read list: %w", err)
	}
	defer f.Close() //nolint:errcheck // opened for reading

	r := csv.NewReader(f)
	r.TrimLeadingSpace = true
	r.Comment = '#'
	r.ReuseRecord = true
	file, seconds := 0, 1
	var list []shown
	for first := true; ; first = false {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read list %s: %w", path, err)
		}
		if first {
			if i, j := slices.Index(row, "file"), slices.Index(row, "seconds"); i >= 0 && j >= 0 {
				file, seconds = i, j
				continue
			}
			if len(row) != 2 {
				return nil, fmt.Errorf("read list %s: the first row does not name the columns file and seconds", path)
			}
		}
		line, _ := r.FieldPos(0)
		s, err := strconv.ParseFloat(strings.TrimSpace(row[seconds]), 64)
		if err != nil || !(s > 0) || s > 365*24*3600 {
			return nil, fmt.Errorf("read list %s: line %d: seconds %q is not a time above 0", path, line, row[seconds])
		}
		name := row[file]
		if name != "" && !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(path), name)
		}
		list = append(list, shown{name, time.Duration(s * float64(time.Second))})
	}
}

// openStills checks every picture of the list and fixes the frame's size.
func openStills(name string, list []shown, o Options) (clip, error) {
	if len(list) == 0 {
		return nil, fmt.Errorf("%s: no pictures", name)
	}
	c := &stills{o: o, list: list, m: device.Mode{
		Device: "replay " + name, Width: o.Width, Height: o.Height, Format: device.RGB24, FPS: o.FPS,
	}}
	checked := map[string]bool{}
	var end time.Duration
	for _, s := range list {
		end += s.hold
		if end < 0 {
			return nil, fmt.Errorf("%s: longer than time can count", name)
		}
		c.until = append(c.until, end)
		if s.file == "" || checked[s.file] {
			continue
		}
		checked[s.file] = true
		w, h, _, err := c.load(s.file)
		if err != nil {
			return nil, err
		}
		if c.m.Width == 0 {
			c.m.Width, c.m.Height = w, h
		}
	}
	if c.m.Width == 0 { // nothing but empty scenes
		c.m.Width, c.m.Height = 640, 480
	}
	return c, nil
}

func (c *stills) mode() device.Mode { return c.m }

func (c *stills) frames() int {
	return max(1, int(math.Round(c.until[len(c.until)-1].Seconds()*c.o.FPS)))
}

func (c *stills) open() (reader, error) {
	return &stillReader{c: c, shows: -1, noise: newNoise(c.o.Seed)}, nil
}

// load decodes one picture and checks what the decoder says of it.
func (c *stills) load(file string) (w, h int, rgb []byte, err error) {
	data, err := readFile(file)
	if err != nil {
		return 0, 0, nil, fmt.Errorf("read picture: %w", err)
	}
	w, h, rgb, err = c.o.Decode(data)
	if err == nil && (w < 1 || h < 1 || len(rgb) != 3*w*h) {
		err = fmt.Errorf("%d bytes for %d x %d pixels", len(rgb), w, h)
	}
	if err != nil {
		return 0, 0, nil, fmt.Errorf("read picture %s: %w", file, err)
	}
	return w, h, rgb, nil
}

// A stillReader draws the frames of a list. It holds one picture at a time.
type stillReader struct {
	c     *stills
	shows int // index of the picture in still, -1 for none
	still still
	noise *noise
}

func (r *stillReader) Close() error { return nil }

func (r *stillReader) read(n int, buf []byte) ([]byte, error) {
	// The middle of the frame's time decides which picture it shows, so rounding cannot
	// move a boundary.
	mid := due(n, r.c.o.FPS) + due(1, r.c.o.FPS)/2
	i := min(sort.Search(len(r.c.until), func(i int) bool { return r.c.until[i] > mid }), len(r.c.list)-1)
	if i != r.shows {
		w, h, rgb := 1, 1, []byte{grey, grey, grey}
		if f := r.c.list[i].file; f != "" {
			var err error
			if w, h, rgb, err = r.c.load(f); err != nil {
				return nil, err
			}
		}
		r.still.set(fit(w, h, rgb, r.c.m.Width, r.c.m.Height), r.c.m.Width, r.c.m.Height)
		r.shows = i
	}
	size := 3 * r.c.m.Width * r.c.m.Height
	if cap(buf) < size {
		buf = make([]byte, size)
	}
	buf = buf[:size]
	if r.c.o.Exact {
		copy(buf, r.still.at(0))
		return buf, nil
	}
	r.noise.add(buf, r.still.at(n%shifts), uint64(n))
	return buf, nil
}

package eval

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A row is one line of a CSV file, by column name; "file" is the picture's path below the
// set's folder.
type row map[string]string

// A sheet is a CSV file whose first row names the columns.
type sheet struct {
	columns []string
	rows    []row
}

func (t *sheet) has(column string) bool { return slices.Contains(t.columns, column) }

// table reads a sheet. Rows of another length than the first are an error that names the line.
func table(path string) (*sheet, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("read %s: no line that names the columns", path)
	}
	t := &sheet{columns: all[0]}
	t.columns[0] = strings.TrimPrefix(t.columns[0], "\ufeff") // what some spreadsheets write first
	for _, line := range all[1:] {
		m := make(row, len(line))
		for i, v := range line {
			m[t.columns[i]] = v
		}
		t.rows = append(t.rows, m)
	}
	return t, nil
}

// ErrLabels means that the labels of a suite and its pictures do not belong together.
var ErrLabels = errors.New("labels do not fit the pictures")

// labels reads a set's labels.csv and sees that every picture it names is there. A set that
// the suite does not have has no columns and no rows.
func labels(dir, set string) (*sheet, error) {
	path := filepath.Join(dir, set, "labels.csv")
	t, err := table(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &sheet{}, nil
	} else if err != nil {
		return nil, err
	}
	if !t.has("file") {
		return nil, fmt.Errorf("%s: %w: no column \"file\"", path, ErrLabels)
	}
	seen := map[string]bool{}
	var missing []string
	for i, r := range t.rows {
		file := r["file"]
		switch {
		case !filepath.IsLocal(file):
			return nil, fmt.Errorf("%s: %w: picture %d is %q, which is no path below the set", path, ErrLabels, i+1, file)
		case seen[file]:
			return nil, fmt.Errorf("%s: %w: %s is there twice", path, ErrLabels, file)
		}
		seen[file] = true
		if info, err := os.Stat(filepath.Join(dir, set, file)); err != nil || !info.Mode().IsRegular() {
			missing = append(missing, file)
		}
	}
	if n := len(missing); n > 0 {
		return nil, fmt.Errorf("%s: %w: %d of %d pictures are missing: %s", path, ErrLabels, n, len(t.rows), some(missing, 5))
	}
	return t, nil
}

// some lists the first n of names.
func some(names []string, n int) string {
	if len(names) <= n {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:n], ", ") + ", …"
}

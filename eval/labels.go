package eval

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// A row is one line of a labels.csv, by column name; "file" is the picture's path below the
// set's folder.
type row map[string]string

// table reads a CSV file whose first row names the columns.
func table(path string) ([]row, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := csv.NewReader(f)
	all, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("read %s: no header", path)
	}
	rows := make([]row, 0, len(all)-1)
	for _, line := range all[1:] {
		m := make(row, len(line))
		for i, v := range line {
			m[all[0][i]] = v
		}
		rows = append(rows, m)
	}
	return rows, nil
}

// labels reads a set's labels.csv; a set that the suite does not have has no rows.
func (s *suite) labels(set string) ([]row, error) {
	rows, err := table(filepath.Join(s.dir, set, "labels.csv"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return rows, err
}

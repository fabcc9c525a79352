package models

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// ManifestAt is the manifest that holds for a home: the built-in one with the changes of
// home/models/local.toml, where a site leaves out or replaces models. The file has the
// format of the built-in manifest and a list leave_out of roles; a model in it takes the
// place of the one with its role, an embedder of the one with its id, and its first embedder
// becomes the default. Embedders that lost a model are left out too.
func ManifestAt(home string) (*List, error) {
	b, err := readSmall(filepath.Join(home, "models", "local.toml"))
	if errors.Is(err, os.ErrNotExist) {
		return Manifest(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("read local manifest: %w", err)
	}
	l, err := Manifest().with(b)
	if err != nil {
		return nil, fmt.Errorf("models/local.toml: %w", err)
	}
	return l, nil
}

// readSmall reads a file of at most 1 MB.
func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	const limit = 1 << 20
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && len(b) > limit {
		err = errSize
	}
	return b, err
}

// with returns a list with the changes of a local manifest.
func (l *List) with(b []byte) (*List, error) {
	change, leaveOut, err := decode(b)
	if err != nil {
		return nil, err
	}
	for _, role := range leaveOut {
		if _, ok := l.Entry(role); !ok {
			return nil, fmt.Errorf("leave out: %w %q", ErrUnknownRole, role)
		}
	}
	merged := &List{Wheels: append(slices.Clone(change.Wheels), l.Wheels...)}
	replaced := func(e Entry) bool {
		return slices.ContainsFunc(change.Entries, func(c Entry) bool {
			return c.Path() == e.Path() || c.Kind == KindModel && e.Kind == KindModel && c.Role == e.Role
		})
	}
	for _, e := range l.Entries {
		if replaced(e) || e.Kind == KindModel && slices.Contains(leaveOut, e.Role) {
			continue
		}
		merged.Entries = append(merged.Entries, e)
	}
	merged.Entries = append(merged.Entries, change.Entries...)
	merged.Embedders = slices.Clone(change.Embedders)
	for _, e := range l.Embedders {
		known := slices.ContainsFunc(change.Embedders, func(c Embedder) bool { return c.ID == e.ID })
		touched := slices.ContainsFunc(e.Roles, func(role string) bool {
			now, ok := merged.Entry(role)
			was, _ := l.Entry(role)
			return !ok || now.SHA256 != was.SHA256 // a calibration holds for the measured weights only
		})
		if !known && !touched {
			merged.Embedders = append(merged.Embedders, e)
		}
	}
	return merged, merged.check()
}

package models

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A Set is the files installed under one FACEGATE_HOME.
type Set struct {
	home string
	dir  string // of the model files
	list *List
}

// OpenDir is Open with the model files in a directory of their own; where home has no runtime
// the one beside that directory is used.
func OpenDir(home, dir string) (*Set, error) {
	s, err := Open(home)
	if err != nil {
		return nil, err
	}
	s.dir = dir
	if _, err := os.Stat(filepath.Join(home, "runtime")); errors.Is(err, fs.ErrNotExist) {
		s.home = filepath.Dir(dir)
	}
	return s, nil
}

// Missing is a *MissingError that names every model, and the runtime for an architecture,
// which is absent or has the wrong size; nil where nothing is missing.
func (s *Set) Missing(arch string) error {
	var missing MissingError
	for _, e := range s.list.Entries {
		if e.Kind == KindModel || e.Kind == KindRuntime && e.Arch == arch {
			s.look(e, &missing)
		}
	}
	return missing.orNil()
}

func (s *Set) look(e Entry, missing *MissingError) {
	if info, err := os.Stat(s.path(e)); err != nil {
		missing.add(e, "missing")
	} else if info.Size() != e.Bytes {
		missing.add(e, "has the wrong size")
	}
}

// Open returns the files under home. With roles, it returns a *MissingError naming all of
// those whose model is absent or has the wrong size; the hash is checked when a file is read.
func Open(home string, roles ...string) (*Set, error) {
	list, err := ManifestAt(home)
	if err != nil {
		return nil, fmt.Errorf("open models: %w", err)
	}
	return open(home, list, roles)
}

func open(home string, list *List, roles []string) (*Set, error) {
	s := &Set{home: home, dir: filepath.Join(home, "models"), list: list}
	var missing MissingError
	for _, role := range roles {
		e, ok := s.list.Entry(role)
		if !ok {
			return nil, fmt.Errorf("open models: %w %q", ErrUnknownRole, role)
		}
		s.look(e, &missing)
	}
	if err := missing.orNil(); err != nil {
		return nil, err
	}
	return s, nil
}

// ErrUnknownRole says that the manifest has no model for the role, or that the site left it out.
var ErrUnknownRole = errors.New("unknown or left-out model role")

// List is the manifest the set is checked against.
func (s *Set) List() *List { return s.list }

func (s *Set) path(e Entry) string {
	if e.Kind == KindModel {
		return filepath.Join(s.dir, e.File)
	}
	return filepath.Join(s.home, filepath.FromSlash(e.Path()))
}

// Bytes reads the model of a role and returns exactly the bytes that were verified. A file
// that is absent or differs from the manifest is a *MissingError.
func (s *Set) Bytes(role string) ([]byte, Entry, error) {
	e, ok := s.list.Entry(role)
	if !ok {
		return nil, Entry{}, fmt.Errorf("read model: %w %q", ErrUnknownRole, role)
	}
	b, err := readVerified(s.path(e), e.SHA256, e.Bytes)
	if err != nil {
		return nil, e, missingOne(e, err)
	}
	return b, e, nil
}

// Runtime is the path of the verified inference library for an architecture ("amd64").
func (s *Set) Runtime(arch string) (string, error) {
	for _, e := range s.list.Entries {
		if e.Kind == KindRuntime && e.Arch == arch {
			if err := verifyFile(s.path(e), e.SHA256, e.Bytes); err != nil {
				return "", missingOne(e, err)
			}
			return s.path(e), nil
		}
	}
	return "", fmt.Errorf("find runtime: there is none for %s, inference needs amd64 or arm64", arch)
}

// Demo is the path of a verified picture of the demonstration.
func (s *Set) Demo(role string) (string, error) {
	for _, e := range s.list.Entries {
		if e.Kind == KindDemo && e.Role == role {
			if err := verifyFile(s.path(e), e.SHA256, e.Bytes); err != nil {
				return "", missingOne(e, err)
			}
			return s.path(e), nil
		}
	}
	return "", fmt.Errorf("find picture: %w %q", ErrUnknownRole, role)
}

// A MissingError names every file that is absent or not the one of the manifest.
type MissingError struct {
	Files []MissingFile
}

// A MissingFile is one of them.
type MissingFile struct {
	Entry  Entry
	Reason string // "missing", "wrong SHA-256", or why each source failed
}

// Error names the files and, for each, the reason and where it can come from.
func (m *MissingError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d needed files are not installed", len(m.Files))
	if len(m.Files) == 1 {
		b.Reset()
		b.WriteString("a needed file is not installed")
	}
	for _, f := range m.Files {
		fmt.Fprintf(&b, "\n  %s: %s; it comes from %s", f.Entry.Path(), f.Reason, strings.Join(f.Entry.Sources(), ", or "))
	}
	return b.String()
}

// Hint is what a person can do.
func (m *MissingError) Hint() string { return "run facegate setup" }

func (m *MissingError) add(e Entry, reason string) {
	m.Files = append(m.Files, MissingFile{e, reason})
}

func (m *MissingError) orNil() error {
	if len(m.Files) == 0 {
		return nil
	}
	return m
}

func missingOne(e Entry, err error) error {
	reason := err.Error()
	if errors.Is(err, os.ErrNotExist) {
		reason = "missing"
	}
	return &MissingError{Files: []MissingFile{{e, reason}}}
}

var (
	errSize = errors.New("wrong size")
	errHash = errors.New("wrong SHA-256")
)

// readVerified reads a file of known size and hash; it never holds more than size+1 bytes.
func readVerified(path, sha string, size int64) ([]byte, error) {
	f, err := openSized(path, size)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	b := make([]byte, size)
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, err
	}
	if !matches(b, sha) {
		return nil, errHash
	}
	return b, nil
}

// matches reports whether b has the given SHA-256.
func matches(b []byte, sha string) bool {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]) == sha
}

// verifyFile checks size and hash without keeping the bytes.
func verifyFile(path, sha string, size int64) error {
	f, err := openSized(path, size)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read only
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(f, size+1)); err != nil {
		return err
	}
	if hex.EncodeToString(h.Sum(nil)) != sha {
		return errHash
	}
	return nil
}

// openSized opens a regular file of the given size. The size is asked before opening: a
// named pipe would block.
func openSized(path string, size int64) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() != size {
		return nil, errSize
	}
	return os.Open(path)
}

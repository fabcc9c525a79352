package seal

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrExposed means that a key file may be read by others than its owner.
var ErrExposed = errors.New("the key file is readable by others; run chmod 600 on it and consider changing the key")

// maxKeyFile bounds a key file: a few keys and a comment.
const maxKeyFile = 4 << 10

// Load reads a key file: one key a line in 64 hex digits, the one that seals first; empty
// lines and lines that begin with # are skipped. The file must belong to nobody else's eyes:
// any permission for group or world gives an error wrapping ErrExposed. A file of this service's
// systemd credentials directory qualifies, and may be readable by its group. No error holds a part of a key.
func Load(path string) (*Ring, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at key file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("key file %s: not a regular file", path)
	}
	if info.Mode().Perm()&^allowed(path) != 0 {
		return nil, fmt.Errorf("key file %s: %w", path, ErrExposed)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	if len(text) > maxKeyFile {
		return nil, fmt.Errorf("key file %s: longer than %d bytes", path, maxKeyFile)
	}
	defer clear(text)
	keys, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	r, err := NewRing(keys...)
	for _, k := range keys {
		clear(k)
	}
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return r, nil
}

// allowed are the permissions a key file may have: its owner's, and, for a credential that
// systemd handed to this process alone, the group's to read. Newer versions of systemd let the
// service's user in by an access list, whose mask shows as the group's permission.
func allowed(path string) fs.FileMode {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir != "" && filepath.Dir(filepath.Clean(path)) == filepath.Clean(dir) {
		return 0o740
	}
	return 0o700
}

func parse(text []byte) ([][]byte, error) {
	var keys [][]byte
	for i, line := range bytes.Split(text, []byte("\n")) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		k := make([]byte, KeySize)
		if len(line) != hex.EncodedLen(KeySize) {
			return nil, fmt.Errorf("line %d is not a key of %d hex digits", i+1, hex.EncodedLen(KeySize))
		}
		if _, err := hex.Decode(k, line); err != nil {
			return nil, fmt.Errorf("line %d is not a key of %d hex digits", i+1, hex.EncodedLen(KeySize))
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, errors.New("it holds no key")
	}
	return keys, nil
}

// LoadOrCreate is Load, and makes a file with one new key where there is none. Of two
// processes that do so at once both end up with the same key.
func LoadOrCreate(path string) (*Ring, error) {
	r, err := Load(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	text := make([]byte, hex.EncodedLen(KeySize)+1)
	k := make([]byte, KeySize)
	_, _ = rand.Read(k) // never fails: crypto/rand ends the program instead
	hex.Encode(text, k)
	text[len(text)-1] = '\n'
	clear(k)
	defer clear(text)
	if err := create(path, text); err != nil {
		return nil, fmt.Errorf("make key file: %w", err)
	}
	return Load(path)
}

// create puts text at path unless something is there already. The file is complete and on
// the disk before it has its name: a key that was used and then lost would take all data
// with it.
func create(path string, text []byte) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	if _, err := f.Write(text); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Sync(); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

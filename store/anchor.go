package store

import (
	"bytes"
	"crypto/hmac"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"facegate/access"
)

// An anchor is the chain's end kept outside the database. It is a file of two records; event
// n goes to record n mod 2, so that a record cut short by a power failure leaves the one
// before it. Being written after the commit, the anchor may lag behind the database; one
// that is ahead of it shows that events were cut off.
type anchor struct {
	path   string
	notary func() notary

	mu       sync.Mutex
	file     *os.File
	unsynced int
}

// anchorState says what the file holds.
type anchorState int

const (
	anchorGood anchorState = iota
	anchorMissing
	anchorForeign // no record of this chain
)

const (
	recordSize = 256
	// syncEvery bounds the events a power failure can leave unanchored. The kernel writes the
	// file by itself much sooner; syncing at every event would double the cost of one.
	syncEvery = 64
)

// openAnchor opens the anchor, which need not exist.
func openAnchor(path string, n func() notary) (*anchor, error) {
	a := &anchor{path: path, notary: n}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	a.file = f
	return a, nil
}

// get reads the newest genuine record. It opens the file anew: it may have been taken away.
func (a *anchor) get() (head, anchorState, error) {
	f, err := os.Open(a.path)
	if errors.Is(err, fs.ErrNotExist) {
		return head{}, anchorMissing, nil
	}
	if err != nil {
		return head{}, 0, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 2*recordSize))
	if err != nil {
		return head{}, 0, err
	}
	best, state := head{}, anchorForeign
	for i := 0; i+recordSize <= len(text); i += recordSize {
		h, ok := a.parse(text[i : i+recordSize])
		if ok && (state != anchorGood || h.seq > best.seq) {
			best, state = h, anchorGood
		}
	}
	return best, state, nil
}

// format is the record of h: epoch, number, hash and code in hex, filled up with blanks.
func (a *anchor) format(h head) []byte {
	n := a.notary()
	b := bytes.Repeat([]byte{' '}, recordSize)
	b[recordSize-1] = '\n'
	copy(b, fmt.Sprintf("facegate-head %016x %016x %x %x", n.epoch, h.seq, h.hash[:], n.mac(theEnd, h)))
	return b
}

func (a *anchor) parse(record []byte) (head, bool) {
	var h head
	var epoch uint64
	var hash []byte
	if _, err := fmt.Sscanf(string(record), "facegate-head %x %x %x", &epoch, &h.seq, &hash); err != nil || len(hash) != len(h.hash) {
		return head{}, false
	}
	h.hash = access.Hash(hash)
	return h, hmac.Equal(record, a.format(h))
}

// put records h, and makes the file where there is none. Where two transactions' ends are put
// in the wrong order the anchor lags behind, which it may.
func (a *anchor) put(h head) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil {
		if err := a.create(h); err != nil {
			return err
		}
	}
	if _, err := a.file.WriteAt(a.format(h), int64(h.seq%2)*recordSize); err != nil {
		return err
	}
	if a.unsynced++; a.unsynced < syncEvery {
		return nil
	}
	a.unsynced = 0
	return a.file.Sync()
}

// create makes the file, complete before it has its name, unless another process has.
// The caller holds mu.
func (a *anchor) create(h head) error {
	temp, err := os.CreateTemp(filepath.Dir(a.path), ".head-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // a stray copy harms nothing
	_, err = temp.Write(bytes.Repeat(a.format(h), 2))
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := os.Link(temp.Name(), a.path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if a.file, err = os.OpenFile(a.path, os.O_RDWR, 0); err != nil {
		return err
	}
	return syncDir(a.path)
}

// replace puts h in both records, whatever they hold. It writes in place because other
// processes have the file open.
func (a *anchor) replace(h head) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil {
		if err := a.create(h); err != nil {
			return err
		}
	}
	if _, err := a.file.WriteAt(bytes.Repeat(a.format(h), 2), 0); err != nil {
		return err
	}
	a.unsynced = 0
	return a.file.Sync()
}

func (a *anchor) close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil {
		return nil
	}
	err := errors.Join(a.file.Sync(), a.file.Close())
	a.file = nil
	return err
}

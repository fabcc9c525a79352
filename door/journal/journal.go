// Package journal keeps what happened at a door until somebody has collected it.
//
// It is one append-only file. A line holds one record behind its checksum; events carry
// sequence numbers from 1 without gaps, and the journal carries a random id, so that a
// collector that remembers (id, number) of the last event it has committed takes each one
// exactly once, even where the file was lost and begins anew.
//
// [Journal.Record] never waits for the disk: a slow one must not hold up an exit button.
// [Journal.Run] writes and syncs; only what is on the disk is handed out. While the disk
// refuses, events stay in memory and are written when it obeys again.
//
// Both file and memory are bounded. Where more events wait than [Max], the oldest quarter
// is replaced by one that says how many it stands for; nothing disappears uncounted.
//
// [Settings] keeps, in a file of its own, the lock-downs that outlast the process.
package journal

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"facegate/door"
	"facegate/internal/logkey"
)

// Max is how many events wait for a collector before the oldest are counted instead.
const Max = 8192

// maxBytes is above any file this package writes: events hold bounded texts.
const maxBytes = 16 << 20

// An entry is one line of the file.
type entry struct {
	Journal string      `json:"journal,omitzero"` // first line: the id
	Next    uint64      `json:"next,omitzero"`    // first line: sequence number of the next event if none follows
	Event   *door.Event `json:"event,omitzero"`
	Acked   uint64      `json:"acked,omitzero"` // everything up to here is collected
	Last    string      `json:"last,omitzero"`  // first line: kind of the last door.unlocked or door.locked

	Settings []door.Setting `json:"settings,omitzero"` // the only line of the other file
}

// A Journal is safe for concurrent use.
type Journal struct {
	path string
	log  *slog.Logger
	id   string
	max  int

	mu      sync.Mutex
	waiting []door.Event // not acked, in order
	next    uint64       // sequence number of the next event
	acked   uint64
	last    string        // kind of the last door.unlocked or door.locked, or empty
	logged  uint64        // events up to here are in the program's log
	durable uint64        // events up to here are on the disk
	durAck  uint64        // and acks up to here
	rewrite bool          // the file is to be written anew
	fault   error         // why the disk refuses
	work    chan struct{} // something is to be written; capacity 1
	grown   chan struct{} // closed and replaced when durable moves

	// The file belongs to Run.
	file *os.File // nil: to be written anew
	dead uint64   // lines that a rewrite would drop
}

// Open reads the journal at path, or begins one. A torn last line, the trace of a crash
// while it was written, is dropped: nobody was told of its event. Damage elsewhere, a file
// that cannot be read or is no journal, is set aside under a name ending in .damaged; what
// was whole is kept, and an event says that some was not. A disk that refuses to be written
// is no error: the door matters more than its record ([Journal.State]).
func Open(path string, log *slog.Logger) *Journal {
	j := &Journal{
		path: path, log: log, max: Max, next: 1,
		work: make(chan struct{}, 1), grown: make(chan struct{}),
	}
	damaged, err := j.load()
	if damaged || err != nil {
		aside := path + ".damaged"
		log.Warn("door journal damaged", logkey.Path, aside, logkey.Error, errors.Join(err, os.Rename(path, aside)))
		j.append(door.Event{Time: time.Now(), Kind: door.HealthRaised, Why: "door journal was damaged; events may be missing"})
	}
	if j.id == "" {
		id := make([]byte, 8)
		_, _ = rand.Read(id) // never fails
		j.id = hex.EncodeToString(id)
	}
	j.fault = j.writeAnew()
	j.logged = j.durable // by the process that recorded them
	return j
}

// load reads the file.
func (j *Journal) load() (damaged bool, err error) {
	file, err := os.Open(j.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxBytes))
	if err != nil {
		return false, err
	}
	for len(text) > 0 {
		line, rest, whole := bytes.Cut(text, []byte{'\n'})
		r, err := decode(line)
		switch {
		case err == nil && whole && j.replay(r):
		case len(rest) == 0 && j.id != "":
			return damaged, nil // torn
		default:
			damaged = true
		}
		text = rest
	}
	return damaged, nil
}

// replay takes one record of the file; false means it does not belong there.
func (j *Journal) replay(r entry) bool {
	switch {
	case r.Journal != "":
		if j.id != "" || len(j.waiting) > 0 {
			return false
		}
		j.id, j.next, j.acked, j.last = r.Journal, max(r.Next, 1), r.Acked, r.Last
	case r.Event != nil:
		if j.id == "" || r.Event.Seq < j.next {
			return false
		}
		j.waiting, j.next = append(j.waiting, *r.Event), r.Event.Seq+1
		j.note(r.Event.Kind)
	default:
		if r.Acked >= j.next {
			return false
		}
		j.forget(r.Acked)
	}
	return true
}

// ID is the journal's identity.
func (j *Journal) ID() string { return j.id }

// Record takes an event and gives it the next sequence number. It returns at once.
func (j *Journal) Record(e door.Event) {
	j.mu.Lock()
	j.append(e)
	j.mu.Unlock()
	j.wake()
}

// Last is the kind of the last door.unlocked or door.locked that was recorded, those of
// earlier processes included, or empty.
func (j *Journal) Last() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

func (j *Journal) note(kind string) {
	if kind == door.Unlocked || kind == door.Locked {
		j.last = kind
	}
}

func (j *Journal) append(e door.Event) {
	j.note(e.Kind)
	e.Seq = j.next
	j.next++
	j.waiting = append(j.waiting, e)
	if len(j.waiting) > j.max {
		j.collapse()
	}
}

// collapse replaces the oldest quarter by one event that counts them.
func (j *Journal) collapse() {
	n := len(j.waiting) / 4
	var lost uint64
	for _, e := range j.waiting[:n] {
		lost += max(e.Count, 1)
	}
	last := j.waiting[n-1]
	j.waiting[n-1] = door.Event{
		Seq: last.Seq, Time: last.Time, Kind: door.HealthRaised,
		Why: fmt.Sprintf("door journal full: %d events not kept", lost), Count: lost,
	}
	j.waiting = append([]door.Event(nil), j.waiting[n-1:]...)
	j.rewrite = true
}

// After returns up to limit events behind the given number that are on the disk, and a
// channel that is closed when there may be more. The id names the journal the number is
// from; a number of another journal counts as 0.
func (j *Journal) After(id string, seq uint64, limit int) ([]door.Event, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if id != j.id {
		seq = 0
	}
	var out []door.Event
	for _, e := range j.waiting {
		if e.Seq > j.durable || len(out) == limit {
			break
		}
		if e.Seq > seq {
			out = append(out, e)
		}
	}
	return out, j.grown
}

// maxSeq bounds what a collector can make the next sequence number.
const maxSeq = 1 << 62

// Ack says that everything up to seq is committed elsewhere. An ack of another journal's
// id, or of events that are not handed out yet, is an error and changes nothing.
//
// A collector that has committed more than this journal ever numbered met it before a disk
// lost what it had promised to keep: the events since then are numbered on from there, so
// that it does not take them for ones it knows.
func (j *Journal) Ack(id string, seq uint64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if id != j.id {
		return fmt.Errorf("acknowledge journal %q: this is %q", id, j.id)
	}
	if seq >= j.next && seq < maxSeq {
		j.log.Warn("door journal had lost its end", logkey.Seq, seq)
		for i := range j.waiting {
			j.waiting[i].Seq = seq + 1 + uint64(i)
		}
		j.acked, j.durable, j.logged = seq, seq, seq+uint64(len(j.waiting))
		j.next, j.rewrite = j.logged+1, true
		j.wake()
		return nil
	}
	if seq > j.durable {
		return fmt.Errorf("acknowledge event %d: the last is %d", seq, j.durable)
	}
	j.forget(seq)
	j.wake()
	return nil
}

func (j *Journal) forget(seq uint64) {
	j.acked = max(j.acked, seq)
	n := 0
	for n < len(j.waiting) && j.waiting[n].Seq <= seq {
		n++
	}
	j.waiting = j.waiting[n:]
}

// State returns how many events nobody has collected, and why the disk refuses, or nil.
func (j *Journal) State() (waiting int, fault error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.waiting), j.fault
}

func (j *Journal) wake() {
	select {
	case j.work <- struct{}{}:
	default:
	}
}

// retry is the pause after a disk that refused.
const retry = time.Second

// rewriteAt is how many lines nobody needs before the file is written anew.
const rewriteAt = 1024

// Run writes what is recorded until ctx ends, then writes the rest and closes the file.
// A disk that refuses is a fault, not an end.
func (j *Journal) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			j.tell(ctx)
			err := j.flush()
			if err != nil {
				err = fmt.Errorf("write last door events: %w", err)
			}
			if j.file != nil {
				err = errors.Join(err, j.file.Close())
			}
			return err
		case <-j.work:
		case <-timer.C:
		}
		j.tell(ctx)
		err := j.flush()
		j.mu.Lock()
		was := j.fault
		j.fault = err
		j.mu.Unlock()
		switch {
		case err != nil && was == nil:
			j.log.Error("door journal not written", logkey.Error, err)
		case err == nil && was != nil:
			j.log.Info("door journal written again")
		}
		if err != nil {
			timer.Reset(retry)
		}
	}
}

// tell puts new events into the program's log, which may block as a disk may.
func (j *Journal) tell(ctx context.Context) {
	j.mu.Lock()
	var fresh []door.Event
	for _, e := range j.waiting {
		if e.Seq > j.logged {
			fresh, j.logged = append(fresh, e), e.Seq
		}
	}
	j.mu.Unlock()
	for _, e := range fresh {
		level := slog.LevelInfo
		if e.Kind == door.HealthRaised {
			level = slog.LevelWarn
		}
		j.log.Log(ctx, level, "door", logkey.Seq, e.Seq, logkey.Kind, e.Kind, logkey.Who, e.Who, logkey.Why, e.Why, logkey.On, e.On)
	}
}

// flush brings the file up to what is in memory.
func (j *Journal) flush() error {
	j.mu.Lock()
	anew := j.rewrite || j.file == nil || j.dead > rewriteAt
	var lines []byte
	upTo, ack := j.durable, j.durAck
	if !anew {
		for _, e := range j.waiting {
			if e.Seq > j.durable {
				lines, upTo = appendRecord(lines, entry{Event: &e}), e.Seq
			}
		}
		if j.acked > j.durAck {
			lines, ack = appendRecord(lines, entry{Acked: j.acked}), j.acked
			j.dead += j.acked - j.durAck + 1
		}
	}
	j.mu.Unlock()
	if anew {
		return j.writeAnew()
	}
	if len(lines) == 0 {
		return nil
	}
	_, err := j.file.Write(lines)
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		// Part of a line may be there, or pages the kernel has given up: only a new file is sure.
		err = errors.Join(err, j.file.Close())
		j.file = nil
		return err
	}
	j.written(upTo, ack)
	return nil
}

// written notes what is on the disk and tells who waits for it.
func (j *Journal) written(upTo, ack uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.durAck = ack
	if upTo > j.durable {
		j.durable = upTo
		close(j.grown)
		j.grown = make(chan struct{})
	}
}

// writeAnew replaces the file by one that holds only what is needed.
func (j *Journal) writeAnew() error {
	j.mu.Lock()
	first, upTo, ack := j.next, j.next-1, j.acked
	if len(j.waiting) > 0 {
		first = j.waiting[0].Seq
	}
	text := appendRecord(nil, entry{Journal: j.id, Next: first, Acked: ack, Last: j.last})
	for _, e := range j.waiting {
		text = appendRecord(text, entry{Event: &e})
	}
	j.rewrite = false
	j.mu.Unlock()

	file, err := replace(j.path, text)
	if err != nil {
		j.mu.Lock()
		j.rewrite = true
		j.mu.Unlock()
		return err
	}
	if j.file != nil {
		_ = j.file.Close() // nothing of it is needed any more
	}
	j.file, j.dead = file, 0
	j.written(upTo, ack)
	return nil
}

// replace puts text at path so that a crash leaves the old file or the new one, and returns
// the new one open for writing.
func replace(path string, text []byte) (_ *os.File, err error) {
	file, err := os.OpenFile(path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, file.Close())
		}
	}()
	if _, err := file.Write(text); err != nil {
		return nil, err
	}
	if err := file.Sync(); err != nil {
		return nil, err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return nil, err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	return file, errors.Join(dir.Sync(), dir.Close())
}

// appendRecord appends a line: eight hex digits of CRC-32C, a space, JSON.
func appendRecord(to []byte, r entry) []byte {
	text, err := json.Marshal(r)
	if err != nil {
		panic("journal: a record has no JSON: " + err.Error()) // plain fields only
	}
	return fmt.Appendf(to, "%08x %s\n", checksum(text), text)
}

func decode(line []byte) (entry, error) {
	sum, text, ok := bytes.Cut(line, []byte{' '})
	if !ok {
		return entry{}, errors.New("no checksum")
	}
	want, err := strconv.ParseUint(string(sum), 16, 32)
	if err != nil || checksum(text) != uint32(want) {
		return entry{}, errors.New("wrong checksum")
	}
	var r entry
	return r, json.Unmarshal(text, &r)
}

func checksum(text []byte) uint32 {
	return crc32.Checksum(text, crc32.MakeTable(crc32.Castagnoli))
}

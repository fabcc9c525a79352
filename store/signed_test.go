package store

import (
	"crypto/ed25519"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"facegate/access"
)

func signHead(t *testing.T, db *DB) SignedHead {
	t.Helper()
	h, err := db.SignHead(t.Context(), act)
	must(t, err)
	return h
}

func TestSignHead(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	if _, err := db.PublicKey(t.Context()); !errors.Is(err, access.ErrNotFound) {
		t.Errorf("public key before the first signature: %v", err)
	}
	appendDenied(t, db, 3)
	first := signHead(t, db)
	public, err := db.PublicKey(t.Context())
	must(t, err)
	events, err := db.Events(t.Context(), 0, 10)
	must(t, err)
	want := SignedHead{Chain: events[0].Prev, Seq: 4, Hash: events[3].Hash, At: noon, Key: KeyID(public), Signature: first.Signature}
	if diff := cmp.Diff(want, first); diff != "" || !first.Genuine(public) {
		t.Errorf("genuine %v (-want +got)\n%s", first.Genuine(public), diff)
	}
	data := map[string]string{"use": "device", "key": KeyID(public), "public": hex.EncodeToString(public)}
	if e := events[3]; e.Kind != access.KindKeyCreated || !cmp.Equal(e.Data, data) {
		t.Errorf("the key is not on record: %+v", e)
	}

	again, err := db.SignHead(t.Context(), Act{At: noon.Add(time.Hour)})
	if diff := cmp.Diff(first, again); diff != "" || err != nil {
		t.Errorf("signed again though nothing happened: %v (-want +got)\n%s", err, diff)
	}
	appendDenied(t, db, 2)
	db = open(t, dir) // another process has the same key
	second := signHead(t, db)
	if second.Seq != 6 || !second.Genuine(public) {
		t.Errorf("the second: %+v", second)
	}
	list, err := db.SignedHeads(t.Context())
	if diff := cmp.Diff([]SignedHead{first, second}, list); diff != "" || err != nil {
		t.Errorf("SignedHeads: %v (-want +got)\n%s", err, diff)
	}
	if v, err := db.VerifyEvents(t.Context()); err != nil || v.Signed != 2 {
		t.Errorf("verify: %+v, %v", v, err)
	}
	if _, err := db.writer.ExecContext(t.Context(), "UPDATE signed_head SET signature = x'00' WHERE seq = 6"); err != nil {
		t.Fatal(err)
	}
	if h := signHead(t, db); !h.Genuine(public) {
		t.Error("a signature that was altered is given again")
	}
	other, _, err := ed25519.GenerateKey(nil)
	must(t, err)
	for name, change := range map[string]func(*SignedHead){
		"chain": func(h *SignedHead) { h.Chain[0] ^= 1 }, "seq": func(h *SignedHead) { h.Seq++ }, "hash": func(h *SignedHead) { h.Hash[31] ^= 1 },
		"at": func(h *SignedHead) { h.At = h.At.Add(time.Millisecond) }, "key": func(h *SignedHead) { h.Key = KeyID(other) },
		"signature": func(h *SignedHead) { h.Signature = h.Signature[:63] },
	} {
		h := first
		if change(&h); h.Genuine(public) {
			t.Errorf("genuine with another %s", name)
		}
	}
	if first.Genuine(other) || first.Genuine(nil) {
		t.Error("genuine under another key")
	}
}

// The trail below has events 1 to 10; the device signed 5, its key's, and 8.
func TestVerifyFindsWhatContradictsASignature(t *testing.T) {
	cutOff := func(to int) []string {
		return []string{
			fmt.Sprintf("DELETE FROM outbox WHERE seq > %d", to), fmt.Sprintf("DELETE FROM event WHERE seq > %d", to),
			"DELETE FROM chain", "INSERT INTO chain SELECT * FROM old.chain",
		}
	}
	for _, tt := range []struct {
		name  string
		do    []string
		old   bool // the anchor is put back too
		seq   uint64
		why   string
		goes  bool // events can still be appended
		after int  // signed heads once somebody has let it go on, where that can be
	}{
		{"cut off behind it, end and anchor put back", cutOff(6), true, 7, "events 7 to 8 were cut off: the device has signed", false, 2},
		{"a signature altered", []string{"UPDATE signed_head SET signature = zeroblob(64) WHERE seq = 8"}, false, 8, "not genuine", true, 0},
		{"a time altered", []string{"UPDATE signed_head SET at = at + 1 WHERE seq = 5"}, false, 5, "not genuine", true, 0},
		{"a hash altered", []string{"UPDATE signed_head SET hash = zeroblob(32) WHERE seq = 5"}, false, 5, "not genuine", true, 0},
		{"a hash cut", []string{"UPDATE signed_head SET hash = x'00' WHERE seq = 5"}, false, 5, "not genuine", true, 0},
		{"a signature of another event", []string{"UPDATE signed_head SET seq = 6 WHERE seq = 5"}, false, 6, "not genuine", true, 0},
		{"one invented", []string{"INSERT INTO signed_head SELECT 7, hash, at, key, signature FROM signed_head WHERE seq = 5"}, false, 7, "not genuine", true, 0},
		{"one invented beyond the end", []string{"INSERT INTO signed_head SELECT 99, hash, at, key, signature FROM signed_head WHERE seq = 5"}, false, 11, "events 11 to 99", false, 3},
		{"the key taken away", []string{"DELETE FROM secret WHERE name = 'device'"}, false, 5, "key is not genuine", true, 0},
		{"the key replaced", []string{"UPDATE secret SET sealed = (SELECT sealed FROM secret WHERE name = 'chain') WHERE name = 'device'"}, false, 5, "key is not genuine", true, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, old := t.TempDir(), t.TempDir()
			db := open(t, dir)
			appendDenied(t, db, 4)
			signHead(t, db)
			appendDenied(t, db, 1)
			_, err := db.writer.ExecContext(t.Context(), "VACUUM INTO ?", options(old).Path)
			must(t, err)
			anchor, err := os.ReadFile(options(dir).Path + "-head")
			must(t, err)
			appendDenied(t, db, 2)
			signHead(t, db)
			appendDenied(t, db, 2)
			if v, err := db.VerifyEvents(t.Context()); err != nil || v.Events != 10 || v.Signed != 2 {
				t.Fatalf("before: %+v, %v", v, err)
			}
			must(t, db.Close())
			meddle(t, dir, func(raw *sql.DB) {
				raw.SetMaxOpenConns(1)
				run(t, raw, "ATTACH '"+options(old).Path+"' AS old")
				run(t, raw, tt.do...)
			})
			if tt.old {
				must(t, os.WriteFile(options(dir).Path+"-head", anchor, 0o600))
			}
			db = open(t, dir)
			_, err = db.VerifyEvents(t.Context())
			broken, ok := errors.AsType[*ChainError](err)
			if !ok || broken.Seq != tt.seq || !strings.Contains(broken.Why, tt.why) {
				t.Errorf("got %v, want event %d: %s", err, tt.seq, tt.why)
			}
			_, err = db.AppendEvent(t.Context(), act, access.Event{Kind: access.KindStarted})
			if (err == nil) != tt.goes {
				t.Errorf("append: %v, want it to go: %v", err, tt.goes)
			}
			if tt.after == 0 {
				return
			}
			if _, err := db.SignHead(t.Context(), act); err == nil {
				t.Error("the end of a broken trail was signed")
			}
			e, err := db.Reanchor(t.Context(), act)
			if err != nil || e.Data["signed"] == "" || len(e.Data["signed_hash"]) != 64 {
				t.Errorf("reanchor: %+v, %v", e, err)
			}
			appendDenied(t, db, 5)
			signHead(t, db)
			if v, err := db.VerifyEvents(t.Context()); err != nil || v.Signed != tt.after {
				t.Errorf("afterwards: %+v, %v", v, err)
			}
		})
	}
}

// A trail that was cut off and written on, so that its numbers reach the signature again.
func TestVerifyFindsATrailWrittenAnew(t *testing.T) {
	dir, old := t.TempDir(), t.TempDir()
	db := open(t, dir)
	signHead(t, db)
	must(t, db.Close())
	for _, suffix := range []string{"", "-head"} {
		b, err := os.ReadFile(options(dir).Path + suffix)
		must(t, err)
		must(t, os.WriteFile(options(old).Path+suffix, b, 0o600))
	}
	db = open(t, dir)
	appendDenied(t, db, 3)
	signHead(t, db)
	must(t, db.Close())
	meddle(t, old, func(raw *sql.DB) { // the older copy, with the newer signatures
		raw.SetMaxOpenConns(1)
		run(t, raw, "ATTACH '"+options(dir).Path+"' AS new")
		if _, err := raw.Exec("CREATE TABLE keep AS SELECT * FROM new.signed_head WHERE seq > 1"); err != nil {
			t.Fatal(err)
		}
	})
	key, err := os.ReadFile(options(dir).KeyFile)
	must(t, err)
	must(t, os.WriteFile(options(old).KeyFile, key, 0o600))
	db = open(t, old)
	appendDenied(t, db, 5)
	must(t, db.Close())
	meddle(t, old, func(raw *sql.DB) { run(t, raw, "INSERT INTO signed_head SELECT * FROM keep", "DROP TABLE keep") })
	_, err = open(t, old).VerifyEvents(t.Context())
	if broken, ok := errors.AsType[*ChainError](err); !ok || broken.Seq != 4 || !strings.Contains(broken.Why, "signed") {
		t.Errorf("got %v, want event 4", err)
	}
}

// The check that docs/audit.md gives to outsiders, run as it stands there.
func TestOutsidersCheck(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err == nil {
		err = exec.CommandContext(t.Context(), python, "-c", "import cryptography").Run()
	}
	if err != nil {
		t.Skip("needs python3 with the package cryptography")
	}
	text, err := os.ReadFile("../docs/audit.md")
	must(t, err)
	script := regexp.MustCompile("(?s)```python\n(#.*?)```").FindSubmatch(text)
	if script == nil {
		t.Fatal("no script that begins with a comment in docs/audit.md")
	}
	dir := t.TempDir()
	db := open(t, dir)
	appendDenied(t, db, 3)
	head := signHead(t, db)
	appendDenied(t, db, 2)
	public, err := db.PublicKey(t.Context())
	must(t, err)
	events, err := db.Events(t.Context(), 0, 10)
	must(t, err)
	check := func(h SignedHead, events []access.Event) error {
		t.Helper()
		line, err := json.Marshal(h)
		must(t, err)
		var trail []byte
		for _, e := range events {
			trail = append(append(trail, e.Line()...), '\n')
		}
		for name, b := range map[string][]byte{"check.py": script[1], "head.json": line, "trail.jsonl": trail} {
			must(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
		}
		cmd := exec.CommandContext(t.Context(), python, "check.py", hex.EncodeToString(public), "head.json", "trail.jsonl")
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if strings.Contains(string(out), "Traceback") {
			t.Errorf("the script fell over:\n%s", out)
		}
		return err
	}
	if err := check(head, events); err != nil {
		t.Errorf("the genuine head: %v", err)
	}
	if check(head, events[:3]) == nil {
		t.Error("a trail that was cut off passes")
	}
	later := head
	later.At = later.At.Add(time.Millisecond)
	if check(later, events) == nil {
		t.Error("an altered head passes")
	}
	other := events[3]
	other.Source = "camera"
	if check(head, append([]access.Event{events[0], events[1], events[2]}, other, events[4])) == nil {
		t.Error("an altered trail passes")
	}
}

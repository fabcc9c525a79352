package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func ring(tb testing.TB, seeds ...byte) *Ring {
	tb.Helper()
	var keys [][]byte
	for _, s := range seeds {
		keys = append(keys, bytes.Repeat([]byte{s}, KeySize))
	}
	r, err := NewRing(keys...)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

var here = Place{Kind: "template", Person: "p1", Revision: 3, Model: "m1"}

func TestSealOpen(t *testing.T) {
	r := ring(t, 1)
	for _, text := range [][]byte{nil, {0}, bytes.Repeat([]byte("x"), 5000)} {
		blob := r.Seal(here, text)
		got, err := r.Open(here, blob)
		if err != nil || !bytes.Equal(got, text) {
			t.Errorf("%d bytes: got %d, %v", len(text), len(got), err)
		}
		if bytes.Equal(blob, r.Seal(here, text)) {
			t.Error("the same text sealed twice gives the same blob")
		}
		if len(text) > 100 && bytes.Contains(blob, text[:16]) {
			t.Error("the text shows in the blob")
		}
	}
	dst, err := r.OpenTo([]byte("before "), here, r.Seal(here, []byte("after")))
	if err != nil || string(dst) != "before after" {
		t.Errorf("OpenTo: %q, %v", dst, err)
	}
}

func TestOpenElsewhere(t *testing.T) {
	r := ring(t, 1)
	blob := r.Seal(here, []byte("text"))
	for _, p := range []Place{
		{},
		{Kind: "person", Person: "p1", Revision: 3, Model: "m1"},
		{Kind: "template", Person: "p2", Revision: 3, Model: "m1"},
		{Kind: "template", Person: "p1", Revision: 4, Model: "m1"},
		{Kind: "template", Person: "p1", Revision: 3, Model: "m2"},
		{Kind: "template", Person: "p1m1", Revision: 3, Model: ""},
		{Kind: "templatep1", Person: "", Revision: 3, Model: "m1"},
	} {
		if _, err := r.Open(p, blob); err != ErrSealed { //nolint:errorlint // nothing more may be said
			t.Errorf("%+v: got %v, want %v", p, err, ErrSealed)
		}
	}
	if _, err := ring(t, 2).Open(here, blob); err != ErrSealed { //nolint:errorlint // nothing more may be said
		t.Errorf("another key: got %v, want %v", err, ErrSealed)
	}
}

// Every changed bit, and every length, is refused in the same words.
func TestAltered(t *testing.T) {
	r := ring(t, 1)
	blob := r.Seal(here, []byte("text"))
	for i := range len(blob) * 8 {
		bad := bytes.Clone(blob)
		bad[i/8] ^= 1 << (i % 8)
		if _, err := r.Open(here, bad); err != ErrSealed { //nolint:errorlint // nothing more may be said
			t.Errorf("bit %d: got %v, want %v", i, err, ErrSealed)
		}
	}
	for n := range blob {
		if _, err := r.Open(here, blob[:n]); err != ErrSealed { //nolint:errorlint // nothing more may be said
			t.Errorf("%d bytes: got %v, want %v", n, err, ErrSealed)
		}
	}
}

// The format as the package comment gives it, put together by hand.
func TestFormat(t *testing.T) {
	r := ring(t, 7)
	block, err := aes.NewCipher(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	blob := r.Seal(here, []byte("text"))
	aad := append(bytes.Clone(blob[:9]),
		"facegate seal\x00\x00\x00\x00\x08template\x00\x00\x00\x02p1\x00\x00\x00\x02m1\x00\x00\x00\x00\x00\x00\x00\x03"...)
	text, err := gcm.Open(nil, blob[9:21], blob[21:], aad)
	if err != nil || string(text) != "text" || blob[0] != 1 || fmt.Sprintf("%x", blob[1:9]) != r.ID() {
		t.Errorf("blob %x: %q, %v", blob, text, err)
	}
}

func TestRotation(t *testing.T) {
	before, during, after := ring(t, 1), ring(t, 2, 1), ring(t, 2)
	old := before.Seal(here, []byte("text"))
	fresh, changed, err := during.Reseal(here, old)
	if err != nil || !changed || during.Current(old) || !during.Current(fresh) {
		t.Fatalf("reseal: changed %v, %v", changed, err)
	}
	again, changed, err := during.Reseal(here, fresh)
	if err != nil || changed || !bytes.Equal(again, fresh) {
		t.Errorf("a second time: changed %v, %v", changed, err)
	}
	if text, err := after.Open(here, fresh); err != nil || string(text) != "text" {
		t.Errorf("with the new key alone: %q, %v", text, err)
	}
	if _, err := after.Open(here, old); !errors.Is(err, ErrSealed) {
		t.Errorf("the old blob with the new key: %v", err)
	}
	if _, _, err := during.Reseal(Place{}, old); !errors.Is(err, ErrSealed) {
		t.Errorf("reseal elsewhere: %v", err)
	}
}

func TestNewRing(t *testing.T) {
	k := bytes.Repeat([]byte{1}, KeySize)
	for name, keys := range map[string][][]byte{"no key": nil, "a short key": {k[:16]}, "one key twice": {k, k}} {
		if _, err := NewRing(keys...); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestRingPrintsNoKey(t *testing.T) {
	r := ring(t, 0xab)
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("key", "ring", r)
	fmt.Fprintf(&out, "%v %+v %#v %s %x %d", r, r, r, r, r, r)
	if s := strings.ToLower(out.String()); strings.Contains(s, "abab") || strings.Contains(s, "171 171") || !strings.Contains(s, r.ID()) {
		t.Errorf("printed: %s", s)
	}
}

func TestKeyFile(t *testing.T) {
	const a, b = "0101010101010101010101010101010101010101010101010101010101010101", "0202020202020202020202020202020202020202020202020202020202020202"
	load := func(text string, mode os.FileMode) (*Ring, error) {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return Load(path)
	}
	r, err := load("# new, then old\n"+b+"\r\n\n  "+a+"\n", 0o400)
	if err != nil || r.Len() != 2 || r.ID() != ring(t, 2).ID() {
		t.Errorf("two keys: %v, %v", r, err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o601} {
		if _, err := load(a, mode); !errors.Is(err, ErrExposed) {
			t.Errorf("mode %v: got %v, want %v", mode, err, ErrExposed)
		}
	}
	for name, text := range map[string]string{
		"empty": "", "a comment": "# x", "short": a[:62], "long": a + "00", "not hex": "g" + a[1:], "twice": a + "\n" + a, "huge": strings.Repeat("#\n", maxKeyFile),
	} {
		_, err := load(text, 0o600)
		if err == nil || strings.Contains(err.Error(), "0101") {
			t.Errorf("%s: %v, want an error that shows no key", name, err)
		}
	}
	if _, err := Load(t.TempDir()); err == nil {
		t.Error("a folder was taken for a key file")
	}
}

func TestLoadOrCreate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	if _, err := Load(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	ids := make([]string, 8)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			r, err := LoadOrCreate(path)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = r.ID()
		})
	}
	wg.Wait()
	for _, id := range ids[1:] {
		if diff := cmp.Diff(ids[0], id); diff != "" {
			t.Error("two processes made two keys")
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	other, err := LoadOrCreate(filepath.Join(t.TempDir(), "key"))
	if err != nil || other.ID() == ids[0] {
		t.Errorf("two installations share a key: %v, %v", other, err)
	}
}

// What systemd hands to the service may be readable by its group; the same file elsewhere, or
// writable or readable by more, is refused.
func TestLoadCredential(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "store.key")
	if err := os.WriteFile(path, []byte(strings.Repeat("ab", KeySize)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		mode os.FileMode
		dir  string
		ok   bool
	}{
		{0o440, dir, true},
		{0o400, dir, true},
		{0o440, "", false},
		{0o440, filepath.Dir(dir), false},
		{0o460, dir, false},
		{0o444, dir, false},
	} {
		t.Setenv("CREDENTIALS_DIRECTORY", tt.dir)
		if err := os.Chmod(path, tt.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrExposed) {
			t.Errorf("mode %v, credentials in %q: got %v, want accepted %v", tt.mode, tt.dir, err, tt.ok)
		}
	}
}

func FuzzOpen(f *testing.F) {
	r := ring(f, 1, 2)
	blob := r.Seal(here, []byte("text"))
	f.Add(blob)
	f.Add(blob[:20])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		text, err := r.Open(here, b)
		if err == nil && string(text) != "text" || err != nil && !errors.Is(err, ErrSealed) {
			t.Errorf("%x opens as %q, %v", b, text, err)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	r := ring(b, 1)
	blob := r.Seal(here, make([]byte, 384*4))
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = r.OpenTo(dst[:0], here, blob); err != nil {
			b.Fatal(err)
		}
	}
}

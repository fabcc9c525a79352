package pin

import (
	"errors"
	"strings"
	"testing"
)

func TestHashCheck(t *testing.T) {
	h, err := Hash("4711")
	if err != nil {
		t.Fatal(err)
	}
	again, err := Hash("4711")
	if err != nil || again == h {
		t.Errorf("the same PIN hashed twice gives %s, %v", again, err)
	}
	if !strings.HasPrefix(h, "$argon2id$v=19$m=19456,t=2,p=1$") || strings.Contains(h, "4711") {
		t.Errorf("hash %s", h)
	}
	for typed, want := range map[string]bool{"4711": true, "4712": false, "": false, "47110": false, "4711" + strings.Repeat("0", 5000): false} {
		if got := Check(h, typed); got != want {
			t.Errorf("Check %.20q = %v, want %v", typed, got, want)
		}
	}
	long, err := Hash("471147114711")
	if err != nil || !Check(long, "471147114711") || Check(long, "4711471147112") {
		t.Errorf("a PIN of %d digits with one more passes, or does not pass: %v", Longest, err)
	}
	if Check("", "4711") || Check("", "") || Check("4711", "4711") {
		t.Error("somebody without a PIN typed it right")
	}
}

func TestUsable(t *testing.T) {
	for typed, why := range map[string]string{
		"4711": "", "0815": "", "2468": "", "1212": "", "12346": "", "000001": "", "123456789013": "",
		"": "4 to 12", "123": "4 to 12", "1234567890123": "4 to 12", "47a1": "digits only", "４７１１": "digits only",
		"47 1": "digits only", "-471": "digits only", "0000": "the same", "999999": "the same", "1234": "run", "4321": "run",
		"0123": "run", "7890": "run", "0987": "run", "123456789012": "run",
	} {
		err := Usable(typed)
		if why == "" && err != nil || why != "" && (!errors.Is(err, ErrWeak) || !strings.Contains(err.Error(), why)) {
			t.Errorf("%q: %v, want %q", typed, err, why)
		}
		if err == nil {
			continue
		}
		if len(typed) > 1 && strings.Contains(err.Error(), typed) {
			t.Errorf("the PIN is in the error: %v", err)
		}
		if _, err := Hash(typed); !errors.Is(err, ErrWeak) {
			t.Errorf("Hash %q: %v", typed, err)
		}
	}
}

// What another program wrote is understood: the vector of the reference implementation
// (P-H-C/phc-winner-argon2, src/test.c).
func TestForeignHash(t *testing.T) {
	const h = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	if !Check(h, "password") || Check(h, "passworc") {
		t.Error("the reference's vector does not check")
	}
}

// Everything but the one spelling, within bounds, is nobody's hash.
func TestParse(t *testing.T) {
	good := "$argon2id$v=19$m=19456,t=2,p=1$" + strings.Repeat("A", 22) + "$" + strings.Repeat("A", 43)
	if p, salt, key, ok := parse(good); !ok || p != current() || len(salt) != saltSize || len(key) != hashSize {
		t.Fatalf("%s does not parse", good)
	}
	for old, bad := range map[string]string{
		"argon2id": "argon2i", "v=19": "v=16", "m=19456": "m=4294967295", "t=2": "t=4294967295", "p=1": "p=255", "$m=": "$x=",
		"19456": "65537", "=2,": "=9,", "p=1$": "p=5$", "=19456": "=+19456", "=2": "=02", "=1$": "=0$", "m=19456,": "m=7,", "t=": "t=-",
		",p=1": "", "p=1$A": "p=1,x=1$A", "AAAA$": "AA\nAA$", "A$A": "B$A", "$v=19": "", "$argon": "argon",
		strings.Repeat("A", 22): "AAAA", strings.Repeat("A", 43): "AAAA",
		"$" + strings.Repeat("A", 43): "$" + strings.Repeat("A", 88), strings.Repeat("A", 21): strings.Repeat("A", 300),
	} {
		h := strings.Replace(good, old, bad, 1)
		if h == good {
			t.Errorf("%q is not in it", old)
		}
		if _, _, _, ok := parse(h); ok {
			t.Errorf("%s parses", h)
		}
	}
}

// FuzzParse looks for hashes that ask for more than they may, and for a second spelling.
func FuzzParse(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$c29tZSBzYWx0c29tZSBzYQ$c29tZSBzYWx0c29tZSBzYWx0c29tZSBzYWx0c29tZSE")
	f.Add("$argon2id$v=19$m=4294967295,t=4294967295,p=255$c29tZXNhbHQ$c29tZSBzYWx0c29tZSBz")
	f.Add("$$$$$")
	f.Add("")
	f.Fuzz(func(t *testing.T, h string) {
		p, salt, key, ok := parse(h)
		if !ok {
			return
		}
		limit := most()
		if p.memory > limit.memory || p.passes > limit.passes || p.lanes > limit.lanes || p.memory < 8*uint32(p.lanes) || p.passes == 0 || p.lanes == 0 || len(salt) > 64 || len(key) > 64 {
			t.Errorf("%q asks for %+v, %d bytes of salt and %d of key", h, p, len(salt), len(key))
		}
		if again := p.text(salt, key); again != h {
			t.Errorf("%q is another spelling of %q", h, again)
		}
	})
}

// How long a check takes, for somebody with a PIN and without: the same.
func BenchmarkCheck(b *testing.B) {
	h, err := Hash("4711")
	if err != nil {
		b.Fatal(err)
	}
	for name, hash := range map[string]string{"PIN": h, "none": ""} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Check(hash, "4712")
			}
		})
	}
}

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

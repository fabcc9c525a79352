package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"weak"
)

func TestObject(t *testing.T) {
	long := strings.Repeat("A", longText)
	for name, body := range map[string]string{
		"a text without end": `{"a":"` + long, "a control character": `{"a":"` + long + "\n" + `"}`, "not UTF-8": `{"a":"` + long + "\xff" + `"}`,
		"a half escape": `{"a":"` + long + `\u12"}`, "no escape": `{"a":"` + long + `\x"}`, "a long name": `{"` + long + `" : 1}`,
		"too much beside": `{"a":[` + strings.Repeat(`"x",`, maxSmall/4) + `1]}`,
	} {
		if _, err := NewObject([]byte(body)); code(err) != Malformed {
			t.Errorf("%s: got %v, want malformed", name, err)
		}
	}
	var v struct {
		A Long   `json:"a"`
		B string `json:"b"`
		C Long   `json:"c"`
	}
	o, err := NewObject([]byte(`{"a":"` + long + `","b":"short","c":"` + long + `\u0042"}`))
	if err == nil {
		err = o.Decode(&v)
	}
	if err != nil {
		t.Fatal(err)
	}
	if string(o.Text(v.A)) != long || v.B != "short" || o.Empty() {
		t.Errorf("got %d bytes, %q", len(o.Text(v.A)), v.B)
	}
	if _, short := o.Short(v.A); short {
		t.Error("a long text is called short")
	}
	var names struct {
		A string `json:"a"`
	}
	if err := o.Decode(&names); code(err) != Malformed {
		t.Errorf("a long text for a short one: %v", err)
	}
	if _, err := o.Base64(v.C, longText); code(err) != TooLarge {
		t.Errorf("got %v, want too large", err)
	}
	if empty, err := NewObject(nil); err != nil || !empty.Empty() {
		t.Errorf("nothing: %v", err)
	}
}

// broken is a text in lines of 76 characters, as MIME has them.
func broken(text, end string) (out string) {
	for ; len(text) > 76; text = text[76:] {
		out += text[:76] + end
	}
	return out + text + end
}

// What is decoded in its own memory is what encoding/base64 gives, however JSON wrote it.
func TestObjectBase64(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 100, 2000, 5000} {
		data := bytes.Repeat([]byte{0xfb, byte(n), 0xff, 0x3f, 0xef}, n)[:n]
		plain := base64.StdEncoding.EncodeToString(data)
		for _, text := range []string{
			plain, strings.TrimRight(plain, "="), "data:x/y;base64," + plain, strings.ReplaceAll(plain, "/", `\/`),
			strings.NewReplacer("+", `\u002B`, "/", `\u002f`).Replace(plain), broken(plain, `\n`), broken(plain, `\r\n`),
		} {
			var v struct {
				A Long `json:"a"`
			}
			o, err := NewObject([]byte(`{"a":"` + text + `"}`))
			if err == nil {
				err = o.Decode(&v)
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, err := o.Base64(v.A, math.MaxInt); err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%d bytes from %.40q: %v", n, text, err)
			}
		}
		for _, text := range []string{plain + "===", plain + `\t`, plain + " ", plain + `\u0141`, plain + `\u00`, "data:a b;base64," + plain} {
			if n < 5000 {
				break // short texts are Base64's
			}
			if _, err := decodeInPlace([]byte(text), true, math.MaxInt); !errors.Is(err, ErrBase64) {
				t.Errorf("%d bytes and more: %v", n, err)
			}
		}
	}
}

// A large body is in memory once.
func TestObjectMemory(t *testing.T) {
	const size = 30 << 20
	data := []byte(`{"a":"` + strings.Repeat("A", size) + `"}`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var v struct {
		A Long `json:"a"`
	}
	o, err := NewObject(data)
	if err == nil {
		err = o.Decode(&v)
	}
	if err != nil {
		t.Fatal(err)
	}
	picture, err := o.Base64(v.A, size)
	runtime.ReadMemStats(&after)
	if err != nil || len(picture) != size/4*3 {
		t.Fatalf("%d bytes, %v", len(picture), err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("%d bytes were taken beside the body", took)
	}
}

// Nothing holds a body that was dealt with.
func TestObjectEnds(t *testing.T) {
	held := func() weak.Pointer[Object] {
		o, err := NewObject([]byte(`{"a":"` + strings.Repeat("A", longText) + `"}`))
		if err == nil {
			err = o.Decode(&struct {
				A Long   `json:"a"`
				B string `json:"b"`
			}{})
		}
		if err != nil {
			t.Fatal(err)
		}
		return weak.Make(o)
	}()
	runtime.GC()
	if held.Value() != nil {
		t.Error("the object is held")
	}
}

// Whatever comes, it is refused by both or by none, and gives the texts that encoding/json gives.
func FuzzObject(f *testing.F) {
	f.Add([]byte(`{"a":"a","b":"b"}`))
	f.Add([]byte(`{"a":"` + strings.Repeat("A", longText) + `"}`))
	f.Add([]byte(`{"a":"\"` + strings.Repeat(`\/`, longText) + `"`))
	f.Add([]byte(`{"a":"` + strings.Repeat(`\u002B`, longText) + `","a":""}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var in struct {
			A Long `json:"a"`
		}
		var want struct {
			A string `json:"a"`
		}
		plain := slices.Clone(data)
		o, err := NewObject(data)
		if err == nil {
			err = o.Decode(&in)
		}
		if err != nil {
			if code(err) != Malformed {
				t.Errorf("%q: %v", plain, err)
			}
			return
		}
		if err := Decode(plain, &want); err != nil {
			t.Fatalf("%q is read, but %v", plain, err)
		}
		text, short := o.Short(in.A)
		if !short {
			err = json.Unmarshal([]byte(`"`+string(o.Text(in.A))+`"`), &text)
		}
		if err != nil || text != want.A {
			t.Errorf("%q: %q, %v, want %q", plain, text, err, want.A)
		}
		_, _ = o.Base64(in.A, math.MaxInt) // only that it ends
	})
}

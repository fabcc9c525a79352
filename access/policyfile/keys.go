package policyfile

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"facegate/access"
)

// Bounds of a file. They keep the decoder's work small, which grows with the square of the
// number of keys and with the number of unknown ones times the length of the file.
const (
	maxKeys   = 50000  // tables and keys that are in no list of tables
	maxAll    = 250000 // tables and keys altogether
	maxFaults = 10     // that are named before reading ends
)

// checkKeys reports keys that rules do not have, spelled exactly, durations that are no text,
// and files with too many keys.
// Everything else that may be wrong is left to the decoder.
func checkKeys(text []byte) error {
	k := keys{current: reflect.TypeFor[access.Rules]()}
	k.p.Reset(text)
	for k.p.NextExpression() && len(k.faults) < maxFaults {
		k.expression(k.p.Expression())
		if k.outside > maxKeys || k.all > maxAll {
			return &Error{Msg: fmt.Sprintf("more than %d keys, or %d with those in lists of tables", maxKeys, maxAll)}
		}
	}
	return errors.Join(k.faults...)
}

// keys walks over a file beside the type the file is decoded into.
type keys struct {
	p       unstable.Parser
	current reflect.Type // of the table that keys are in; nil: one that is not known
	path    string       // of that table
	inList  bool         // it is in a list of tables

	outside, all int
	faults       []error
}

func (k *keys) expression(n *unstable.Node) {
	switch n.Kind {
	case unstable.Table, unstable.ArrayTable:
		k.inList = n.Kind == unstable.ArrayTable
		k.count()
		k.current, k.path = k.resolve(reflect.TypeFor[access.Rules](), "", n)
	case unstable.KeyValue:
		k.keyValue(k.current, k.path, n)
	}
}

func (k *keys) count() {
	k.all++
	if !k.inList {
		k.outside++
	}
}

func (k *keys) keyValue(in reflect.Type, path string, n *unstable.Node) {
	k.count()
	if in == nil || len(k.faults) >= maxFaults {
		return
	}
	t, path := k.resolve(in, path, n)
	// The decoder would read a number as text and say no place where that fails.
	if t == reflect.TypeFor[access.Duration]() && n.Value().Kind != unstable.String {
		for it := n.Key(); it.Next(); {
			if it.IsLast() {
				k.fault(it.Node(), path, `a duration is a text like "90s" or "10m"`)
			}
		}
		return
	}
	k.value(t, path, n.Value())
}

// fault notes what is wrong at a key.
func (k *keys) fault(key *unstable.Node, path, msg string) {
	at := k.p.Shape(key.Raw).Start
	k.faults = append(k.faults, &Error{Line: at.Line, Column: at.Column, Key: path, Msg: msg})
}

// value looks at the keys of tables that are written as a value.
func (k *keys) value(t reflect.Type, path string, n *unstable.Node) {
	if t == nil {
		return
	}
	switch n.Kind {
	case unstable.InlineTable:
		if t.Kind() != reflect.Struct && t.Kind() != reflect.Map {
			return
		}
		for it := n.Children(); it.Next(); {
			k.keyValue(t, path, it.Node())
		}
	case unstable.Array:
		if t.Kind() != reflect.Slice {
			return
		}
		for it := n.Children(); it.Next(); {
			k.value(t.Elem(), path, it.Node())
		}
	}
}

// resolve follows the key of n from a type to the type of what it names, nil where that is not
// known.
func (k *keys) resolve(t reflect.Type, path string, n *unstable.Node) (reflect.Type, string) {
	for it := n.Key(); it.Next(); {
		key := it.Node()
		path = dotted(path, string(key.Data))
		if t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		switch t.Kind() {
		case reflect.Map:
			t = t.Elem()
		case reflect.Struct:
			next := field(t, string(key.Data))
			if next == nil {
				k.fault(key, path, "unknown key")
				return nil, path
			}
			t = next
		default:
			return nil, path // the decoder says that this is no table
		}
	}
	if t.Kind() == reflect.Slice && n.Kind != unstable.KeyValue {
		t = t.Elem()
	}
	return t, path
}

// field is the type of a struct's field by its name in the file, or nil.
func field(t reflect.Type, name string) reflect.Type {
	for f := range t.Fields() {
		if f.Anonymous && f.Type.Kind() == reflect.Struct {
			if x := field(f.Type, name); x != nil {
				return x
			}
		}
		if tag, _, _ := strings.Cut(f.Tag.Get("toml"), ","); tag == name && tag != "" {
			return f.Type
		}
	}
	return nil
}

// dotted is a path with one more part, quoted where it has to be.
func dotted(path, part string) string {
	if path != "" {
		path += "."
	}
	return path + key(part)
}

package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// member NAME VARIABLE puts a member of the JSON object that was printed last into a variable.
func member(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: member NAME VARIABLE")
	}
	var object map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &object))
	text, ok := object[args[0]].(string)
	if !ok || text == "" {
		ts.Fatalf("there is no text %s", args[0])
	}
	ts.Setenv(args[1], text)
}

// nowhere TEXT DIR wants no file below a directory to hold a text, plain or encoded. Negated it
// wants one.
func nowhere(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: nowhere TEXT DIR")
	}
	var found []string
	ts.Check(filepath.WalkDir(ts.MkAbs(args[1]), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		for _, s := range spellings(args[0]) {
			if bytes.Contains(content, s) {
				found = append(found, path)
			}
		}
		return err
	}))
	if (len(found) > 0) != neg {
		ts.Fatalf("files that hold it: %v", found)
	}
}

// spellings are the ways in which a secret could stand in a file.
func spellings(secret string) [][]byte {
	text := []byte(secret)
	list := [][]byte{text, []byte(hex.EncodeToString(text)), []byte(base64.RawStdEncoding.EncodeToString(text)[:len(text)])}
	wide := make([]byte, 0, 2*len(text))
	for _, c := range text {
		wide = append(wide, c, 0)
	}
	if raw, err := base64.RawURLEncoding.DecodeString(secret); err == nil && len(raw) == 32 {
		list = append(list, raw, []byte(hex.EncodeToString(raw)))
	}
	return append(list, wide)
}

// Package models knows every file facegate needs but does not contain: the networks, the
// inference library and the pictures of the demonstration.
//
// [Manifest] describes them: role, SHA-256, tensors, how a picture becomes an input,
// thresholds, what a cosine means, licences and where each file comes from. [Setup] fetches
// them, and [Open] gives a verified view of what Setup installed.
//
// Nothing is used unverified: a file whose size or hash differs from the manifest is an
// error, never a warning. The package only keeps files: models/load turns them into running
// models. Its functions and a Set may be used from several goroutines.
package models

import (
	"bytes"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/pelletier/go-toml/v2"
)

//go:embed manifest.toml
var manifestTOML []byte //nolint:gochecknoglobals // go:embed needs a variable

// A Kind says what a file is and so where it lies under FACEGATE_HOME.
type Kind string

// The kinds of files.
const (
	KindModel   Kind = "model"   // models/FILE
	KindRuntime Kind = "runtime" // runtime/ARCH/FILE
	KindDemo    Kind = "demo"    // demo/FILE, left out when it cannot be had
)

// A Tensor is one input or output of a model.
type Tensor struct {
	Type  string `toml:"type"` // float32, uint8, int32 or int64
	Shape []int  `toml:"shape"`
}

// An Entry is one file. The fields from Inputs to Thresholds belong to models only.
type Entry struct {
	Kind    Kind   `toml:"-"`
	Role    string `toml:"role"` // what the pipeline asks for: "detect_short", "mesh"
	Arch    string `toml:"arch"` // runtimes only: GOARCH
	File    string `toml:"file"` // base name
	Purpose string `toml:"purpose"`
	SHA256  string `toml:"sha256"` // lower-case hexadecimal
	Bytes   int64  `toml:"bytes"`

	Inputs  []Tensor `toml:"inputs"`
	Outputs []Tensor `toml:"outputs"`
	Output  string   `toml:"output"` // what the numbers mean
	Colour  string   `toml:"colour"` // order of the input's channels: RGB or BGR
	// An input is (x - Mean) / Deviation for pixel values x of 0..255, a channel each in the order of Colour.
	Mean       [3]float32         `toml:"mean"`
	Deviation  [3]float32         `toml:"deviation"`
	Crop       string             `toml:"crop"` // which part of the frame the thresholds hold for
	Thresholds map[string]float64 `toml:"thresholds"`

	LicenceCode    string `toml:"licence_code"`
	LicenceWeights string `toml:"licence_weights"` // of the weights, and the terms of the training data
	// A bought model may be used up to and with a day, and by some tenants; empty: for good, by all.
	LicensedUntil string   `toml:"licensed_until"` // 2030-12-31
	LicensedTo    []string `toml:"licensed_to"`

	URL     string `toml:"url"`     // where the file is published as it is; empty for converted files
	Made    string `toml:"made"`    // how a converted file is made
	Package string `toml:"package"` // the Python package that carries it,
	Member  string `toml:"member"`  // and its path inside the wheel
}

// Path is the file's place under FACEGATE_HOME, with slashes.
func (e Entry) Path() string {
	switch e.Kind {
	case KindRuntime:
		return path.Join("runtime", e.Arch, e.File)
	case KindDemo:
		return path.Join("demo", e.File)
	default:
		return path.Join("models", e.File)
	}
}

// Sources says in words where the file can come from, in the order Setup tries.
func (e Entry) Sources() []string {
	s := []string{"FACEGATE_MIRROR"}
	if e.Kind == KindModel {
		s = append(s, "../shared/models beside a checkout")
	}
	if e.Package != "" {
		s = append(s, "the Python package "+e.Package)
	}
	if e.URL != "" {
		s = append(s, e.URL)
	}
	if e.Made != "" {
		s = append(s, e.Made)
	}
	return s
}

// A Wheel is a pinned file of the Python package index.
type Wheel struct {
	Package  string `toml:"package"`
	Version  string `toml:"version"`
	Arch     string `toml:"arch"`     // GOARCH the wheel is for; empty for any
	Platform string `toml:"platform"` // pip's --platform
	File     string `toml:"file"`
	SHA256   string `toml:"sha256"`
	Bytes    int64  `toml:"bytes"`
}

// A Point of a calibration: of comparisons of two different people, the share FMR has at
// least this cosine.
type Point struct {
	FMR    float64 `toml:"fmr"`
	Cosine float64 `toml:"cosine"`
}

// An Embedder is a way to turn an aligned face into one vector. Vectors of different
// embedders are never compared.
type Embedder struct {
	ID     string   `toml:"id"`
	Roles  []string `toml:"roles"`  // models whose unit vectors stand side by side
	Mirror bool     `toml:"mirror"` // the embedding of the mirrored crop is added
	Size   int      `toml:"size"`   // numbers in the vector
	// Calibration has falling FMR and rising cosine. The last point, 1e-6, is an estimate:
	// it rests on one or two of 1.7 million pairs.
	Calibration []Point `toml:"calibration"`
	// Masked is the same for two people behind masks; empty where it was not measured.
	Masked []Point `toml:"calibration_masked"`
}

// A List is the whole manifest. Treat it as read-only.
type List struct {
	Entries   []Entry
	Wheels    []Wheel
	Embedders []Embedder // the first is the default
}

// Manifest is the manifest built into the program. A site may change it, see [ManifestAt].
func Manifest() *List { return builtin() }

//nolint:gochecknoglobals // a constant, parsed once
var builtin = sync.OnceValue(func() *List {
	l, err := parse(manifestTOML)
	if err != nil {
		panic("models: embedded manifest: " + err.Error()) // a test parses it
	}
	return l
})

// Entry returns the model of a role.
func (l *List) Entry(role string) (Entry, bool) {
	i := slices.IndexFunc(l.Entries, func(e Entry) bool { return e.Kind == KindModel && e.Role == role })
	if i < 0 {
		return Entry{}, false
	}
	return l.Entries[i], true
}

// Embedder returns the embedder with the given id; "" means the default.
func (l *List) Embedder(id string) (Embedder, bool) {
	i := slices.IndexFunc(l.Embedders, func(e Embedder) bool { return id == "" || e.ID == id })
	if i < 0 {
		return Embedder{}, false
	}
	return l.Embedders[i], true
}

// wheel is the wheel that carries e.
func (l *List) wheel(e Entry) (Wheel, bool) {
	i := slices.IndexFunc(l.Wheels, func(w Wheel) bool {
		return w.Package == e.Package && (w.Arch == "" || w.Arch == e.Arch)
	})
	if i < 0 {
		return Wheel{}, false
	}
	return l.Wheels[i], true
}

// parse reads a manifest and checks what the rest of the package relies on.
func parse(b []byte) (*List, error) {
	l, leaveOut, err := decode(b)
	if err != nil {
		return nil, err
	}
	if len(leaveOut) > 0 {
		return nil, errors.New("parse manifest: leave_out belongs into a local manifest")
	}
	return l, l.check()
}

func decode(b []byte) (l *List, leaveOut []string, err error) {
	var file struct {
		LeaveOut []string   `toml:"leave_out"`
		Model    []Entry    `toml:"model"`
		Runtime  []Entry    `toml:"runtime"`
		Demo     []Entry    `toml:"demo"`
		Wheel    []Wheel    `toml:"wheel"`
		Embedder []Embedder `toml:"embedder"`
	}
	if err := toml.NewDecoder(bytes.NewReader(b)).DisallowUnknownFields().Decode(&file); err != nil {
		return nil, nil, fmt.Errorf("parse manifest: %w", tomlError(err))
	}
	l = &List{Wheels: file.Wheel, Embedders: file.Embedder}
	for _, g := range []struct {
		kind    Kind
		entries []Entry
	}{{KindModel, file.Model}, {KindRuntime, file.Runtime}, {KindDemo, file.Demo}} {
		for _, e := range g.entries {
			e.Kind = g.kind
			l.Entries = append(l.Entries, e)
		}
	}
	return l, file.LeaveOut, nil
}

// tomlError says which key is unknown, and where; the library's message does not.
func tomlError(err error) error {
	if strict, ok := errors.AsType[*toml.StrictMissingError](err); ok && len(strict.Errors) > 0 {
		row, column := strict.Errors[0].Position()
		return fmt.Errorf("line %d, column %d: unknown key %s", row, column, strings.Join(strict.Errors[0].Key(), "."))
	}
	if d, ok := errors.AsType[*toml.DecodeError](err); ok {
		row, column := d.Position()
		return fmt.Errorf("line %d, column %d: %w", row, column, err)
	}
	return err
}

func (l *List) check() error {
	seen := map[string]bool{}
	for _, e := range l.Entries {
		if seen[e.Path()] || e.Kind == KindModel && seen["role "+e.Role] {
			return fmt.Errorf("check manifest: %s appears twice", e.File)
		}
		seen[e.Path()], seen["role "+e.Role] = true, true
		if err := checkFile(e.File, e.SHA256, e.Bytes); err != nil {
			return err
		}
		if e.Kind == KindModel && (e.Role == "" || len(e.Inputs) == 0 || len(e.Outputs) == 0) {
			return fmt.Errorf("check manifest: %s has no role or no tensors", e.File)
		}
		if err := e.checkLicence(); err != nil {
			return err
		}
		if _, ok := l.wheel(e); e.Package != "" && !ok {
			return fmt.Errorf("check manifest: no wheel of %s for %s", e.Package, e.File)
		}
	}
	for _, w := range l.Wheels {
		if err := checkFile(w.File, w.SHA256, w.Bytes); err != nil {
			return err
		}
	}
	for _, e := range l.Embedders {
		for _, r := range e.Roles {
			if _, ok := l.Entry(r); !ok {
				return fmt.Errorf("check manifest: embedder %s needs the unknown role %s", e.ID, r)
			}
		}
		for _, points := range [][]Point{e.Calibration, e.Masked} {
			for i := 1; i < len(points); i++ {
				if a, b := points[i-1], points[i]; a.FMR <= b.FMR || a.Cosine >= b.Cosine {
					return fmt.Errorf("check manifest: calibration of %s is not monotone at FMR %g", e.ID, b.FMR)
				}
			}
		}
	}
	return nil
}

// maxFile bounds what is read or fetched for one file.
const maxFile = 256 << 20

func checkFile(name, sha string, size int64) error {
	if name == "" || name != path.Base(name) || strings.ContainsAny(name, `/\`) || name[0] == '.' {
		return fmt.Errorf("check manifest: %q is no file name", name)
	}
	if b, err := hex.DecodeString(sha); err != nil || len(b) != 32 || sha != strings.ToLower(sha) {
		return fmt.Errorf("check manifest: %s has no SHA-256", name)
	}
	if size <= 0 || size > maxFile {
		return fmt.Errorf("check manifest: %s has the size %d", name, size)
	}
	return nil
}

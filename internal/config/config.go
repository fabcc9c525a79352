// Package config reads facegate.toml, the one configuration file of all programs.
//
// The file is strict: an unknown key, a wrong type or a value out of range is an error
// that names the key and, where the file shows it, line and column. Every key has a
// default; example.toml holds them all and is tested to equal them. What is read is
// turned into a [Config] of typed values with absolute paths, which nothing changes
// afterwards. Secrets are never in the file, only paths to them.
package config

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// FileName is the configuration file's name in the home directory.
const FileName = "facegate.toml"

// maxBytes is far above any real configuration.
const maxBytes = 1 << 20

//go:embed example.toml
var example []byte //nolint:gochecknoglobals // embedded file, never written

// Example returns the documented file of all defaults.
func Example() []byte { return append([]byte(nil), example...) }

// A Config is a valid configuration. All paths are absolute; an empty path means none.
type Config struct {
	Home     string // where everything relative lies
	Site     Site
	HTTP     HTTP
	Camera   Camera
	Door     Door
	Liveness Liveness
	Store    Store
	Models   Models
	MQTT     MQTT
	Fleet    Fleet
	Privacy  Privacy
}

// Site says where the kiosk is. Kiosk is empty until the home directory gives it an id.
type Site struct{ Name, Tenant, Kiosk string }

// HTTP is the server's address. Cert and Key are both set or both empty; they are set
// wherever Listen is not loopback.
type HTTP struct{ Listen, Cert, Key string }

// The camera drivers.
const (
	CameraV4L2   = "v4l2"
	CameraReplay = "replay"
)

// Camera chooses the source of frames.
type Camera struct {
	Driver string // CameraV4L2 or CameraReplay
	Device string // v4l2
	Path   string // replay; not empty with that driver
	FPS    float64
	Loop   bool
	Hold   time.Duration
	Jitter bool
}

// The door drivers.
const (
	DoorGPIO = "gpio"
	DoorSim  = "sim"
)

// When a door locks again.
const (
	RelockTime      = "time"
	RelockClosed    = "closed"
	RelockWhileOpen = "while_open"
)

// Door describes the lines of the one door and its times. A line number of -1 is no line.
type Door struct {
	Name       string // in rules and events
	Socket     string
	Driver     string // DoorGPIO or DoorSim
	Chip       string
	Relay      int
	ActiveLow  bool
	FailSafe   bool // the lock opens without current; false: it stays locked
	Unlock     time.Duration
	HeldOpen   time.Duration
	MaxOn      time.Duration // never below Unlock
	Relock     string        // one of the Relock constants
	RexUnlocks bool          // false: the exit button only tells of an opening by hand
	Rex        int
	Contact    int
	Fire       int
	Tamper     int
	SimLog     string
}

// The liveness levels, weakest first.
const (
	LevelPassive   = "passive"
	LevelDepth     = "depth"
	LevelChallenge = "challenge"
)

// Liveness is the level a person must reach at this door.
type Liveness struct{ Level string }

// Store is where the database and the key that seals its templates lie.
type Store struct{ Path, KeyFile string }

// Models is where the model files are and which of them make templates.
type Models struct {
	Dir      string
	Embedder string // id in the manifest; empty is its default
}

// MQTT is the fleet's broker; an empty URL is off.
type MQTT struct{ URL, CA, Cert, Key string }

// Fleet is where the central site tells of people whom this kiosk does not hold, which is asked
// with the certificates of MQTT; empty is nowhere.
type Fleet struct{ People string }

// Privacy holds what the site decided about people's data.
type Privacy struct{ ConsentRequired bool }

// An Error is one thing wrong with the file.
type Error struct {
	Line, Column int    // 1-based; 0 where the fault is in no single place
	Key          string // dotted, empty for a fault of syntax
	Msg          string
}

func (e *Error) Error() string {
	s := e.Msg
	if e.Key != "" {
		s = e.Key + ": " + s
	}
	if e.Line > 0 {
		s = fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, s)
	}
	return s
}

// Default returns the configuration of an empty file.
func Default(home string) *Config {
	f := defaults()
	c, err := f.config(home)
	if err != nil {
		panic("config: the defaults are not valid: " + err.Error())
	}
	return c
}

// Load reads a configuration. The error joins one [Error] for every fault found.
func Load(r io.Reader, home string) (*Config, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if len(text) > maxBytes {
		return nil, &Error{Msg: fmt.Sprintf("longer than %d bytes", maxBytes)}
	}
	f := defaults()
	if err := decode(text, &f); err != nil {
		return nil, err
	}
	return f.config(home)
}

// Open loads the file at path, or, where path is empty, facegate.toml in the home
// directory, which need not exist: the defaults hold then.
func Open(path, home string) (*Config, error) {
	named := path != ""
	if !named {
		path = filepath.Join(home, FileName)
	}
	file, err := os.Open(path)
	if !named && errors.Is(err, fs.ErrNotExist) {
		return Default(home), nil
	} else if err != nil {
		return nil, fmt.Errorf("open configuration: %w", err)
	}
	defer file.Close()
	c, err := Load(file, home)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// decode reads text strictly over what f holds.
func decode(text []byte, f *file) error {
	dec := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields()
	err := dec.Decode(f)
	if err == nil {
		return nil
	}
	if strict, ok := errors.AsType[*toml.StrictMissingError](err); ok {
		var all []error
		for i := range strict.Errors {
			all = append(all, positioned(&strict.Errors[i], "unknown key"))
		}
		return errors.Join(all...)
	}
	if de, ok := errors.AsType[*toml.DecodeError](err); ok {
		return positioned(de, "")
	}
	return &Error{Msg: err.Error()}
}

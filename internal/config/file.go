package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// file is the configuration as written.
type file struct {
	Site     fileSite     `toml:"site"`
	HTTP     fileHTTP     `toml:"http"`
	Camera   fileCamera   `toml:"camera"`
	Door     fileDoor     `toml:"door"`
	Liveness fileLiveness `toml:"liveness"`
	Store    fileStore    `toml:"store"`
	Models   fileModels   `toml:"models"`
	MQTT     fileMQTT     `toml:"mqtt"`
	Fleet    fileFleet    `toml:"fleet"`
	Privacy  filePrivacy  `toml:"privacy"`
}

type (
	fileSite struct {
		Name   string `toml:"name"`
		Tenant string `toml:"tenant"`
		Kiosk  string `toml:"kiosk"`
	}
	fileHTTP struct {
		Listen string `toml:"listen"`
		Cert   string `toml:"cert"`
		Key    string `toml:"key"`
	}
	fileCamera struct {
		Driver string   `toml:"driver"`
		Device string   `toml:"device"`
		Path   string   `toml:"path"`
		FPS    float64  `toml:"fps"`
		Loop   bool     `toml:"loop"`
		Hold   duration `toml:"hold"`
		Jitter bool     `toml:"jitter"`
	}
	fileDoor struct {
		Name       string   `toml:"name"`
		Socket     string   `toml:"socket"`
		Driver     string   `toml:"driver"`
		Chip       string   `toml:"chip"`
		Relay      int      `toml:"relay"`
		ActiveLow  bool     `toml:"active_low"`
		Fail       string   `toml:"fail"`
		Unlock     duration `toml:"unlock"`
		HeldOpen   duration `toml:"held_open"`
		MaxOn      duration `toml:"max_on"`
		Relock     string   `toml:"relock"`
		RexUnlocks bool     `toml:"rex_unlocks"`
		Rex        int      `toml:"rex"`
		Contact    int      `toml:"contact"`
		Fire       int      `toml:"fire"`
		Tamper     int      `toml:"tamper"`
		SimLog     string   `toml:"sim_log"`
	}
	fileLiveness struct {
		Level string `toml:"level"`
	}
	fileStore struct {
		Path    string `toml:"path"`
		KeyFile string `toml:"key_file"`
	}
	fileModels struct {
		Dir      string `toml:"dir"`
		Embedder string `toml:"embedder"`
	}
	fileMQTT struct {
		URL  string `toml:"url"`
		CA   string `toml:"ca"`
		Cert string `toml:"cert"`
		Key  string `toml:"key"`
	}
	fileFleet struct {
		People string `toml:"people"`
	}
	filePrivacy struct {
		Consent string `toml:"consent"`
	}
)

// duration is written as "3s" or as a number of seconds. It is a struct because the
// decoder would take a number for an integer kind as nanoseconds.
type duration struct{ time.Duration }

// UnmarshalText is called by the decoder for texts and numbers alike.
func (d *duration) UnmarshalText(text []byte) error {
	if sec, err := strconv.ParseFloat(string(text), 64); err == nil && math.Abs(sec) < 1e9 {
		d.Duration = time.Duration(sec * float64(time.Second))
		return nil
	}
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf(`%q is no duration; write one like "3s" or "250ms"`, text)
	}
	d.Duration = v
	return nil
}

// defaults is the file that says nothing.
func defaults() file {
	return file{
		Site:   fileSite{Name: "lab", Tenant: "demo"},
		HTTP:   fileHTTP{Listen: "127.0.0.1:8480"},
		Camera: fileCamera{Driver: CameraV4L2, Device: "/dev/video0", FPS: 15, Hold: duration{2 * time.Second}, Jitter: true},
		Door: fileDoor{
			Name:   "main",
			Socket: "doord.sock", Driver: DoorGPIO, Chip: "gpiochip0", Relay: 17, Fail: "secure",
			Unlock: duration{3 * time.Second}, HeldOpen: duration{30 * time.Second}, MaxOn: duration{10 * time.Second},
			Relock: RelockClosed, RexUnlocks: true,
			Rex: 27, Contact: 22, Fire: -1, Tamper: -1, SimLog: "door-sim.jsonl",
		},
		Liveness: fileLiveness{Level: LevelDepth},
		Store:    fileStore{Path: "facegate.db", KeyFile: "store.key"},
		Models:   fileModels{Dir: "models"},
		Privacy:  filePrivacy{Consent: "required"},
	}
}

// config checks every value and turns the file into what programs use.
func (f *file) config(home string) (*Config, error) {
	home, err := filepath.Abs(home)
	if err != nil {
		return nil, fmt.Errorf("resolve home directory: %w", err)
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	path := func(p string) string {
		if p == "" || filepath.IsAbs(p) {
			return p
		}
		return filepath.Join(home, p)
	}
	d := &f.Door
	return &Config{
		Home: home,
		Site: Site(f.Site),
		HTTP: HTTP{Listen: f.HTTP.Listen, Cert: path(f.HTTP.Cert), Key: path(f.HTTP.Key)},
		Camera: Camera{
			Driver: f.Camera.Driver, Device: f.Camera.Device, Path: path(f.Camera.Path), FPS: f.Camera.FPS,
			Loop: f.Camera.Loop, Hold: f.Camera.Hold.Duration, Jitter: f.Camera.Jitter,
		},
		Door: Door{
			Name:   d.Name,
			Socket: path(d.Socket), Driver: d.Driver, Chip: d.Chip, Relay: d.Relay, ActiveLow: d.ActiveLow, FailSafe: d.Fail == "safe",
			Unlock: d.Unlock.Duration, HeldOpen: d.HeldOpen.Duration, MaxOn: d.MaxOn.Duration,
			Relock: d.Relock, RexUnlocks: d.RexUnlocks,
			Rex: d.Rex, Contact: d.Contact, Fire: d.Fire, Tamper: d.Tamper, SimLog: path(d.SimLog),
		},
		Liveness: Liveness(f.Liveness),
		Store:    Store{Path: path(f.Store.Path), KeyFile: path(f.Store.KeyFile)},
		Models:   Models{Dir: path(f.Models.Dir), Embedder: f.Models.Embedder},
		MQTT:     MQTT{URL: f.MQTT.URL, CA: path(f.MQTT.CA), Cert: path(f.MQTT.Cert), Key: path(f.MQTT.Key)},
		Fleet:    Fleet(f.Fleet),
		Privacy:  Privacy{ConsentRequired: f.Privacy.Consent == "required"},
	}, nil
}

// check returns every fault of the values, joined.
func (f *file) check() error {
	var faults []error
	bad := func(key, format string, args ...any) {
		faults = append(faults, &Error{Key: key, Msg: fmt.Sprintf(format, args...)})
	}
	oneOf := func(key, got string, allowed ...string) {
		if !slices.Contains(allowed, got) {
			bad(key, `%q is not one of "%s"`, got, strings.Join(allowed, `", "`))
		}
	}
	required := func(key, got string) {
		if got == "" {
			bad(key, "must not be empty")
		}
	}
	between := func(key string, got duration, least, most time.Duration) {
		if v := got.Duration; v < least || v > most {
			bad(key, "%v is not between %v and %v", v, least, most)
		}
	}

	required("site.name", f.Site.Name)
	required("site.tenant", f.Site.Tenant)
	f.checkHTTP(bad)

	oneOf("camera.driver", f.Camera.Driver, CameraV4L2, CameraReplay)
	if f.Camera.Driver == CameraV4L2 {
		required("camera.device", f.Camera.Device)
	}
	if f.Camera.Driver == CameraReplay {
		required("camera.path", f.Camera.Path)
	}
	if !(f.Camera.FPS >= 1 && f.Camera.FPS <= 120) { // written so that NaN is refused
		bad("camera.fps", "%v is not between 1 and 120", f.Camera.FPS)
	}
	between("camera.hold", f.Camera.Hold, 10*time.Millisecond, time.Hour)

	f.Door.check(bad)
	oneOf("door.driver", f.Door.Driver, DoorGPIO, DoorSim)
	oneOf("door.fail", f.Door.Fail, "secure", "safe")
	oneOf("door.relock", f.Door.Relock, RelockTime, RelockClosed, RelockWhileOpen)
	required("door.name", f.Door.Name)
	required("door.socket", f.Door.Socket)
	between("door.max_on", f.Door.MaxOn, 100*time.Millisecond, 5*time.Minute)
	between("door.held_open", f.Door.HeldOpen, time.Second, 24*time.Hour)

	oneOf("liveness.level", f.Liveness.Level, LevelPassive, LevelDepth, LevelChallenge)
	required("store.path", f.Store.Path)
	required("store.key_file", f.Store.KeyFile)
	required("models.dir", f.Models.Dir)
	f.checkMQTT(bad)
	if u, err := url.Parse(f.Fleet.People); f.Fleet.People != "" && (err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "") {
		bad("fleet.people", `not of the form "https://host/v1/people"`)
	}
	oneOf("privacy.consent", f.Privacy.Consent, "required", "off")
	return errors.Join(faults...)
}

// report names one fault.
type report func(key, format string, args ...any)

func (f *file) checkHTTP(bad report) {
	h := &f.HTTP
	if (h.Cert == "") != (h.Key == "") {
		bad("http.cert", "http.cert and http.key are set together or not at all")
	}
	host, port, err := net.SplitHostPort(h.Listen)
	if err != nil {
		bad("http.listen", `%q is no address; write one like "127.0.0.1:8480"`, h.Listen)
		return
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		bad("http.listen", "port %q is not between 0 and 65535", port)
	}
	if h.Cert == "" && !loopback(host) {
		bad("http.listen", "%s is reachable from outside: set http.cert and http.key, or listen on 127.0.0.1", h.Listen)
	}
}

// loopback reports whether only this machine can reach host. A name but localhost could
// become any address.
func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func (d *fileDoor) check(bad report) {
	if d.Unlock.Duration <= 0 || d.Unlock.Duration > d.MaxOn.Duration {
		bad("door.unlock", "%v is not above 0 and at most door.max_on, %v", d.Unlock.Duration, d.MaxOn.Duration)
	}
	lines := []struct {
		key string
		n   int
	}{{"door.relay", d.Relay}, {"door.rex", d.Rex}, {"door.contact", d.Contact}, {"door.fire", d.Fire}, {"door.tamper", d.Tamper}}
	for i, l := range lines {
		if l.n < -1 || l.n > 1023 {
			bad(l.key, "%d is no line number; lines are 0 to 1023, -1 is none", l.n)
			continue
		}
		for _, other := range lines[:i] {
			if l.n >= 0 && other.n == l.n {
				bad(l.key, "line %d is already %s", l.n, other.key)
			}
		}
	}
	if d.Driver == DoorGPIO {
		if d.Chip == "" {
			bad("door.chip", "must not be empty")
		}
		if d.Relay == -1 {
			bad("door.relay", "a door with driver gpio needs a relay line")
		}
	}
}

func (f *file) checkMQTT(bad report) {
	m := &f.MQTT
	if (m.Cert == "") != (m.Key == "") {
		bad("mqtt.cert", "mqtt.cert and mqtt.key are set together or not at all")
	}
	if m.URL == "" {
		return
	}
	u, err := url.Parse(m.URL)
	if err != nil || u.Host == "" || !slices.Contains([]string{"mqtts", "mqtt"}, u.Scheme) || u.User != nil {
		bad("mqtt.url", `not of the form "mqtts://host:8883"`) // the text is not repeated: it may hold a password
		return
	}
	if u.Scheme == "mqtt" && !loopback(u.Hostname()) {
		bad("mqtt.url", "mqtt:// is not encrypted and allowed to this machine only; use mqtts://")
	}
}

// positioned turns a decoder's error into ours; msg, where set, replaces its text.
func positioned(de *toml.DecodeError, msg string) *Error {
	line, column := de.Position()
	if msg == "" {
		msg = strings.TrimPrefix(de.Error(), "toml: ")
	}
	return &Error{Line: line, Column: column, Key: strings.Join(de.Key(), "."), Msg: msg}
}

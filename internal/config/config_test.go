package config

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pelletier/go-toml/v2"
)

func TestExampleEqualsTheDefaults(t *testing.T) {
	var got file
	if err := decode(Example(), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(defaults(), got); diff != "" {
		t.Errorf("example.toml and the defaults differ (-default +example):\n%s", diff)
	}

	var written map[string]map[string]any
	if err := toml.Unmarshal(Example(), &written); err != nil {
		t.Fatal(err)
	}
	for section := range reflect.TypeFor[file]().Fields() {
		for field := range section.Type.Fields() {
			name, key := section.Tag.Get("toml"), field.Tag.Get("toml")
			if _, ok := written[name][key]; !ok {
				t.Errorf("example.toml does not show [%s] %s", name, key)
			}
		}
	}
}

func TestExampleDocumentsEveryKey(t *testing.T) {
	for line := range strings.Lines(string(Example())) {
		if strings.Contains(line, " = ") && !strings.HasPrefix(line, "#") && !strings.Contains(line, " # ") {
			t.Errorf("no comment behind %s", line)
		}
	}
}

func TestLoadResolvesPathsAndTimes(t *testing.T) {
	c, err := Load(strings.NewReader(`
		[camera]
		driver = "replay"
		path = "visits/frames.csv"
		hold = 2.5
		[door]
		socket = "/run/facegate/doord.sock"
		fail = "safe"
		unlock = "1500ms"
		max_on = 4
		[http]
		listen = "[::1]:0"
		[store]
		path = "a/../b.db"
		[privacy]
		consent = "off"`), "/home/kiosk")
	if err != nil {
		t.Fatal(err)
	}
	want := Default("/home/kiosk")
	want.Camera.Driver, want.Camera.Path, want.Camera.Hold = CameraReplay, "/home/kiosk/visits/frames.csv", 2500*time.Millisecond
	want.Door.Socket, want.Door.FailSafe = "/run/facegate/doord.sock", true
	want.Door.Unlock, want.Door.MaxOn = 1500*time.Millisecond, 4*time.Second
	want.HTTP.Listen, want.Store.Path, want.Privacy.ConsentRequired = "[::1]:0", "/home/kiosk/b.db", false
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestLoadRefuses(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"an unknown key", "[door]\nunlock = \"3s\"\n  sokcet = \"x\"", "line 3, column 3: door.sokcet: unknown key"},
		{"an unknown section", "[doors]\n", "line 1, column 2: doors: unknown key"},
		{"every unknown key at once", "[site]\na = 1\nb = 2\n", "line 3, column 1: site.b: unknown key"},
		{"broken syntax", "[door\n", "line 1, column 6"},
		{"a key twice", "[door]\nrelay = 1\nrelay = 2\n", "line 3"},
		{"a wrong type", "[camera]\nloop = \"yes\"\n", "line 2, column 8: camera.loop"},
		{"text as duration", "[door]\nunlock = \"soon\"\n", `line 2, column 10: door.unlock: "soon" is no duration`},
		{"a value not allowed", "[liveness]\nlevel = \"none\"", `liveness.level: "none" is not one of "passive", "depth", "challenge"`},
		{"unlock above max_on", "[door]\nunlock = \"11s\"", "door.unlock: 11s is not above 0 and at most door.max_on, 10s"},
		{"no unlock time", "[door]\nunlock = \"0s\"", "door.unlock: 0s is not above 0"},
		{"a max_on of hours", "[door]\nmax_on = \"2h\"", "door.max_on: 2h0m0s is not between 100ms and 5m0s"},
		{"two uses of a line", "[door]\nfire = 17", "door.fire: line 17 is already door.relay"},
		{"a line number out of range", "[door]\nrex = -2", "door.rex: -2 is no line number"},
		{"gpio without relay", "[door]\nrelay = -1", "door.relay: a door with driver gpio needs a relay line"},
		{"replay without path", "[camera]\ndriver = \"replay\"", "camera.path: must not be empty"},
		{"not a number as rate", "[camera]\nfps = nan", "camera.fps: NaN is not between 1 and 120"},
		{"plain HTTP beyond this machine", "[http]\nlisten = \":8480\"", "http.listen: :8480 is reachable from outside"},
		{"a certificate without key", "[http]\ncert = \"a.pem\"", "http.cert and http.key are set together"},
		{"no port", "[http]\nlisten = \"127.0.0.1\"", "http.listen: \"127.0.0.1\" is no address"},
		{"plain MQTT beyond this machine", "[mqtt]\nurl = \"mqtt://broker:1883\"", "mqtt.url: mqtt:// is not encrypted"},
		{"a password in the URL", "[mqtt]\nurl = \"mqtts://u:secret@broker\"", "mqtt.url: not of the form"},
		{"no bounds", "#" + strings.Repeat("x", maxBytes), "longer than 1048576 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Load(strings.NewReader(tt.text), "/home/kiosk")
			if err == nil {
				t.Fatalf("accepted: %+v", c)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want it to contain %q", err, tt.want)
			}
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Errorf("no *Error in %v", err)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error shows a password: %v", err)
			}
		})
	}
}

func TestOpen(t *testing.T) {
	home := t.TempDir()
	got, err := Open("", home)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(home), got); diff != "" {
		t.Errorf("without a file the defaults hold:\n%s", diff)
	}
	if err := os.WriteFile(filepath.Join(home, FileName), []byte("[site]\nname = \"north\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err = Open("", home); err != nil || got.Site.Name != "north" {
		t.Errorf("got %+v, %v; want the file in the home directory read", got, err)
	}
	if _, err = Open(filepath.Join(home, "absent.toml"), home); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v; want a named file that is absent to be an error", err)
	}
	if err := os.WriteFile(filepath.Join(home, FileName), []byte("[site]\nnome = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err = Open("", home); err == nil || !strings.Contains(err.Error(), FileName+": line 2, column 1") {
		t.Errorf("got %v; want the file's name before the line", err)
	}
}

func TestHome(t *testing.T) {
	checkout := t.TempDir()
	below := filepath.Join(checkout, "door", "client")
	if err := os.MkdirAll(below, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(checkout, "go.mod"), []byte("module facegate\n\ngo 1.26\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, flag, env, wd, want string }{
		{"the flag wins", "/a", "/b", checkout, "/a"},
		{"then the environment", "", "/b", checkout, "/b"},
		{"then var of the checkout", "", "", checkout, filepath.Join(checkout, "var")},
		{"from anywhere in it", "", "", below, filepath.Join(checkout, "var")},
		{"else the installed system's", "", "", t.TempDir(), InstalledHome},
		{"made absolute", "x", "", checkout, filepath.Join(checkout, "x")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(tt.wd)
			t.Setenv("FACEGATE_HOME", tt.env)
			got, err := Home(tt.flag)
			if err != nil || got != tt.want {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(Example())
	f.Add([]byte("[door]\nunlock = 1e400\n"))
	f.Add([]byte("[camera]\nfps = inf\nhold = -9e18\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Load(strings.NewReader(string(text)), "/h")
		if err != nil {
			return
		}
		if c.Door.Unlock <= 0 || c.Door.Unlock > c.Door.MaxOn || math.IsNaN(c.Camera.FPS) || !filepath.IsAbs(c.Store.Path) {
			t.Errorf("accepted %+v", c)
		}
	})
}

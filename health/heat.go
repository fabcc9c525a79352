package health

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Celsius is a temperature.
type Celsius float64

const (
	hotAbove  Celsius = 80 // where a Raspberry Pi begins to slow down
	coolBelow Celsius = 75

	// Sensors that are not wired or not ready report values that no running computer has.
	plausibleMin, plausibleMax Celsius = -40, 125
)

// Heat watches the temperatures the kernel knows. A computer that tells none is not hot: most
// virtual machines do not.
type Heat struct {
	Root string // of the file system: "/", in tests a directory

	hot bool
}

// Probe is the heat as a probe of [Hot].
func (h *Heat) Probe() Probe { return Probe{Hot, h.look} }

func (h *Heat) look(context.Context, time.Time) (bool, string) {
	at, zone, ok := hottest(h.Root)
	switch {
	case !ok:
		h.hot = false
	case at > hotAbove:
		h.hot = true
	case at < coolBelow:
		h.hot = false
	}
	if !h.hot {
		return false, ""
	}
	return true, fmt.Sprintf("%.0f °C (%s)", at, zone)
}

// hottest is the highest plausible temperature and the name of its zone; false without one. A
// zone that cannot be read is left out: some answer only while their device is awake.
func hottest(root string) (highest Celsius, name string, ok bool) {
	zones, _ := filepath.Glob(filepath.Join(root, "sys/class/thermal/thermal_zone*")) // the pattern is well formed
	for _, zone := range zones {
		milli, err := strconv.ParseInt(line(filepath.Join(zone, "temp")), 10, 32)
		if err != nil {
			continue
		}
		t := Celsius(milli) / 1000
		if t < plausibleMin || t > plausibleMax || ok && t <= highest {
			continue
		}
		highest, ok = t, true
		if name = line(filepath.Join(zone, "type")); name == "" {
			name = filepath.Base(zone)
		}
	}
	return highest, name, ok
}

// line is the text of a file of one line, empty where it cannot be read.
func line(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// Package wallclock says whether the time of day may be trusted, and notices when somebody
// changes it.
//
// Schedules and expiry dates are only as good as the clock, and a small computer without a
// battery starts in the past. A [Source] looks for a reason to believe the time: something keeps
// it right, or it came from something that did. Without a reason, or with a time that cannot be
// because it has been later already, the clock is unsure. It never asks the network.
//
// A reason is where the time came from, not a proof: whoever may set the clock of a virtual
// machine, or of one that a time service once kept right, is believed.
//
// A Source is for one goroutine at a time, a [Watch] for any number.
package wallclock

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"facegate/access"
)

// Released is a time that has passed: no clock of a machine that runs this can be before it.
// It is set with every release.
func Released() time.Time { return time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC) }

// Floor is the latest time this program knows to have passed: [Released], or the time of the
// commit it was built from, where that is known.
func Floor() time.Time {
	info, _ := debug.ReadBuildInfo() // nil where there is none
	return floor(info)
}

func floor(info *debug.BuildInfo) time.Time {
	at := Released()
	if info == nil {
		return at
	}
	for _, s := range info.Settings {
		if s.Key != "vcs.time" {
			continue
		}
		if t, err := time.Parse(time.RFC3339, s.Value); err == nil && t.After(at) {
			at = t
		}
	}
	return at
}

// A Source is where reasons to believe the clock are looked for. The zero value looks at this
// machine.
type Source struct {
	Root string // of the file system; empty means "/"
	// Kernel reports whether the kernel's clock is kept right, as adjtimex tells it; nil asks
	// this machine's.
	Kernel func() (synced bool, err error)
}

// State says whether now may be trusted as the time of day, and why, in words for the operator.
// A time before the floor is not: pass the later of [Floor] and the time of the last event that
// was recorded with a trusted clock (one recorded with an unsure clock may be in the future).
func (s *Source) State(now, floor time.Time) (access.Clock, string) {
	if now.Before(floor) {
		return tooEarly(now, floor)
	}
	if because := s.believe(now); because != "" {
		return access.ClockSynced, because
	}
	return access.ClockUnsure, unsure
}

const unsure = "no time service, no hardware clock and no host keeps the time"

func tooEarly(now, floor time.Time) (access.Clock, string) {
	return access.ClockUnsure, fmt.Sprintf("it reads %s, and it has been %s already", stamp(now), stamp(floor))
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// believe is the best reason to believe the clock, or empty.
func (s *Source) believe(now time.Time) string {
	kernel := s.Kernel
	if kernel == nil {
		kernel = adjtimex
	}
	// Where the kernel cannot be asked (a container may forbid it) the other reasons count.
	if synced, err := kernel(); err == nil && synced {
		return "the kernel's clock is synchronised"
	}
	if _, err := os.Stat(s.path("run/systemd/timesync/synchronized")); err == nil {
		return "systemd-timesyncd has synchronised it"
	}
	if name := s.hardware(now); name != "" {
		return "set from the hardware clock " + name
	}
	if what := s.host(); what != "" {
		return "kept by the host of this virtual machine (" + what + ")"
	}
	return ""
}

// adjtimex asks the kernel. Setting the clock by hand makes it unsynchronised at once.
func adjtimex() (bool, error) {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return false, fmt.Errorf("ask for the clock's state: %w", err)
	}
	return state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0, nil
}

// apart is how far a hardware clock that the time was set from may be from it. Crystals part by
// seconds a day at most, so this is months.
const apart = 5 * time.Minute

// hardware names the hardware clock that the kernel set the time from at the start, or is empty.
// The two must still agree: a clock without a battery reads 1970, the kernel takes even that,
// and a time service that remembers the last shutdown then moves the time without knowing it.
func (s *Source) hardware(now time.Time) string {
	clocks, _ := filepath.Glob(s.path("sys/class/rtc/*/hctosys")) // the pattern is well formed
	for _, path := range clocks {
		if text(path) != "1" {
			continue
		}
		dir := filepath.Dir(path)
		epoch, err := strconv.ParseInt(text(filepath.Join(dir, "since_epoch")), 10, 64)
		if err != nil {
			continue
		}
		if math.Abs(now.Sub(time.Unix(epoch, 0)).Seconds()) <= apart.Seconds() {
			return filepath.Base(dir)
		}
	}
	return ""
}

// host names what shows that this is a virtual machine, or is empty. On x86 the processor says
// so; elsewhere the firmware's tables do.
func (s *Source) host() string {
	for l := range strings.Lines(text(s.path("proc/cpuinfo"))) {
		key, flags, _ := strings.Cut(l, ":")
		if strings.TrimSpace(key) != "flags" {
			continue
		}
		if slices.Contains(strings.Fields(flags), "hypervisor") {
			return "processor flag hypervisor"
		}
		break // all processors have the same
	}
	if kind := text(s.path("sys/hypervisor/type")); kind != "" {
		return kind
	}
	vendor := text(s.path("sys/class/dmi/id/sys_vendor"))
	for _, v := range []string{"QEMU", "KVM", "VMware", "Xen", "innotek", "Parallels", "Amazon EC2", "Google"} {
		if strings.HasPrefix(vendor, v) {
			return vendor
		}
	}
	// QEMU's machine "virt" without firmware tables. The file is a list of texts that end in zeros.
	if slices.Contains(strings.Split(text(s.path("proc/device-tree/compatible")), "\x00"), "linux,dummy-virt") {
		return "linux,dummy-virt"
	}
	return ""
}

func (s *Source) path(name string) string {
	if s.Root == "" {
		return "/" + name
	}
	return filepath.Join(s.Root, name)
}

// text is a small file of the kernel's without its last line break, empty where it cannot be
// read.
func text(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

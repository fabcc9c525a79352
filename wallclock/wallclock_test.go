package wallclock

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"facegate/access"
)

var now = time.Date(2027, 5, 6, 7, 8, 9, 0, time.UTC)

// tree makes a file system of the given files.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestState(t *testing.T) {
	epoch := func(d time.Duration) string { return strconv.FormatInt(now.Add(d).Unix(), 10) + "\n" }
	rtc := func(hctosys, epoch string) map[string]string {
		return map[string]string{
			"sys/class/rtc/rtc0/hctosys": "0\n", "sys/class/rtc/rtc0/since_epoch": epoch,
			"sys/class/rtc/rtc1/hctosys": hctosys, "sys/class/rtc/rtc1/since_epoch": epoch,
		}
	}
	yes := func() (bool, error) { return true, nil }
	no := func() (bool, error) { return false, nil }
	forbidden := func() (bool, error) { return true, errors.New("not permitted") }
	tests := []struct {
		name   string
		kernel func() (bool, error)
		files  map[string]string
		want   access.Clock
		says   string
	}{
		{"nothing", no, nil, access.ClockUnsure, "no time service"},
		{"the kernel is synchronised", yes, nil, access.ClockSynced, "kernel"},
		{"the kernel may not be asked", forbidden, nil, access.ClockUnsure, "no time service"},
		{"timesyncd has synchronised", forbidden, map[string]string{"run/systemd/timesync/synchronized": ""}, access.ClockSynced, "systemd-timesyncd"},
		{"timesyncd runs", no, map[string]string{"run/systemd/timesync/other": ""}, access.ClockUnsure, "no time service"},
		{"a hardware clock", no, rtc("1\n", epoch(-2*time.Minute)), access.ClockSynced, "hardware clock rtc1"},
		{"a hardware clock that was not used", no, rtc("0\n", epoch(0)), access.ClockUnsure, ""},
		{"a hardware clock without a battery", no, rtc("1\n", "1234\n"), access.ClockUnsure, ""},
		{"a hardware clock that is ahead", no, rtc("1\n", epoch(6*time.Minute)), access.ClockUnsure, ""},
		{"a hardware clock that cannot be read", no, map[string]string{"sys/class/rtc/rtc0/hctosys": "1\n"}, access.ClockUnsure, ""},
		{"a hardware clock that reads nonsense", no, rtc("1\n", "99999999999999999999\n"), access.ClockUnsure, ""},
		{"one that reads an absurd year", no, rtc("1\n", "9223372036854775807\n"), access.ClockUnsure, ""},
		{"a virtual x86", no, map[string]string{"proc/cpuinfo": "processor\t: 0\nflags\t\t: fpu vme hypervisor lm\n\nprocessor\t: 1\n"}, access.ClockSynced, "processor flag"},
		{"a real x86", no, map[string]string{"proc/cpuinfo": "processor\t: 0\nmodel name\t: hypervisor\nflags\t\t: fpu vme lm hypervisors\n"}, access.ClockUnsure, ""},
		{"Xen", no, map[string]string{"sys/hypervisor/type": "xen\n"}, access.ClockSynced, "(xen)"},
		{"QEMU with firmware", no, map[string]string{"sys/class/dmi/id/sys_vendor": "QEMU\n"}, access.ClockSynced, "(QEMU)"},
		{"a PC", no, map[string]string{"sys/class/dmi/id/sys_vendor": "LENOVO\n"}, access.ClockUnsure, ""},
		{"QEMU without", no, map[string]string{"proc/device-tree/compatible": "linux,dummy-virt\x00"}, access.ClockSynced, "dummy-virt"},
		{"a Raspberry Pi", no, map[string]string{
			"proc/device-tree/compatible": "raspberrypi,4-model-b\x00brcm,bcm2711\x00",
			"proc/cpuinfo":                "processor\t: 0\nFeatures\t: fp asimd evtstrm crc32 cpuid\n",
		}, access.ClockUnsure, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := Source{Root: tree(t, tt.files), Kernel: tt.kernel}
			got, because := s.State(now, now)
			if got != tt.want || !strings.Contains(because, tt.says) || because == "" {
				t.Errorf("got %s (%s), want %s (%s)", got, because, tt.want, tt.says)
			}
			if got, because := s.State(now, now.Add(1)); got != access.ClockUnsure || !strings.Contains(because, "already") {
				t.Errorf("before the floor: got %s (%s)", got, because)
			}
		})
	}
}

// Whatever this machine is, asking it gives one of the two answers and a reason.
func TestThisMachine(t *testing.T) {
	var s Source
	got, because := s.State(time.Now(), Floor())
	t.Logf("%s: %s", got, because)
	if got != access.ClockSynced && got != access.ClockUnsure || because == "" {
		t.Errorf("got %q (%s)", got, because)
	}
	if got, _ := s.State(time.Unix(0, 0), Floor()); got != access.ClockUnsure {
		t.Error("1970 is trusted")
	}
}

func TestFloor(t *testing.T) {
	info := func(key, value string) *debug.BuildInfo {
		return &debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "GOOS", Value: "linux"}, {Key: key, Value: value}}}
	}
	tests := []struct {
		name string
		info *debug.BuildInfo
		want time.Time
	}{
		{"nothing known", nil, Released()},
		{"built later", info("vcs.time", now.Format(time.RFC3339)), now},
		{"built from an old commit", info("vcs.time", "2020-01-01T00:00:00Z"), Released()},
		{"nonsense", info("vcs.time", "yesterday"), Released()},
		{"another key", info("vcs.revision", now.Format(time.RFC3339)), Released()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := floor(tt.info); !got.Equal(tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	if Floor().Before(Released()) {
		t.Error("the floor lies below the release")
	}
}

func TestSteps(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	type sample struct {
		mono, wall time.Duration
		step       time.Duration // 0 for none
	}
	tests := []struct {
		name    string
		samples []sample
	}{
		{"a clock that runs", []sample{{0, 0, 0}, {1 * s, 1 * s, 0}, {9 * s, 9 * s, 0}}},
		{"a leap second", []sample{{0, 0, 0}, {1 * s, 0, 0}, {2 * s, 1 * s, 0}}},
		{"forward", []sample{{0, 0, 0}, {1 * s, 2001 * ms, 1001 * ms}, {2 * s, 3001 * ms, 0}}},
		{"back", []sample{{0, 0, 0}, {1 * s, -3600 * s, -3601 * s}, {2 * s, -3599 * s, 0}}},
		{"ten years", []sample{{0, 0, 0}, {1 * s, 87600 * time.Hour, 87600*time.Hour - 1*s}}},
		{"small ones add up", []sample{{0, 0, 0}, {1 * s, 1600 * ms, 0}, {2 * s, 3200 * ms, 1200 * ms}, {3 * s, 4200 * ms, 0}}},
		{"there and back", []sample{{0, 0, 0}, {1 * s, 6 * s, 5 * s}, {2 * s, 2 * s, -5 * s}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var steps Steps
			for i, x := range tt.samples {
				by, stepped := steps.Sample(now.Add(x.wall), x.mono)
				if stepped != (x.step != 0) || stepped && by != x.step {
					t.Errorf("sample %d: got %v, %v; want %v", i, by, stepped, x.step)
				}
			}
		})
	}
}

// Readings of time.Now carry a monotonic part, which must not hide a step.
func TestStepsOfRealReadings(t *testing.T) {
	var steps Steps
	at := time.Now()
	steps.Sample(at, 0)
	if steps.wall != at.Round(0) {
		t.Errorf("kept %v", steps.wall)
	}
	if by, stepped := steps.Sample(at.Add(time.Hour), 0); !stepped || by != time.Hour {
		t.Errorf("got %v, %v", by, stepped)
	}
}

// Whatever is done to the clock, the reported steps add up to it, to a second.
func TestStepsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var steps Steps
		var mono, moved, told time.Duration
		steps.Sample(now, 0)
		for range rapid.IntRange(1, 50).Draw(t, "samples") {
			mono += time.Duration(rapid.IntRange(0, 5000).Draw(t, "ms")) * time.Millisecond
			moved += time.Duration(rapid.IntRange(-3000, 3000).Draw(t, "moved")) * time.Millisecond
			if by, stepped := steps.Sample(now.Add(mono+moved), mono); stepped {
				told += by
			}
			if rest := moved - told; rest > stepAbove || rest < -stepAbove {
				t.Fatalf("moved by %v, told %v", moved, told)
			}
		}
	})
}

func TestWatch(t *testing.T) {
	root := tree(t, nil)
	synctest.Test(t, func(t *testing.T) { // whose clock starts in 2000
		w := NewWatch(Source{Root: root, Kernel: func() (bool, error) { return true, nil }}, nil)
		if got, because := w.State(time.Now()); got != access.ClockUnsure {
			t.Errorf("before the release: got %s (%s)", got, because)
		}
		if got, because := w.State(now); got != access.ClockSynced {
			t.Errorf("got %s (%s)", got, because)
		}
		w.Passed(now)
		w.Passed(now.Add(-time.Hour))
		if got, because := w.State(now.Add(-1)); got != access.ClockUnsure {
			t.Errorf("before what has passed: got %s (%s)", got, because)
		}
		if n := testing.AllocsPerRun(100, func() { w.State(now) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

func TestWatchSeesTheStateChange(t *testing.T) {
	root := tree(t, nil)
	synctest.Test(t, func(t *testing.T) {
		synced := make(chan bool, 1)
		kernel := func() (bool, error) {
			s := <-synced
			synced <- s
			return s, nil
		}
		synced <- false
		w := NewWatch(Source{Root: root, Kernel: kernel}, func(time.Time, time.Duration) { t.Error("nobody changed the clock") })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		<-w.Ready()
		for _, want := range []bool{false, true, false} {
			<-synced
			synced <- want
			time.Sleep(2 * every)
			if got, because := w.State(now); (got == access.ClockSynced) != want {
				t.Errorf("got %s (%s) while synchronised is %v", got, because, want)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

package bench

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A Machine is what the figures hold for.
type Machine struct {
	CPU      string `json:"cpu"`
	Flags    string `json:"flags"` // of those that kernels choose by
	Cores    int    `json:"cores"`
	Pinned   int    `json:"pinned"` // processor that everything ran on
	Governor string `json:"governor"`
	MemoryMB uint64 `json:"memory_mb"`
	Kernel   string `json:"kernel"`
	Load     string `json:"load"` // 1, 5, 15 minutes, when the run began
	Go       string `json:"go"`
	Facegate string `json:"facegate"`
	Revision string `json:"revision"`
}

// pin keeps the calling thread, which must be locked, on the last processor that it may use;
// unpin undoes that. Programs that it starts stay there too.
func pin() (cpu int, unpin func(), err error) {
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return 0, nil, fmt.Errorf("read processors: %w", err)
	}
	for i := range len(all) * 64 {
		if all.IsSet(i) {
			cpu = i
		}
	}
	one.Set(cpu)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return 0, nil, fmt.Errorf("pin to processor %d: %w", cpu, err)
	}
	return cpu, func() {
		// What was allowed before is allowed again.
		_ = unix.SchedSetaffinity(0, &all)
	}, nil
}

// describe says what of the machine can be read; the rest is "unknown".
func describe(version string, cpu int) Machine {
	m := Machine{
		CPU: "unknown", Cores: runtime.NumCPU(), Pinned: cpu, Kernel: "unknown", Governor: "unknown", Load: "unknown",
		Go: runtime.Version() + " " + runtime.GOARCH, Facegate: version, Revision: "unknown",
	}
	m.CPU, m.Flags = processor()
	if b, err := os.ReadFile(filepath.Join("/sys/devices/system/cpu", fmt.Sprintf("cpu%d", cpu), "cpufreq/scaling_governor")); err == nil {
		m.Governor = strings.TrimSpace(string(b))
	}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load = strings.Join(strings.Fields(string(b))[:3], " ")
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	var s unix.Sysinfo_t
	if unix.Sysinfo(&s) == nil {
		m.MemoryMB = uint64(s.Totalram) * uint64(s.Unit) >> 20
	}
	m.Revision = revision()
	return m
}

// revision is the commit that the program was built from.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	rev, changed := "unknown", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			rev = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = " (changed)"
		}
	}
	return rev + changed
}

// processor reads the first processor's name and the flags that kernels choose by.
func processor() (name, flags string) {
	name = "unknown"
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return name, ""
	}
	defer f.Close() //nolint:errcheck // only read
	telling := []string{"avx2", "avx512f", "avx512_vnni", "asimd", "asimddp", "i8mm"}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		key, value, ok := strings.Cut(lines.Text(), ":")
		if !ok {
			continue
		}
		switch strings.TrimSpace(key) {
		case "model name":
			name = strings.TrimSpace(value)
		case "flags", "Features":
			known := strings.Fields(value)
			telling = slices.DeleteFunc(telling, func(s string) bool { return !slices.Contains(known, s) })
			return name, strings.Join(telling, " ")
		}
	}
	return name, ""
}

func (m Machine) String() string {
	return fmt.Sprintf("%s (%s), %d cores, governor %s, %d MB, Linux %s, load %s\nfacegate %s, revision %s, %s; one thread, pinned to processor %d",
		m.CPU, m.Flags, m.Cores, m.Governor, m.MemoryMB, m.Kernel, m.Load, m.Facegate, m.Revision, m.Go, m.Pinned)
}

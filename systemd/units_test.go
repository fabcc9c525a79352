package systemd

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/unit"

	"facegate/internal/config"
)

// A file is a unit: for each "Section.Key" its values in order.
type file map[string][]string

func read(t *testing.T, name string) file {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	options, err := unit.DeserializeOptions(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	f := file{}
	for _, o := range options {
		key := o.Section + "." + o.Name
		f[key] = append(f[key], o.Value)
	}
	return f
}

// words are all values of a key as one list.
func (f file) words(key string) []string { return strings.Fields(strings.Join(f[key], " ")) }

// last is the value that holds where a key has one.
func (f file) last(key string) string {
	if v := f[key]; len(v) > 0 {
		return v[len(v)-1]
	}
	return ""
}

func (f file) duration(t *testing.T, key string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(strings.Replace(f.last(key), "min", "m", 1))
	if err != nil {
		t.Errorf("%s: %v", key, err)
	}
	return d
}

func services() []string { return []string{"doord", "facegated"} }

func TestBothServices(t *testing.T) {
	for _, name := range services() {
		f := read(t, name+".service")
		for key, want := range map[string]string{
			"Service.Type":                    "notify",
			"Service.Restart":                 "always",
			"Unit.StartLimitBurst":            "5",
			"Unit.StartLimitIntervalSec":      "5min",
			"Unit.OnFailure":                  "facegate-retry@%p.timer",
			"Service.User":                    name,
			"Service.Group":                   name,
			"Service.StateDirectoryMode":      "0700",
			"Service.UMask":                   "0077",
			"Service.LimitCORE":               "0",
			"Service.DevicePolicy":            "closed",
			"Service.NoNewPrivileges":         "yes",
			"Service.ProtectSystem":           "strict",
			"Service.ProtectHome":             "yes",
			"Service.PrivateTmp":              "yes",
			"Service.PrivateMounts":           "yes",
			"Service.ProtectProc":             "invisible",
			"Service.ProtectHostname":         "yes",
			"Service.ProtectKernelLogs":       "yes",
			"Service.ProtectKernelModules":    "yes",
			"Service.ProtectKernelTunables":   "yes",
			"Service.ProtectControlGroups":    "yes",
			"Service.RestrictNamespaces":      "yes",
			"Service.RestrictRealtime":        "yes",
			"Service.RestrictSUIDSGID":        "yes",
			"Service.LockPersonality":         "yes",
			"Service.MemoryDenyWriteExecute":  "yes",
			"Service.RemoveIPC":               "yes",
			"Service.SystemCallArchitectures": "native",
			"Service.SystemCallErrorNumber":   "EPERM",
			"Install.WantedBy":                "multi-user.target",
		} {
			if got := f.last(key); got != want {
				t.Errorf("%s: %s=%s, want %s", name, key, got, want)
			}
		}
		for _, key := range []string{"Service.CapabilityBoundingSet", "Service.AmbientCapabilities"} {
			if v := f[key]; len(v) != 1 || v[0] != "" {
				t.Errorf("%s: %s=%q, want it there and empty", name, key, v)
			}
		}
		if got := f["Service.SystemCallFilter"]; len(got) < 2 || got[0] != "@system-service" || got[1] != "~@privileged @resources" {
			t.Errorf("%s: SystemCallFilter=%q", name, got)
		}
		if limit := f.duration(t, "Service.WatchdogSec"); limit <= 0 || limit > 5*time.Second {
			t.Errorf("%s: WatchdogSec=%v, want a hang noticed within seconds", name, limit)
		}
		// Six starts that fail at once must be over before the interval is, else nothing ever limits.
		if pause := f.duration(t, "Service.RestartSec"); pause <= 0 || pause > 3*time.Second {
			t.Errorf("%s: RestartSec=%v", name, pause)
		}
		for key := range f {
			if strings.Contains(key, "Environment") || strings.HasPrefix(key, "Service.SetCredential") {
				t.Errorf("%s has %s: a secret there can be read by everybody", name, key)
			}
		}
	}
}

func TestDoordHasOnlyTheDoor(t *testing.T) {
	f := read(t, "doord.service")
	if got := f["Service.DeviceAllow"]; !slices.Equal(got, []string{"/dev/gpiochip0 rw"}) {
		t.Errorf("DeviceAllow=%q, want one chip", got)
	}
	if got := f.words("Service.SupplementaryGroups"); !slices.Equal(got, []string{"gpio"}) {
		t.Errorf("SupplementaryGroups=%q", got)
	}
	if got := f.words("Service.RestrictAddressFamilies"); !slices.Equal(got, []string{"AF_UNIX"}) {
		t.Errorf("RestrictAddressFamilies=%q, want no network", got)
	}
	for key, want := range map[string]string{
		"Service.PrivateNetwork": "yes", "Service.IPAddressDeny": "any", "Service.ProtectClock": "yes", "Service.ProcSubset": "pid",
		"Service.RuntimeDirectoryMode": "0750",
		// A second doord must not be kept apart from a first that cannot be killed.
		"Service.RuntimeDirectoryPreserve": "yes",
	} {
		if got := f.last(key); got != want {
			t.Errorf("%s=%s, want %s", key, got, want)
		}
	}
	if start, stop := f.last("Service.ExecStart"), f.last("Service.ExecStopPost"); stop != start+" --release" {
		t.Errorf("ExecStopPost=%s, want what starts doord (%s), and --release", stop, start)
	}
	// Nothing but the basic system may keep the exit button from working.
	for _, key := range []string{"Unit.Requires", "Unit.Requisite", "Unit.BindsTo", "Unit.PartOf", "Unit.Wants", "Unit.After", "Unit.Conflicts"} {
		if len(f[key]) > 0 {
			t.Errorf("doord has %s=%q", key, f[key])
		}
	}
}

func TestFacegatedHasOnlyTheCameras(t *testing.T) {
	f := read(t, "facegated.service")
	if got := f["Service.DeviceAllow"]; !slices.Equal(got, []string{"char-video4linux rw"}) {
		t.Errorf("DeviceAllow=%q, want cameras only", got)
	}
	if got := f.words("Service.SupplementaryGroups"); !slices.Equal(got, []string{"doord", "video"}) {
		t.Errorf("SupplementaryGroups=%q", got)
	}
	if got := f.words("Service.RestrictAddressFamilies"); !slices.Equal(got, []string{"AF_UNIX", "AF_INET", "AF_INET6"}) {
		t.Errorf("RestrictAddressFamilies=%q", got)
	}
	for _, key := range []string{"Unit.Wants", "Unit.After"} {
		for _, want := range []string{"doord.service", "modprobe@videodev.service"} {
			if !slices.Contains(f.words(key), want) {
				t.Errorf("%s=%q lacks %s", key, f[key], want)
			}
		}
	}
	for _, key := range []string{"Unit.Requires", "Unit.Requisite", "Unit.BindsTo", "Unit.PartOf"} {
		if len(f[key]) > 0 {
			t.Errorf("facegated has %s=%q: it would end with doord", key, f[key])
		}
	}
	// Package wallclock asks adjtimex, which @privileged and ProtectClock take away.
	if filter := f["Service.SystemCallFilter"]; filter[len(filter)-1] != "adjtimex setpriority" || f["Service.ProtectClock"] != nil {
		t.Errorf("SystemCallFilter=%q, ProtectClock=%q: the kernel cannot be asked for its clock's state", filter, f["Service.ProtectClock"])
	}
}

// A repeated attempt within the interval would be refused and would leave no further attempt.
func TestTheRetryComesAfterTheInterval(t *testing.T) {
	timer := read(t, "facegate-retry@.timer")
	after := timer.duration(t, "Timer.OnActiveSec")
	for _, name := range services() {
		if limit := read(t, name+".service").duration(t, "Unit.StartLimitIntervalSec"); after <= limit {
			t.Errorf("%s is tried again after %v, its attempts are counted for %v", name, after, limit)
		}
	}
	if timer.last("Timer.Unit") != "%i.service" || timer.last("Timer.RemainAfterElapse") != "no" {
		t.Errorf("got %v", timer)
	}
}

func TestTheSystemsWatchdog(t *testing.T) {
	if d := read(t, "watchdog.conf").duration(t, "Manager.RuntimeWatchdogSec"); d <= 0 || d > 15*time.Second {
		t.Errorf("RuntimeWatchdogSec=%v; a Raspberry Pi's watchdog waits for 15 s at most", d)
	}
}

// The configuration that is shipped names the places the units make.
func TestConfiguration(t *testing.T) {
	doord, facegated := read(t, "doord.service"), read(t, "facegated.service")
	cfg, err := config.Open("facegate.toml", config.InstalledHome)
	if err != nil {
		t.Fatal(err)
	}
	if want := "/run/" + doord.last("Service.RuntimeDirectory"); filepath.Dir(cfg.Door.Socket) != want {
		t.Errorf("the socket is %s, doord may write in %s", cfg.Door.Socket, want)
	}
	if want := "/dev/" + cfg.Door.Chip + " rw"; doord.last("Service.DeviceAllow") != want {
		t.Errorf("the chip is %s, doord may use %s", cfg.Door.Chip, doord.last("Service.DeviceAllow"))
	}
	name, from, _ := strings.Cut(facegated.last("Service.LoadCredential"), ":")
	if want := "/run/credentials/facegated.service/" + name; cfg.Store.KeyFile != want || !filepath.IsAbs(from) {
		t.Errorf("the key is %s, systemd puts it at %s (from %s)", cfg.Store.KeyFile, want, from)
	}
	state := func(f file) string { return "/var/lib/" + f.last("Service.StateDirectory") }
	if home := state(facegated); home != config.InstalledHome || !strings.HasPrefix(cfg.Store.Path, home+"/") {
		t.Errorf("facegated may write in %s, the home is %s, the store %s", home, config.InstalledHome, cfg.Store.Path)
	}
	for _, f := range []file{doord, facegated} {
		if args := f.words("Service.ExecStart"); !slices.Equal(args[1:], []string{"--home", state(f), "--config", "/etc/facegate/facegate.toml"}) {
			t.Errorf("ExecStart=%q, home %s", args, state(f))
		}
	}
	if got := doord.last("Service.InaccessiblePaths"); got != "-"+state(facegated) {
		t.Errorf("doord: InaccessiblePaths=%s", got)
	}
	if got := facegated.last("Service.InaccessiblePaths"); got != "-"+state(doord) {
		t.Errorf("facegated: InaccessiblePaths=%s", got)
	}
}

func TestDeviceRules(t *testing.T) {
	text, err := os.ReadFile("udev.rules")
	if err != nil {
		t.Fatal(err)
	}
	var rules []string
	for l := range strings.Lines(string(text)) {
		if l = strings.TrimSpace(l); l != "" && l[0] != '#' {
			rules = append(rules, l)
		}
	}
	want := []string{
		`SUBSYSTEM=="gpio", KERNEL=="gpiochip[0-9]*", GROUP="gpio", MODE="0660"`,
		`SUBSYSTEM=="video4linux", GROUP="video", MODE="0660", TAG-="uaccess"`,
	}
	if !slices.Equal(rules, want) {
		t.Errorf("got %q", rules)
	}
}

// tool is a program of systemd, or the test is skipped.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}

// copies puts the units into a directory, with programs that are there. The names of the units
// are kept: instances and OnFailure= are resolved by them.
func copies(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, program := range services() {
		if err := os.WriteFile(filepath.Join(dir, program), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"doord.service", "facegated.service", "facegate-retry@.timer"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.ReplaceAll(text, []byte("=/usr/bin/"), []byte("="+dir+"/"))
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestSystemdVerifies(t *testing.T) {
	analyze := tool(t, "systemd-analyze")
	dir := copies(t)
	verify := func(name string) string {
		out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", filepath.Join(dir, name)).CombinedOutput()
		if err != nil {
			return err.Error() + ": " + string(out)
		}
		return string(out)
	}
	for _, name := range []string{"doord.service", "facegated.service", "facegate-retry@doord.timer", "facegate-retry@facegated.timer"} {
		if out := verify(name); out != "" {
			t.Errorf("%s: %s", name, out)
		}
	}
	// That it says nothing means something: it does complain of a key it does not know.
	path := filepath.Join(dir, "doord.service")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte("[Service]\n"), []byte("[Service]\nDeviceAlow=/dev/null\n"), 1)
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if out := verify("doord.service"); !strings.Contains(out, "DeviceAlow") {
		t.Errorf("a key that is not known passes: %q", out)
	}
}

func TestExposure(t *testing.T) {
	analyze := tool(t, "systemd-analyze")
	dir := copies(t)
	for _, name := range services() {
		// The threshold is in tenths: at most 2.0.
		out, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--no-pager", "--threshold=20",
			filepath.Join(dir, name+".service")).CombinedOutput()
		level := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindSubmatch(out)
		if err != nil || level == nil {
			t.Errorf("%s: %v\n%s", name, err, out)
			continue
		}
		t.Logf("%s: exposure %s", name, level[1])
	}
}

func TestUsersAndDirectories(t *testing.T) {
	sysusers, tmpfiles := tool(t, "systemd-sysusers"), tool(t, "systemd-tmpfiles")
	if os.Geteuid() != 0 {
		t.Skip("needs root, to give directories to users")
	}
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	put := func(name, from string) {
		t.Helper()
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("usr/lib/sysusers.d/facegate.conf", "sysusers.conf")
	put("usr/lib/tmpfiles.d/facegate.conf", "tmpfiles.conf")
	put("usr/share/facegate/facegate.toml", "facegate.toml")
	run := func(program string, args ...string) {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), program, append(args, "--root="+root)...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", program, err, out)
		}
	}
	check := func() {
		t.Helper()
		run(sysusers)
		run(tmpfiles, "--create", "--prefix=/etc/facegate", "--prefix=/var/lib")
	}
	check()
	// A second run, at the next start, leaves what the installer changed.
	settings := filepath.Join(root, "etc/facegate/facegate.toml")
	if err := os.WriteFile(settings, []byte("# mine\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	check()
	if text, err := os.ReadFile(settings); string(text) != "# mine\n" {
		t.Errorf("the configuration is %q, %v", text, err)
	}
	if to, err := os.Readlink(filepath.Join(root, "var/lib/facegate/facegate.toml")); to != "/etc/facegate/facegate.toml" {
		t.Errorf("the home's configuration leads to %q, %v", to, err)
	}
	for _, dir := range []string{"var/lib/doord", "var/lib/facegate"} {
		if info, err := os.Stat(filepath.Join(root, dir)); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", dir, info, err)
		}
	}
	groups, err := os.ReadFile(filepath.Join(root, "etc/group"))
	if err != nil {
		t.Fatal(err)
	}
	members := map[string]string{}
	for l := range strings.Lines(string(groups)) {
		if f := strings.Split(strings.TrimSpace(l), ":"); len(f) == 4 {
			members[f[0]] = f[3]
		}
	}
	for group, want := range map[string]string{"gpio": "doord", "video": "facegated", "doord": "facegated", "facegated": ""} {
		if got, ok := members[group]; !ok || got != want {
			t.Errorf("group %s has %q, want %q", group, got, want)
		}
	}
	passwd, err := os.ReadFile(filepath.Join(root, "etc/passwd"))
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range services() {
		if !regexp.MustCompile(`(?m)^` + user + `:.*nologin$`).Match(passwd) {
			t.Errorf("%s may log in, or is not there:\n%s", user, passwd)
		}
	}
}

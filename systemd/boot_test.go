package systemd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"facegate/internal/programtest"
)

// programs is where TestMain has built what the units start.
var programs string

func TestMain(m *testing.M) {
	if pid := os.Getenv("FACEGATE_PROBE"); pid != "" {
		probe(pid)
		return
	}
	programtest.Run(m, func(dir string) { programs = dir }, "doord", "facegate", "facegated")
}

// probe tries, inside a service's sandbox, what one of the services must not be able to do, and
// prints a line each. Doord is the process id of the doord that runs.
func probe(doord string) {
	try := func(what string, err error) {
		var errno unix.Errno
		switch {
		case err == nil, errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV): // there is no driver behind it
			fmt.Println(what, "allowed")
		case errors.As(err, &errno):
			fmt.Println(what, unix.ErrnoName(errno))
		default:
			fmt.Println(what, err)
		}
	}
	file := func(path string, flag int) error {
		f, err := os.OpenFile(path, flag, 0o600)
		if err == nil {
			err = f.Close()
		}
		return err
	}
	socket := func(family int) error {
		fd, err := unix.Socket(family, unix.SOCK_STREAM, 0)
		if err == nil {
			err = unix.Close(fd)
		}
		return err
	}
	pid, _ := strconv.Atoi(doord)
	try("first-chip", file("/dev/gpiochip0", os.O_RDWR))
	try("second-chip", file("/dev/gpiochip1", os.O_RDWR))
	try("camera", file("/dev/video0", os.O_RDWR))
	try("read-store", file("/var/lib/facegate/facegate.db", os.O_RDONLY))
	try("write-journal", file("/var/lib/doord/door.journal", os.O_WRONLY))
	try("root's-key", file("/etc/facegate/store.key", os.O_RDONLY))
	try("write-etc", file("/etc/facegate/new", os.O_WRONLY|os.O_CREATE))
	try("write-usr", file("/usr/bin/new", os.O_WRONLY|os.O_CREATE))
	try("inet", socket(unix.AF_INET))
	try("netlink", socket(unix.AF_NETLINK))
	try("packet", socket(unix.AF_PACKET))
	conn, err := (&net.Dialer{}).DialContext(context.Background(), "unix", "/run/doord/doord.sock")
	if err == nil {
		err = conn.Close()
	}
	try("door-socket", err)
	try("ptrace-doord", unix.PtraceAttach(pid))
	if os.Getuid() != owner(doord) {
		try("kill-doord", unix.Kill(pid, 0))
	}
	memory, err := unix.Mmap(-1, 0, 4096, unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err == nil {
		err = unix.Munmap(memory)
	}
	try("write-and-execute", err)
	var clock unix.Timex
	_, err = unix.Adjtimex(&clock)
	try("ask-the-clock", err)
	clock.Modes = unix.ADJ_STATUS // to what it is, but that is setting it too
	_, err = unix.Adjtimex(&clock)
	try("set-the-clock", err)
	try("mount", unix.Mount("none", "/tmp", "tmpfs", 0, ""))
	try("namespace", unix.Unshare(unix.CLONE_NEWUSER))
	var core unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_CORE, &core) == nil && core.Max == 0 {
		fmt.Println("core-dump", "none")
	}
}

// owner is a process's user; -1 where it cannot be seen.
func owner(pid string) int {
	info, err := os.Stat("/proc/" + pid)
	if err != nil {
		return -1
	}
	var st unix.Stat_t
	if unix.Stat("/proc/"+pid, &st) != nil || !info.IsDir() {
		return -1
	}
	return int(st.Uid)
}

// cgroup makes a control group for the test below the machine's own, or skips the test.
func cgroup(t *testing.T) string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(mounts)) {
		f := strings.Fields(l)
		if len(f) < 3 || f[2] != "cgroup2" {
			continue
		}
		dir := filepath.Join(f[1], "facegate-test-"+strconv.Itoa(os.Getpid()))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Skipf("no control group to boot in: %v", err)
		}
		t.Cleanup(func() {
			programtest.Until(t, "the control group is empty", func() bool {
				var all []string
				_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
					if err == nil && d.IsDir() {
						all = append(all, path)
					}
					return nil
				})
				for _, d := range slices.Backward(all) {
					_ = os.Remove(d) // again until it works
				}
				_, err := os.Stat(dir)
				return errors.Is(err, fs.ErrNotExist)
			})
		})
		return dir
	}
	t.Skip("no control groups of version 2 to boot in")
	return ""
}

// patience bounds the whole boot, whose every wait has bounds of its own. It says nothing about speed.
const patience = 10 * time.Minute

// boot runs testdata/inside.sh under a systemd of its own and returns what it wrote, by file.
func boot(t *testing.T) map[string]map[string]string {
	t.Helper()
	for _, p := range []string{"unshare", "setpriv", "systemd-analyze", "mount"} {
		tool(t, p)
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root, to boot systemd in namespaces")
	}
	home := filepath.Join("..", "var")
	if h := os.Getenv("FACEGATE_HOME"); filepath.IsAbs(h) {
		home = h
	}
	if _, err := os.Stat(filepath.Join(home, "runtime")); err != nil {
		t.Skip("no runtime and models: make setup")
	}
	scratch := t.TempDir()
	for _, dir := range []string{"out", "home", "pictures", "bin"} {
		if err := os.Mkdir(filepath.Join(scratch, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(scratch, 0o755); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for to, from := range map[string]string{
		"home/models": filepath.Join(home, "models"), "home/runtime": filepath.Join(home, "runtime"),
		"bin/doord": filepath.Join(programs, "doord"), "bin/facegate": filepath.Join(programs, "facegate"),
		"bin/facegated": filepath.Join(programs, "facegated"), "bin/prober": self, "bin/inside.sh": "testdata/inside.sh",
	} {
		if out, err := exec.CommandContext(t.Context(), "cp", "-a", from, filepath.Join(scratch, to)).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 320, 240))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(scratch, "pictures/a.png"), picture.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}

	units, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "testdata/boot.sh", cgroup(t), units, scratch)
	out, err := cmd.CombinedOutput()
	if !strings.Contains(string(out), "booting\n") {
		t.Skipf("systemd cannot be booted here: %v: %s", err, out)
	}
	found := map[string]map[string]string{}
	for _, name := range []string{"results", "doord", "facegated"} {
		found[name] = map[string]string{}
		text, _ := os.ReadFile(filepath.Join(scratch, "out", name)) // what is missing will be missed
		for l := range strings.Lines(string(text)) {
			key, value, _ := strings.Cut(strings.TrimSpace(l), " ")
			found[name][key] = value
		}
	}
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		for _, name := range []string{"stderr", "journal"} {
			text, _ := os.ReadFile(filepath.Join(scratch, "out", name))
			t.Logf("%s:\n%s", name, text[max(0, len(text)-4000):])
		}
		t.Logf("console: %s", out[max(0, len(out)-2000):])
	})
	return found
}

// The services as they are shipped, under systemd: they start, serve, are started again, and can
// do nothing that is the other's.
func TestBooted(t *testing.T) {
	if testing.Short() {
		t.Skip("boots a system")
	}
	found := boot(t)
	want := map[string]map[string]string{
		"results": {
			"doord-starts": "yes", "facegated-starts": "yes", "command-line": "yes", "store-and-key": "yes",
			"stranger-asks-door": "", "doord-after-kill": "yes", "relay-after-kill": "off", "doord-after-stop": "yes",
			"facegated-after-kill-1": "yes", "facegated-after-kill-2": "yes", "facegated-after-kill-3": "yes", "facegated-after-kill-4": "yes",
			"facegated-after-kill-5": "failed", "retry-waits": "yes", "doord-goes-on": "yes", "end": "yes",
		},
		"doord": {
			"first-chip": "allowed", "second-chip": "EPERM", "camera": "EACCES",
			"read-store": "EACCES", "write-journal": "allowed", "root's-key": "EACCES", "write-etc": "EROFS", "write-usr": "EROFS",
			"inet": "EAFNOSUPPORT", "netlink": "EAFNOSUPPORT", "packet": "EAFNOSUPPORT", "door-socket": "allowed",
			"ptrace-doord": "EPERM", "write-and-execute": "EPERM", "ask-the-clock": "EPERM", "set-the-clock": "EPERM",
			"mount": "EPERM", "namespace": "EPERM", "core-dump": "none",
		},
		"facegated": {
			"first-chip": "EACCES", "second-chip": "EACCES",
			"read-store": "allowed", "write-journal": "EACCES", "root's-key": "EACCES", "write-etc": "EROFS", "write-usr": "EROFS",
			"inet": "allowed", "netlink": "EAFNOSUPPORT", "packet": "EAFNOSUPPORT", "door-socket": "allowed",
			"ptrace-doord": "EPERM", "kill-doord": "EPERM", "write-and-execute": "EPERM", "ask-the-clock": "allowed", "set-the-clock": "EPERM",
			"mount": "EPERM", "namespace": "EPERM", "core-dump": "none",
		},
	}
	for name, all := range want {
		for what, value := range all {
			if got := found[name][what]; got != value {
				t.Errorf("%s: %s: got %q, want %q", name, what, got, value)
			}
		}
	}
	t.Logf("the camera, for facegated: %s (the kernel here may know no cameras)", found["facegated"]["camera"])
}

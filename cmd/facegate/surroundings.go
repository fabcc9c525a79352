package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"facegate/device"
	"facegate/device/v4l2"
	"facegate/door/client"
	"facegate/door/wire"
	"facegate/internal/config"
)

// What a kiosk is connected to: the doctor's checks of camera, door and network.

// answerWithin is how long a device or another program has to answer.
const answerWithin = 5 * time.Second

func (p *physician) camera(ctx context.Context) {
	const check = "camera"
	c := &p.c.Camera
	if c.Driver == config.CameraV4L2 && !p.attached(c.Device) {
		return
	}
	camera, err := openCamera(c)
	if err != nil {
		p.fail(check, cameraHint(c, err), "%v", err)
		return
	}
	switch mode, err := firstFrame(ctx, camera); {
	case errors.Is(err, device.ErrInUse):
		p.warn(check, "it is free when facegated does not run", "%v", err)
	case err != nil:
		p.fail(check, cameraHint(c, err), "%v", err)
	default:
		p.ok(check, "%s delivers %d x %d %v at %g frames a second", mode.Device, mode.Width, mode.Height, mode.Format, mode.FPS)
	}
}

// firstFrame waits for one frame.
func firstFrame(ctx context.Context, camera device.Camera) (device.Mode, error) {
	within, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	enough := errors.New("a frame has come")
	err := camera.Stream(within, func(f *device.Frame) error {
		f.Release()
		return enough
	})
	switch {
	case errors.Is(err, enough):
		return camera.Mode(), nil
	case err == nil:
		return device.Mode{}, fmt.Errorf("no frame within %v", answerWithin)
	}
	return device.Mode{}, err
}

// attached reports whether the configured camera is there; what cameras there are it tells in
// any case.
func (p *physician) attached(path string) bool {
	const check = "camera"
	list, err := v4l2.List()
	if err != nil {
		p.fail(check, "the user must be able to read /dev and /sys", "%v", err)
		return false
	}
	real := path
	if r, err := filepath.EvalSymlinks(path); err == nil {
		real = r
	}
	i := slices.IndexFunc(list, func(c v4l2.Info) bool { return c.Path == real })
	switch {
	case len(list) == 0:
		p.fail(check, "plug one in; in a container or a virtual machine pass /dev/video* through", "%s is not there, and no other camera", path)
		return false
	case i < 0:
		p.fail(check, "set [camera] device in facegate.toml to one of them", "%s is no camera; found:%s", path, describe(list))
		return false
	case list[i].Err != nil:
		p.fail(check, "the user must be in the group video: usermod -aG video USER", "%v", list[i].Err)
		return false
	case len(list[i].Offers) == 0:
		p.fail(check, "facegate reads YUYV, NV12, MJPEG and RGB; choose another camera", "%s offers no format that can be read", path)
		return false
	}
	p.ok("formats", "%s", strings.TrimSpace(describe(list[i:i+1])))
	return true
}

// describe is a line a camera.
func describe(list []v4l2.Info) string {
	var b strings.Builder
	for _, c := range list {
		name := c.Path
		if len(c.Links) > 0 {
			name = c.Links[0]
		}
		fmt.Fprintf(&b, "\n%s (%s)", name, c.Card)
		for _, o := range c.Offers {
			w, h := 0, 0
			for _, s := range o.Sizes {
				w, h = max(w, s.MaxWidth), max(h, s.MaxHeight)
			}
			fmt.Fprintf(&b, " %v to %dx%d", o.Format, w, h)
		}
	}
	return b.String()
}

func (p *physician) gpio() {
	const check = "gpio"
	if p.c.Door.Driver == config.DoorSim {
		p.warn(check, `[door] driver = "gpio" moves a real lock`, "the door is simulated, its log is %s", p.c.Door.SimLog)
		return
	}
	chip := p.c.Door.Chip
	if !filepath.IsAbs(chip) {
		chip = filepath.Join(p.root, "dev", chip)
	}
	switch err := unix.Access(chip, unix.R_OK|unix.W_OK); {
	case errors.Is(err, unix.ENOENT):
		p.fail(check, `set [door] chip in facegate.toml, or driver = "sim" to try without a lock`, "%s is not there; found: %s", chip, p.chips())
	case err != nil:
		p.fail(check, "the user of doord must be in the group gpio", "%s: %v", chip, err)
	default:
		p.ok(check, "%s, relay on line %d", chip, p.c.Door.Relay)
	}
	p.strict()
}

func (p *physician) chips() string {
	found, _ := filepath.Glob(filepath.Join(p.root, "dev", "gpiochip*")) // the pattern is well formed
	if len(found) == 0 {
		return "none"
	}
	return strings.Join(found, ", ")
}

// strict looks, on a Raspberry Pi, whether the kernel lets go of the relay when doord ends.
func (p *physician) strict() {
	const check = "strict_gpiod"
	for _, path := range []string{"boot/firmware/config.txt", "boot/config.txt"} {
		f, err := os.Open(filepath.Join(p.root, path))
		if err != nil {
			continue
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			text, isParameter := strings.CutPrefix(strings.TrimSpace(lines.Text()), "dtparam=")
			if isParameter && slices.Contains(strings.Split(text, ","), "strict_gpiod") {
				p.ok(check, "set in %s", f.Name())
				return
			}
		}
		p.warn(check, "add the line dtparam=strict_gpiod to "+f.Name()+" and start again",
			"not set: the relay stays as it is should doord be killed")
		return
	}
}

func (p *physician) doord(ctx context.Context) {
	const check = "doord"
	hint := "start doord with the same home directory: doord --home " + p.c.Home
	conn, err := client.Dial(ctx, p.c.Door.Socket, wire.Operator)
	if err != nil {
		p.fail(check, hint, "%v", err)
		return
	}
	defer conn.Close() //nolint:errcheck // its answer is here
	s, err := conn.Status(ctx)
	switch {
	case err != nil:
		p.fail(check, hint, "%v", err)
	case s.Journal != "":
		p.fail(check, "make room on the disk, or mend it: doord cannot keep its journal", "%s", s.Journal)
	default:
		state, with := "locked", "facegated connected"
		if s.Unlocked {
			state = "unlocked"
		}
		if !s.Controller {
			with = "facegated not connected"
		}
		p.ok(check, "answers: %s, mode %s, %s", state, s.Mode, with)
	}
}

func (p *physician) broker(ctx context.Context) {
	const check = "broker"
	if p.c.MQTT.URL == "" {
		p.ok(check, "off")
		return
	}
	u, err := url.Parse(p.c.MQTT.URL)
	if err != nil {
		p.fail(check, "correct [mqtt] url", "%v", err)
		return
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), map[bool]string{true: "8883", false: "1883"}[u.Scheme == "mqtts"])
	}
	conn, err := (&net.Dialer{Timeout: answerWithin}).DialContext(ctx, "tcp", host)
	if err != nil {
		p.warn(check, "the kiosk goes on without it and delivers later", "%v", err)
		return
	}
	_ = conn.Close() // nothing was said
	p.ok(check, "%s can be reached", host)
}

// A certificate is to be renewed this long before it expires.
const renewBefore = 30 * 24 * time.Hour

func (p *physician) certificates() {
	const check = "certificates"
	none := true
	for _, c := range []struct{ key, cert, secret string }{
		{"http", p.c.HTTP.Cert, p.c.HTTP.Key},
		{"mqtt", p.c.MQTT.Cert, p.c.MQTT.Key},
	} {
		if c.cert == "" {
			continue
		}
		none = false
		pair, err := tls.LoadX509KeyPair(c.cert, c.secret)
		if err != nil {
			p.fail(check, "["+c.key+"] cert and key must be a pair of PEM files", "%s: %v", c.key, err)
			continue
		}
		switch left := time.Until(pair.Leaf.NotAfter); {
		case left <= 0:
			p.fail(check, "renew it", "%s: expired on %s", c.key, pair.Leaf.NotAfter.Format(time.DateOnly))
		case left < renewBefore:
			p.warn(check, "renew it", "%s: expires on %s", c.key, pair.Leaf.NotAfter.Format(time.DateOnly))
		default:
			p.ok(check, "%s: valid until %s", c.key, pair.Leaf.NotAfter.Format(time.DateOnly))
		}
	}
	if none {
		p.ok(check, "none: HTTP stays on this machine, the broker is off")
	}
}

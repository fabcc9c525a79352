package v4l2

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/blackjack/webcam"
	"golang.org/x/sys/unix"

	"facegate/device"
)

// An Info is one camera of this machine, as an operator wants to see it.
type Info struct {
	Path   string   // the node, such as /dev/video0
	Links  []string // its lasting names under /dev/v4l, by-id first
	Card   string   // what the camera calls itself
	Bus    string   // where it is plugged in
	Offers []Offer  // the formats that can be read
	Err    error    // why it could not be asked for more, nil if it could
}

// List finds the machine's cameras, in the order of their numbers. Nodes that do not capture
// pictures are left out; one that cannot be opened is there with its error.
func List() ([]Info, error) {
	nodes, err := videoNodes()
	if err != nil {
		return nil, fmt.Errorf("list cameras: %w", err)
	}
	links := lastingNames()
	var list []Info
	for _, path := range nodes {
		info := Info{Path: path, Links: links[path]}
		fd, node, err := openNode(path)
		info.Card, info.Bus = node.Card, node.Bus
		switch {
		case errors.Is(err, device.ErrNotCamera), errors.Is(err, unix.ENOTTY):
			continue
		case err != nil:
			info.Err = fmt.Errorf("open camera %s: %w", path, explain(err))
		default:
			_ = unix.Close(fd) // nothing was written
			cam, err := webcam.Open(path)
			if err != nil {
				info.Err = fmt.Errorf("open camera %s: %w", path, explain(err))
				break
			}
			info.Offers = offers(cam)
			_ = cam.Close() // likewise
		}
		list = append(list, info)
	}
	return list, nil
}

// offers lists the formats of a camera that can be read, with their sizes.
func offers(cam *webcam.Webcam) []Offer {
	var list []Offer
	for _, code := range slices.Sorted(maps.Keys(cam.GetSupportedFormats())) {
		format := formatOf(uint32(code))
		if format == 0 {
			continue
		}
		o := Offer{Format: format, FourCC: uint32(code)}
		for _, s := range cam.GetSupportedFrameSizes(code) {
			o.Sizes = append(o.Sizes, Size{
				int(s.MinWidth), int(s.MaxWidth), int(s.StepWidth),
				int(s.MinHeight), int(s.MaxHeight), int(s.StepHeight),
			})
		}
		list = append(list, o)
	}
	return list
}

// videoNodes are the paths /dev/videoN in the order of N.
func videoNodes() ([]string, error) {
	entries, err := os.ReadDir("/dev")
	if err != nil {
		return nil, err
	}
	number := func(path string) int {
		n, err := strconv.Atoi(strings.TrimPrefix(path, "/dev/video"))
		if err != nil {
			return -1
		}
		return n
	}
	var nodes []string
	for _, e := range entries {
		if path := "/dev/" + e.Name(); number(path) >= 0 {
			nodes = append(nodes, path)
		}
	}
	slices.SortFunc(nodes, func(a, b string) int { return cmp.Compare(number(a), number(b)) })
	return nodes, nil
}

// lastingNames maps nodes to the links that udev made for them.
func lastingNames() map[string][]string {
	names := map[string][]string{}
	for _, dir := range []string{"/dev/v4l/by-id", "/dev/v4l/by-path"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // no udev, or no camera of that kind
		}
		for _, e := range entries {
			link := filepath.Join(dir, e.Name())
			if node, err := filepath.EvalSymlinks(link); err == nil {
				names[node] = append(names[node], link)
			}
		}
	}
	return names
}

// An identity tells cameras apart wherever they are plugged in.
type identity struct {
	card, bus, serial string
	function          string // which of the device's cameras: colour or infrared
}

// is reports whether two nodes are the same camera: the same serial number where it has
// one, else the same type in the same place.
func (a identity) is(b identity) bool {
	if a.card != b.card || a.serial != b.serial || a.function != b.function {
		return false
	}
	return a.serial != "" || a.bus == b.bus
}

// identify opens a capture node for a moment and says which camera it is.
func identify(path string) (identity, error) {
	fd, node, err := openNode(path)
	if err != nil {
		return identity{}, err
	}
	_ = unix.Close(fd) // nothing was written
	id := identity{card: node.Card, bus: node.Bus}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return id, nil //nolint:nilerr // gone this moment; opening it will say so
	}
	sys := filepath.Join("/sys/class/video4linux", filepath.Base(target))
	index, _ := os.ReadFile(filepath.Join(sys, "index")) // none on old kernels
	id.function = strings.TrimSpace(string(index))
	// The node of a USB camera belongs to an interface, such as 1-4:1.0; the device above
	// it has the serial number.
	if dir, err := filepath.EvalSymlinks(filepath.Join(sys, "device")); err == nil {
		if _, number, usb := strings.Cut(filepath.Base(dir), ":"); usb {
			id.function += "/" + number
			serial, _ := os.ReadFile(filepath.Join(filepath.Dir(dir), "serial")) // many have none
			id.serial = strings.TrimSpace(string(serial))
		}
	}
	return id, nil
}

// locate finds the node of a camera: the wanted path, or any camera if that is empty, as
// long as it is the camera who; a camera that has come back under another number is found
// there. With a zero who, whatever camera is at the path is the one.
func locate(path string, who identity) (string, identity, error) {
	var first error
	if path != "" {
		id, err := identify(path)
		if err == nil && (who == identity{} || who.is(id)) {
			return path, id, nil
		}
		if err == nil {
			err = fmt.Errorf("%w: %s is another camera now (%s)", device.ErrGone, path, id.card)
		}
		first = fmt.Errorf("%s: %w", path, explain(err))
		if who == (identity{}) {
			return "", who, first
		}
	}
	nodes, err := videoNodes()
	if err != nil {
		return "", who, err
	}
	for _, node := range nodes {
		id, err := identify(node)
		if err == nil && (who == identity{} || who.is(id)) {
			return node, id, nil
		}
		if err != nil && first == nil && !errors.Is(err, device.ErrNotCamera) {
			first = fmt.Errorf("%s: %w", node, explain(err))
		}
	}
	switch {
	case first == nil:
		return "", who, fmt.Errorf("%w: no camera is connected", device.ErrGone)
	case path != "" && !errors.Is(first, device.ErrGone):
		// The path leads to something that is not our camera, and ours is nowhere.
		return "", who, fmt.Errorf("%w: %v", device.ErrGone, first) //nolint:errorlint // first's condition is of that other thing
	}
	return "", who, first
}

package health

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A disk is low below a share or an amount of free space, and well again above somewhat more.
const (
	lowShare, wellShare = 0.05, 0.06
	lowBytes, wellBytes = 200 << 20, 250 << 20
)

// Disk watches the space that is left below some directories. A directory that cannot be asked
// counts as low: its disk may be gone.
type Disk struct {
	Dirs []string
	// Space tells the bytes that are free for this user and the bytes there are; nil asks the
	// kernel.
	Space func(dir string) (free, total uint64, err error)

	low map[string]bool
}

// Probe is the disk as a probe of [DiskLow].
func (d *Disk) Probe() Probe { return Probe{DiskLow, d.look} }

func (d *Disk) look(context.Context, time.Time) (bool, string) {
	space := d.Space
	if space == nil {
		space = statfs
	}
	if d.low == nil {
		d.low = make(map[string]bool)
	}
	var causes []string
	for _, dir := range d.Dirs {
		free, total, err := space(dir)
		if err != nil {
			d.low[dir] = true
			causes = append(causes, err.Error())
			continue
		}
		share, amount := lowShare, uint64(lowBytes)
		if d.low[dir] {
			share, amount = wellShare, wellBytes
		}
		d.low[dir] = free < amount || float64(free) < share*float64(total)
		if d.low[dir] {
			causes = append(causes, fmt.Sprintf("%s: %d of %d MiB free", dir, free>>20, total>>20))
		}
	}
	return len(causes) > 0, strings.Join(causes, "; ")
}

func statfs(dir string) (free, total uint64, err error) {
	var st unix.Statfs_t
	for {
		switch err := unix.Statfs(dir, &st); err {
		case nil:
			return st.Bavail * uint64(st.Bsize), st.Blocks * uint64(st.Bsize), nil
		case unix.EINTR:
		default:
			return 0, 0, fmt.Errorf("ask for space in %s: %w", dir, err)
		}
	}
}

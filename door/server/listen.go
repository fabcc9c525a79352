package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// ErrRunning means that another doord has this door.
var ErrRunning = errors.New("another doord has this door")

// A Claim is the exclusive right to one door on this machine. The kernel takes it back when
// the process ends, however it ends, so a stale one cannot block.
type Claim struct {
	socket string
	lock   *os.File
}

// ClaimDoor takes the door whose socket has the given path, or returns an error wrapping
// [ErrRunning]. It comes before any line of the door is touched.
func ClaimDoor(socket string) (*Claim, error) {
	lock, err := os.OpenFile(socket+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("claim door: %w", err)
	}
	err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, errors.Join(fmt.Errorf("%w (lock %s)", ErrRunning, lock.Name()), lock.Close())
	} else if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", lock.Name(), err), lock.Close())
	}
	return &Claim{socket, lock}, nil
}

// Listen opens the socket for its owner and group. A socket left by a process that died is
// removed; anything else at that path is left alone and is an error.
func (c *Claim) Listen(ctx context.Context) (net.Listener, error) {
	if err := c.clear(ctx); err != nil {
		return nil, err
	}
	// The mode holds from the first moment, not after a chmod.
	old := unix.Umask(0o117)
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", c.socket)
	unix.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("open door socket: %w", err)
	}
	return l, nil
}

func (c *Claim) clear(ctx context.Context) error {
	info, err := os.Lstat(c.socket)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("open door socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("open door socket: %s is there and is no socket", c.socket)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", c.socket)
	if err == nil {
		_ = conn.Close() // only asked whether anybody is there
		return fmt.Errorf("open door socket: another program serves %s", c.socket)
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		return fmt.Errorf("open door socket: %w", err)
	}
	if err := os.Remove(c.socket); err != nil {
		return fmt.Errorf("remove stale door socket: %w", err)
	}
	return nil
}

// Close gives the door up. The lock's file stays: removing it would let two processes hold
// two locks of one name.
func (c *Claim) Close() error { return c.lock.Close() }

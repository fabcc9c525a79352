package store

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lockFile takes the lock at path, or fails at once where another process has it. The kernel
// releases it when the process ends, however it ends.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = &Error{CodeInUse, "another facegated runs on this store; stop it first", errors.New("the store has a daemon already")}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock: %w", err), f.Close())
	}
	return f, nil
}

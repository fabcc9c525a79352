//go:build linux

package v4l2

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
)

func TestCode(t *testing.T) {
	for err, want := range map[error]string{
		syscall.EACCES: "camera_permission_denied", syscall.EPERM: "camera_permission_denied",
		syscall.ENOENT: "camera_unavailable", syscall.ENODEV: "camera_unavailable", syscall.ENXIO: "camera_unavailable",
		syscall.EBUSY: "camera_in_use", syscall.EINVAL: "camera_constraints", syscall.ENOTTY: "camera_constraints",
		syscall.EIO: "camera_unknown", errors.New("?"): "camera_unknown",
	} {
		if got := Code(fmt.Errorf("open camera: %w", explain(err))); got != want {
			t.Errorf("%v: got %s, want %s", err, got, want)
		}
	}
}

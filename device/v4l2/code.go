package v4l2

import (
	"errors"
	"io/fs"
	"syscall"

	"facegate/device"
)

// Code is why a camera does not start, in the words that the FaceGuard API has for a browser's:
// what an operator reads of the kiosk's camera and what a customer reads of theirs is the same.
func Code(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission): // EACCES, EPERM
		return "camera_permission_denied"
	case errors.Is(err, device.ErrInUse):
		return "camera_in_use"
	case errors.Is(err, device.ErrGone), errors.Is(err, fs.ErrNotExist):
		return "camera_unavailable"
	case errors.Is(err, device.ErrNotCamera), errors.Is(err, syscall.EINVAL):
		return "camera_constraints"
	}
	return "camera_unknown"
}

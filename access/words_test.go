package access

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The words other programs rely on, as the reference lists them.
func TestWordsAreComplete(t *testing.T) {
	kinds := []Kind{
		"access.granted", "access.denied", "face.refused", "door.unlocked", "door.locked", "door.opened", "door.closed",
		"door.forced", "door.held", "door.rex", "door.fire", "device.tamper", "person.added", "person.changed",
		"person.erased", "template.added", "template.removed", "consent.given", "policy.changed", "command.done",
		"command.refused", "admin.login", "admin.login_failed", "key.created", "key.revoked", "health.raised",
		"health.cleared", "system.started", "system.stopped", "clock.changed",
	}
	if diff := cmp.Diff(kinds, Kinds()); diff != "" {
		t.Errorf("kinds (-reference +program):\n%s", diff)
	}
	reasons := []Reason{
		"unknown_person", "ambiguous", "spoof", "liveness_unavailable", "mask_required", "mask_forbidden",
		"head_cover_required", "occluded", "outside_schedule", "not_yet_valid", "expired", "blocked", "no_access_here",
		"pin_required", "pin_wrong", "locked_out", "anti_passback", "door_locked_down", "audit_unavailable",
		// quality codes
		"image_error", "no_face", "several_faces", "face_too_small", "face_too_close", "near_border", "cropped", "angle",
		"blurred", "dark", "bright", "eyes_closed",
	}
	got := Reasons()
	slices.Sort(reasons)
	slices.Sort(got)
	if diff := cmp.Diff(reasons, got); diff != "" {
		t.Errorf("reasons (-reference +program):\n%s", diff)
	}
	for _, k := range kinds {
		if !k.Valid() {
			t.Errorf("%s is not valid", k)
		}
	}
	if Kind("").Valid() || Kind("door.broken").Valid() || Reason("").Valid() || Reason("ok").Valid() {
		t.Error("a word that is none is valid")
	}
	if !ReasonOccluded.Quality() || ReasonSpoof.Quality() {
		t.Error("quality codes are told from other reasons wrongly")
	}
}

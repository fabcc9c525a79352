package access

import "slices"

// A Kind says what an event is about. The list is fixed from outside: other programs rely
// on the words.
type Kind string

// A Reason says why somebody was refused. The list is fixed like that of the kinds.
type Reason string

// Kinds of events.
const (
	KindGranted         Kind = "access.granted"
	KindDenied          Kind = "access.denied"
	KindFaceRefused     Kind = "face.refused" // a face was seen and its quality was not enough
	KindDoorUnlocked    Kind = "door.unlocked"
	KindDoorLocked      Kind = "door.locked"
	KindDoorOpened      Kind = "door.opened"
	KindDoorClosed      Kind = "door.closed"
	KindDoorForced      Kind = "door.forced"
	KindDoorHeld        Kind = "door.held"
	KindDoorREX         Kind = "door.rex"
	KindDoorFire        Kind = "door.fire"
	KindTamper          Kind = "device.tamper"
	KindPersonAdded     Kind = "person.added"
	KindPersonChanged   Kind = "person.changed"
	KindPersonErased    Kind = "person.erased"
	KindTemplateAdded   Kind = "template.added"
	KindTemplateRemoved Kind = "template.removed"
	KindConsentGiven    Kind = "consent.given"
	KindPolicyChanged   Kind = "policy.changed"
	KindCommandDone     Kind = "command.done"
	KindCommandRefused  Kind = "command.refused"
	KindLogin           Kind = "admin.login"
	KindLoginFailed     Kind = "admin.login_failed"
	KindKeyCreated      Kind = "key.created"
	KindKeyRevoked      Kind = "key.revoked"
	KindHealthRaised    Kind = "health.raised"
	KindHealthCleared   Kind = "health.cleared"
	KindStarted         Kind = "system.started"
	KindStopped         Kind = "system.stopped"
	KindClockChanged    Kind = "clock.changed"
)

// Kinds is every kind, in the order of the reference.
func Kinds() []Kind {
	return []Kind{
		KindGranted, KindDenied, KindFaceRefused, KindDoorUnlocked, KindDoorLocked, KindDoorOpened,
		KindDoorClosed, KindDoorForced, KindDoorHeld, KindDoorREX, KindDoorFire, KindTamper,
		KindPersonAdded, KindPersonChanged, KindPersonErased, KindTemplateAdded, KindTemplateRemoved,
		KindConsentGiven, KindPolicyChanged, KindCommandDone, KindCommandRefused, KindLogin,
		KindLoginFailed, KindKeyCreated, KindKeyRevoked, KindHealthRaised, KindHealthCleared,
		KindStarted, KindStopped, KindClockChanged,
	}
}

// Valid reports whether k is one of the kinds.
func (k Kind) Valid() bool { return slices.Contains(Kinds(), k) }

// Reasons of a refusal by the rules.
const (
	ReasonUnknownPerson       Reason = "unknown_person"
	ReasonAmbiguous           Reason = "ambiguous" // two people are too alike to tell
	ReasonSpoof               Reason = "spoof"
	ReasonLivenessUnavailable Reason = "liveness_unavailable"
	ReasonMaskRequired        Reason = "mask_required"
	ReasonMaskForbidden       Reason = "mask_forbidden"
	ReasonHeadCoverRequired   Reason = "head_cover_required"
	ReasonOccluded            Reason = "occluded" // also a quality code
	ReasonOutsideSchedule     Reason = "outside_schedule"
	ReasonNotYetValid         Reason = "not_yet_valid"
	ReasonExpired             Reason = "expired"
	ReasonBlocked             Reason = "blocked"
	ReasonNoAccessHere        Reason = "no_access_here"
	ReasonPINRequired         Reason = "pin_required"
	ReasonPINWrong            Reason = "pin_wrong"
	ReasonLockedOut           Reason = "locked_out"
	ReasonAntiPassback        Reason = "anti_passback"
	ReasonDoorLockedDown      Reason = "door_locked_down"
	ReasonAuditUnavailable    Reason = "audit_unavailable" // the decision could not be recorded
)

// Quality codes as reasons: what is wrong with the picture of the face.
const (
	ReasonImageError   Reason = "image_error"
	ReasonNoFace       Reason = "no_face"
	ReasonSeveralFaces Reason = "several_faces"
	ReasonTooSmall     Reason = "face_too_small"
	ReasonTooClose     Reason = "face_too_close"
	ReasonCropped      Reason = "cropped"
	ReasonNearBorder   Reason = "near_border"
	ReasonAngle        Reason = "angle"
	ReasonDark         Reason = "dark"
	ReasonBright       Reason = "bright"
	ReasonBlurred      Reason = "blurred"
	ReasonEyesClosed   Reason = "eyes_closed"
)

// qualityOK is the quality code of a face that can be judged. It is no reason.
const qualityOK = "ok"

// Reasons is every reason, the rules' own first, then the quality codes.
func Reasons() []Reason {
	return append([]Reason{
		ReasonUnknownPerson, ReasonAmbiguous, ReasonSpoof, ReasonLivenessUnavailable,
		ReasonMaskRequired, ReasonMaskForbidden, ReasonHeadCoverRequired, ReasonOutsideSchedule,
		ReasonNotYetValid, ReasonExpired, ReasonBlocked, ReasonNoAccessHere, ReasonPINRequired,
		ReasonPINWrong, ReasonLockedOut, ReasonAntiPassback, ReasonDoorLockedDown,
		ReasonAuditUnavailable,
	}, qualityReasons()...)
}

func qualityReasons() []Reason {
	return []Reason{
		ReasonImageError, ReasonNoFace, ReasonSeveralFaces, ReasonTooSmall, ReasonTooClose,
		ReasonCropped, ReasonNearBorder, ReasonAngle, ReasonDark, ReasonBright, ReasonBlurred,
		ReasonOccluded, ReasonEyesClosed,
	}
}

// Valid reports whether r is one of the reasons.
func (r Reason) Valid() bool { return slices.Contains(Reasons(), r) }

// Quality reports whether r is about the picture rather than the person.
func (r Reason) Quality() bool { return slices.Contains(qualityReasons(), r) }

// A Clock says whether the wall clock could be trusted when an event was recorded.
type Clock string

// States of the wall clock.
const (
	ClockSynced Clock = "synced"
	ClockUnsure Clock = "unsure"
)

// Sources of events.
const (
	SourceCamera = "camera"
	SourceREX    = "rex" // the exit button
	SourceFleet  = "fleet"
	SourceSystem = "system" // the program itself: started, stopped, health
)

// SourceAPI is the source of what came in through the named API.
func SourceAPI(name string) string { return "api:" + name }

// SourceAdmin is the source of what the named administrator did.
func SourceAdmin(name string) string { return "admin:" + name }

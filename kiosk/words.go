package kiosk

import (
	"facegate/access"
	"facegate/pipeline/face"
)

// Words is what the person at the door is told about a decision. A silent alarm is not in it.
func Words(d access.Decision) string {
	switch d.Outcome {
	case access.Grant:
		for _, r := range d.Remind {
			switch r {
			case access.ReasonMaskRequired:
				return "welcome; please wear your mask"
			case access.ReasonHeadCoverRequired:
				return "welcome; please wear your helmet"
			}
		}
		return "welcome"
	case access.Challenge:
		switch d.Need {
		case access.NeedPIN:
			return "type your PIN"
		case access.NeedFace:
			return "look at the camera"
		case access.NeedSecond:
			return "a second person, please"
		}
	}
	return refusal(d.Reason)
}

func refusal(r access.Reason) string {
	switch r {
	case access.ReasonUnknownPerson, access.ReasonAmbiguous:
		return "not recognised"
	case access.ReasonSpoof, access.ReasonLivenessUnavailable:
		return "show your own face to the camera and turn your head a little"
	case access.ReasonMaskRequired:
		return "put your mask over nose and mouth"
	case access.ReasonMaskForbidden:
		return "take off your mask"
	case access.ReasonHeadCoverRequired:
		return "put on your helmet"
	case access.ReasonOutsideSchedule:
		return "not at this time"
	case access.ReasonNotYetValid:
		return "your access has not begun yet"
	case access.ReasonExpired:
		return "your access has ended"
	case access.ReasonBlocked, access.ReasonNoAccessHere:
		return "no access here: ask the administrator"
	case access.ReasonPINRequired:
		return "a PIN is needed"
	case access.ReasonPINWrong:
		return "that PIN is not right"
	case access.ReasonLockedOut:
		return "too many tries: wait a little"
	case access.ReasonAntiPassback:
		return "you have just passed"
	case access.ReasonDoorLockedDown:
		return "the door is locked down"
	case access.ReasonAuditUnavailable:
		return "out of order: ask the administrator"
	}
	return Advice(face.Quality(r))
}

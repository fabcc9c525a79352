package access

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// An Outcome is what a decision comes to. The zero value is Deny.
type Outcome uint8

// The outcomes.
const (
	Deny      Outcome = iota
	Challenge         // something more is asked of the person
	Grant
)

// String is grant, challenge or deny; a value that is none of them denies.
func (o Outcome) String() string {
	switch o {
	case Grant:
		return "grant"
	case Challenge:
		return "challenge"
	}
	return "deny"
}

// MarshalText is String, for JSON.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// Scores are the numbers behind a decision, nil where a stage did not run or must not be told.
type Scores struct {
	Match    *float64 `json:"match"`    // calibrated, 0..100
	Margin   *float64 `json:"margin"`   // cosine distance from the first person to the second
	Liveness *float64 `json:"liveness"` // 0..1
	Mask     *float64 `json:"mask"`     // 0..1
	Head     *float64 `json:"head"`     // 0..1
}

// A Decision is the answer to one visit and explains itself.
type Decision struct {
	Outcome Outcome           `json:"decision"`
	Reason  Reason            `json:"reason,omitempty"` // exactly one where the outcome is not grant, else empty
	Need    Need              `json:"need,omitempty"`   // what a challenge asks for
	Person  string            `json:"person,omitempty"` // id; empty where nobody was recognised
	Door    string            `json:"door"`
	At      time.Time         `json:"at"`
	Clock   Clock             `json:"clock,omitempty"`
	Factors Factors           `json:"factors,omitempty"` // what was shown and counted
	Unlock  time.Duration     `json:"-"`                 // for how long; 0 is the door's own time
	With    string            `json:"with,omitempty"`    // the person who passes together with Person
	Remind  []Reason          `json:"remind,omitempty"`  // what to say to somebody who is let in
	Bypass  bool              `json:"bypass,omitempty"`  // a bypass opened the door
	Alarm   string            `json:"alarm,omitempty"`
	Near    string            `json:"-"` // whom a stranger was nearly taken for
	Scores  Scores            `json:"scores"`
	Models  map[string]string `json:"models,omitempty"`
	Policy  uint64            `json:"policy"`           // revision that decided
	Detail  string            `json:"detail,omitempty"` // which part of the liveness check refused
	Because []string          `json:"because"`          // the steps taken, for people; no names
}

// Unrecorded is what becomes of d where it could not be written to the audit trail and the
// site demands that it is: a grant or challenge turns into a denial, a refusal stays as it was.
func (d Decision) Unrecorded() Decision {
	if d.Outcome == Deny {
		return d
	}
	return d.deny(ReasonAuditUnavailable, "the audit trail could not be written")
}

// Unopened is what is told at the door of a grant that did not open it.
func (d Decision) Unopened() Decision {
	if d.Outcome != Grant {
		return d
	}
	return d.deny(ReasonDoorLockedDown, "the door did not open")
}

// Unanswered is what becomes of a challenge that nobody answered: the denial it stood for.
func (d Decision) Unanswered() Decision {
	if d.Outcome != Challenge {
		return d
	}
	return d.deny(d.Reason, "nothing came in time")
}

// Event is the record of d: access.granted, face.refused where the picture was the reason,
// else access.denied.
func (d Decision) Event(source string) Event {
	kind := KindDenied
	switch {
	case d.Outcome == Grant:
		kind = KindGranted
	case d.Reason.Quality() && d.Person == "":
		kind = KindFaceRefused
	}
	e := Event{
		Time: d.At, Clock: d.Clock, Kind: kind, Person: d.Person, Reason: d.Reason, Door: d.Door,
		Scores: d.Scores, Models: d.Models, Policy: d.Policy, Source: source,
	}
	data := make(map[string]string)
	for k, v := range map[string]string{
		"liveness": d.Detail, dataBy: string(d.Factors), dataWith: d.With, dataNear: d.Near, "alarm": d.Alarm,
		"need": string(d.Need),
	} {
		if v != "" {
			data[k] = v
		}
	}
	if d.Bypass {
		data["bypass"] = "used"
	}
	for _, r := range d.Remind {
		data["remind"] = strings.TrimPrefix(data["remind"]+" "+string(r), " ")
	}
	if len(data) > 0 {
		e.Data = data
	}
	return e
}

func (d Decision) deny(r Reason, why string) Decision {
	d.Outcome, d.Reason, d.Remind, d.Unlock = Deny, r, nil, 0
	if d.Need != "" && r == ReasonAuditUnavailable {
		d.Need = ""
	}
	d.Because = append(slices.Clip(d.Because), why)
	return d
}

// challenge asks for more. Where it is not answered, r is why the door stays shut.
func (d Decision) challenge(n Need, r Reason, why string) Decision {
	d = d.deny(r, why)
	d.Outcome, d.Need = Challenge, n
	return d
}

// raise raises an alarm. A silent one is not replaced, because another could be heard.
func (d *Decision) raise(alarm string) {
	if d.Alarm != AlarmDuress {
		d.Alarm = alarm
	}
}

func (d *Decision) because(format string, args ...any) {
	if len(args) > 0 {
		format = fmt.Sprintf(format, args...)
	}
	d.Because = append(d.Because, format)
}

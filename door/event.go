package door

import "time"

// The lines of a door, as drivers, logs and the command line call them.
const (
	LineRelay   = "relay"
	LineRex     = "rex"     // request to exit: a button on the inside
	LineContact = "contact" // active while the door leaf is open
	LineFire    = "fire"    // active while the fire panel calls
	LineTamper  = "tamper"  // active while the housing is open
)

// The kinds of events a door records.
const (
	Unlocked      = "door.unlocked"
	Locked        = "door.locked"
	Opened        = "door.opened"
	Closed        = "door.closed"
	Held          = "door.held" // open for longer than allowed
	Rex           = "door.rex"
	Fire          = "door.fire"     // On says whether the call began or ended
	Tamper        = "device.tamper" // On says whether the housing was opened or closed
	HealthRaised  = "health.raised"
	HealthCleared = "health.cleared"
	CommandDone   = "command.done" // the operator changed the mode
)

// An Event is something that happened at the door. Seq is assigned by the journal, from 1
// without gaps; an event that stands for Count others carries the number of the last.
type Event struct {
	Seq   uint64    `json:"seq,omitzero"`
	Time  time.Time `json:"time"`
	Kind  string    `json:"kind"`
	Who   string    `json:"who,omitzero"` // who caused it: one of the Who constants, or empty
	Why   string    `json:"why,omitzero"` // in words
	On    bool      `json:"on,omitzero"`  // Fire and Tamper
	Count uint64    `json:"count,omitzero"`
}

// Who may unlock a door. The order is that of the record, not of power.
const (
	WhoController = "controller" // facegated, for a person it decided on
	WhoRex        = "rex"
	WhoOperator   = "operator" // a person with access to doord's socket
	WhoFire       = "fire"
)

// The modes of a door.
const (
	Normal = "normal" // locked unless somebody asked
	Hold   = "hold"   // unlocked until released
	Lock   = "lock"   // locked down: grants are refused, the exit button and fire still open
)

// An Action is what the caller does for the controller, in order.
type Action interface{ action() }

// SetRelay asks for the relay's electrical level. The caller reports a failure with
// [Controller.RelayFailed].
type SetRelay struct {
	Energise bool
	Why      string
}

func (SetRelay) action() {}
func (Event) action()    {}

// A Status is a door at a moment.
type Status struct {
	Unlocked bool      `json:"unlocked"`        // a person can pass
	Relay    bool      `json:"relay"`           // the wire carries current
	Mode     string    `json:"mode"`            // Normal, Hold or Lock
	Who      string    `json:"who,omitzero"`    // who the present state comes from
	Why      string    `json:"why,omitzero"`    // and their reason
	Since    time.Time `json:"since"`           // of the present locked or unlocked state
	Until    time.Time `json:"until,omitzero"`  // when it locks by itself
	FailSafe bool      `json:"fail_safe"`       // the lock opens without current
	Inputs   Inputs    `json:"inputs"`          // debounced
	Fault    string    `json:"fault,omitempty"` // why the relay does not obey
}

// Inputs are the debounced states of the lines that are read.
type Inputs struct {
	Rex     bool `json:"rex"`
	Contact bool `json:"contact"` // the door leaf is open
	Fire    bool `json:"fire"`
	Tamper  bool `json:"tamper"`
}

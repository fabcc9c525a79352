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
	Forced        = "door.forced"   // opened while locked, and nothing explains it
	Held          = "door.held"     // open for longer than allowed
	Rex           = "door.rex"      // the exit button was pressed, whether or not that moved the relay
	Fire          = "door.fire"     // On says whether the call began or ended
	Tamper        = "device.tamper" // On says whether the housing was opened or closed
	HealthRaised  = "health.raised"
	HealthCleared = "health.cleared"
	CommandDone   = "command.done" // an operator's or an emergency's setting began or ended
)

// An Event is something that happened at the door. Seq is assigned by the journal, from 1
// without gaps; an event that stands for Count others carries the number of the last.
type Event struct {
	Seq   uint64    `json:"seq,omitzero"`
	Time  time.Time `json:"time"`
	Kind  string    `json:"kind"`
	Who   string    `json:"who,omitzero"` // who caused it: one of the Who constants, or empty
	By    string    `json:"by,omitzero"`  // an operator's name, where one was given
	Why   string    `json:"why,omitzero"` // in words
	On    bool      `json:"on,omitzero"`  // Fire and Tamper
	Count uint64    `json:"count,omitzero"`
}

// Who may move a door. The order is that of the record, not of power.
const (
	WhoController = "controller" // facegated, for a person it decided on
	WhoSchedule   = "schedule"   // facegated, for the hour of the day
	WhoRex        = "rex"
	WhoOperator   = "operator" // a person with access to doord's socket
	WhoFire       = "fire"
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

// What state a door is in, for people. The first that is true is told: forced, held,
// opened, unlocked, locked.
const (
	StateLocked   = "locked"
	StateUnlocked = "unlocked" // and the leaf is closed
	StateOpened   = "opened"   // the leaf is open, whatever the lock does
	StateHeld     = "held"     // the leaf is open for longer than allowed; until it closes
	StateForced   = "forced"   // the leaf was opened while locked; until it closes
)

// A Status is a door at a moment. Who, By, Why, Since and Until tell of what makes it locked
// or unlocked now: a setting, an ask, or how the last ask ended.
type Status struct {
	State    string    `json:"state"`           // one of the State constants
	Unlocked bool      `json:"unlocked"`        // a person can pass
	Relay    bool      `json:"relay"`           // the wire carries current
	Mode     string    `json:"mode"`            // one of the Mode constants
	Priority string    `json:"priority"`        // of the setting that holds, or None
	SetBy    string    `json:"set_by,omitzero"` // who made the setting that holds: a name, or one of the Who constants
	Who      string    `json:"who,omitzero"`    // who the present state comes from
	By       string    `json:"by,omitzero"`     // their name, where one was given
	Why      string    `json:"why,omitzero"`    // and their reason
	Since    time.Time `json:"since"`
	Until    time.Time `json:"until,omitzero"` // when it ends by itself
	Settings []Setting `json:"settings,omitempty"`
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

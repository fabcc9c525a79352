package access

import "time"

// A Visit is everything a decision depends on but the rules, the people and the memory: one
// person's try to pass a door.
type Visit struct {
	Door string
	At   time.Time // on the wall clock
	// Clock says whether At can be trusted; anything but ClockSynced is unsure.
	Clock Clock
	// Floor is a moment that has certainly passed, for [UseFloor].
	Floor time.Time
	// Seen is what the camera knows, nil where nobody showed a face.
	Seen *Sighting
	// Posted says that the picture came in over an API and not through the kiosk's own lens.
	Posted bool
	// PIN is what was typed.
	PIN Entry
	// First is somebody who, a moment ago, met every demand of the door but that of a second
	// person.
	First string
	// LockedDown says that the door is locked by an operator or an emergency.
	LockedDown bool
}

// An Entry is a PIN that was typed, already checked. The zero value is none.
type Entry struct {
	Person string // whose PIN it was said to be
	Result EntryResult
}

// EntryResult is what became of a PIN.
type EntryResult uint8

// Results of a PIN entry.
const (
	EntryNone   EntryResult = iota
	EntryWrong              // or the person has none, or does not exist
	EntryRight              //
	EntryDuress             // the person is being forced
)

// of reports whether e is a PIN of p, and the right one. Who has none cannot have typed it.
func (e Entry) of(p Person) bool {
	return e.Person == p.ID && (e.Result == EntryRight && p.PIN != "" || e.Result == EntryDuress && p.Duress != "")
}

// A Need is what is asked of the person by a challenge.
type Need string

// What can be asked.
const (
	NeedPIN    Need = "pin"
	NeedFace   Need = "face"
	NeedSecond Need = "second" // a second person
)

// Alarms a decision raises.
const (
	AlarmDuress  = "duress"  // silent: nothing at the door may show it
	AlarmBlocked = "blocked" // somebody who is blocked was recognised
	AlarmLockout = "lockout" // a credential has just been locked out, or is
)

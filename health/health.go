// Package health is what is wrong with a kiosk, in one place for the command line, the
// screen, the metrics and the fleet.
//
// A condition is something wrong that may pass: the camera is unplugged, the disk is nearly
// full. Which conditions there are, how bad each is and what to do about it is a fixed table
// ([Table]). Whoever notices one tells the [Board], again and again or once; the board waits
// until the report has held for a while (debounce) before it raises the condition, and until
// the all-clear has held before it clears it. A condition that another raised one accounts for
// is raised as well, but names its cause and is no alarm of its own.
//
// Nothing here logs, records or acts: a [Subscription] hands every raising and clearing to who
// does. Boards and subscriptions are safe for concurrent use. The probes that look at disk,
// temperature, queue and clock are cores without clock or hardware, asked by a [Watch].
package health

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// An ID names a condition. The words are fixed: events, metrics and the fleet carry them.
type ID string

// The conditions.
const (
	CameraLost      ID = "camera_lost"
	CameraStalled   ID = "camera_stalled"
	CameraFrozen    ID = "camera_frozen"
	CameraBlack     ID = "camera_black"
	ModelsRefused   ID = "models_refused"
	LicenceEnded    ID = "licence_ended"
	StoreSick       ID = "store_sick"
	ClockUnsure     ID = "clock_unsure"
	QueueOld        ID = "queue_old"
	DiskLow         ID = "disk_low"
	Hot             ID = "hot"
	DoorAway        ID = "door_away"
	DoorFault       ID = "door_fault"
	DoorForced      ID = "door_forced"
	DoorHeld        ID = "door_held"
	Tamper          ID = "tamper"
	LivenessWeak    ID = "liveness_weak"
	AuditBestEffort ID = "audit_best_effort"
	HTTPDown        ID = "http_down"
)

// Severity is how bad a condition is.
type Severity uint8

// The severities, least first.
const (
	Notice   Severity = iota // how the site is set up, shown as long as it holds
	Warning                  // it works; somebody should look
	Critical                 // the kiosk does not do its work, or the door is not safe
)

// severities are the words for the severities.
func severities() []string { return []string{"notice", "warning", "critical"} }

func (s Severity) String() string {
	if words := severities(); int(s) < len(words) {
		return words[s]
	}
	return fmt.Sprintf("Severity(%d)", uint8(s))
}

// MarshalText is the severity's word.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText accepts the words of the severities.
func (s *Severity) UnmarshalText(b []byte) error {
	i := slices.Index(severities(), string(b))
	if i < 0 {
		return fmt.Errorf("no severity %q", b)
	}
	*s = Severity(i)
	return nil
}

// A Meaning is what a condition means to an operator.
type Meaning struct {
	ID       ID
	Severity Severity
	Title    string // what is wrong, in a few words
	Hint     string // what to do next
	// A report must hold this long before the condition is raised, an all-clear before it is
	// cleared. Whoever reports may have waited already.
	RaiseAfter, ClearAfter time.Duration
	// StopsGranting says that nobody is let in by face while the condition is raised. Exit
	// button and fire input do not ask.
	StopsGranting bool
	// ExplainedBy are the conditions that account for this one, the likeliest first.
	ExplainedBy []ID
}

// Table is every condition, in the order in which equals are shown.
func Table() []Meaning {
	const s = time.Second
	camera := func(id ID, title, hint string, raise time.Duration, by ...ID) Meaning {
		return Meaning{id, Critical, title, hint, raise, 1 * s, true, by}
	}
	return []Meaning{
		// Stalled and frozen are reported after two seconds of nothing new: no more waiting here.
		camera(CameraLost, "the camera is gone", "plug it in; facegate doctor lists the cameras that are there", 1*s),
		camera(CameraStalled, "the camera delivers no pictures", "unplug it and plug it in again; use another cable or port", 0, CameraLost),
		camera(CameraFrozen, "the camera delivers the same picture over and over", "unplug it and plug it in again; if it comes back, suspect somebody at the cable", 0, CameraLost, CameraStalled),
		camera(CameraBlack, "the camera sees nothing", "uncover the lens, switch on the light", 2*s, CameraLost, CameraStalled, CameraFrozen),
		{ModelsRefused, Critical, "the models do not work", "facegate doctor names the file; facegate setup fetches it again", 0, 0, true, nil},
		{LicenceEnded, Critical, "models may not be used any more", "renew the licence and write its last day into models/local.toml; docs/models.md", 0, 0, true, nil},
		// Whether the door opens without a record is the site's choice, made where decisions are.
		{StoreSick, Critical, "the store does not keep what it is given", "check the disk; facegate doctor looks into the store", 0, 5 * s, false, nil},
		// A clock is unsure for a while after every start.
		{ClockUnsure, Warning, "the time may be wrong", "enable a time service (systemd-timesyncd, chrony), or fit a hardware clock", 60 * s, 5 * s, false, nil},
		{QueueOld, Warning, "events wait to be delivered", "check network and broker: facegate doctor", 0, 10 * s, false, nil},
		{DiskLow, Warning, "the disk is nearly full", "make room: without space nothing is recorded", 10 * s, 30 * s, false, nil},
		{Hot, Warning, "the computer is too hot", "clear its vents, shade it, fit a fan", 10 * s, 30 * s, false, nil},
		{DoorAway, Critical, "doord does not answer", "systemctl status doord", 2 * s, 0, true, nil},
		{DoorFault, Critical, "something at the door does not obey", "check relay, wiring and the chip that carries the lines; facegate door status", 0, 5 * s, false, []ID{DoorAway}},
		{DoorForced, Critical, "the door was opened by force", "go and look", 0, 0, false, nil},
		{DoorHeld, Warning, "the door has been open too long", "close it; look for a wedge", 0, 0, false, nil},
		{Tamper, Critical, "the housing is open", "go and look", 0, 5 * s, false, nil},
		{HTTPDown, Warning, "the network interface is not served", "another program has its address: change [http] listen, or stop that program", 0, 0, false, nil},
		{LivenessWeak, Notice, "pictures of a face are not surely refused", `set [liveness] level = "depth" in facegate.toml`, 0, 0, false, nil},
		{AuditBestEffort, Notice, "the door opens also when nothing can be recorded", "set the site's audit rule to strict", 0, 0, false, nil},
	}
}

// A Condition is one that is raised. It is plain data.
type Condition struct {
	ID       ID        `json:"id"`
	Severity Severity  `json:"severity"`
	Title    string    `json:"title"`
	Cause    string    `json:"cause"` // what was found, at most 200 bytes without control characters; may be empty
	Hint     string    `json:"hint"`
	Since    time.Time `json:"since"` // when it was first reported, before the debounce
	// StopsGranting is as in [Meaning].
	StopsGranting bool `json:"stops_granting"`
	// ExplainedBy is the raised condition that accounts for this one, which then is no alarm
	// of its own; empty where none does.
	ExplainedBy ID `json:"explained_by"`
}

// MarshalJSON is an object of the fields id, severity, title, cause, hint, since (UTC, RFC 3339
// with three decimals), stops_granting and explained_by, all always there.
func (c Condition) MarshalJSON() ([]byte, error) {
	type plain Condition // without this method
	return json.Marshal(struct {
		plain
		Since string `json:"since"`
	}{plain(c), c.Since.UTC().Format("2006-01-02T15:04:05.000Z07:00")})
}

// maxCause is the most bytes of a cause, so that it fits every event and screen.
const maxCause = 200

// tidy makes a text fit for an event: valid, without control characters, bounded.
func tidy(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), maxCause)], "")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s))
}

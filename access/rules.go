package access

import (
	"time"
)

// Rules are a site's rules as an administrator writes them: plain data, not yet checked.
// [Rules.Compile] turns them into a [Policy]. The zero Rules are those of a site that has set
// none: every enrolled, valid person may pass the door [MainDoor], with the face alone. As
// soon as Rules name a door, a group or an access row, nobody passes but by a row of Access.
//
// The toml names are those of the policy file (access/policyfile).
type Rules struct {
	// TimeZone is an IANA name such as "Europe/Berlin", in which schedules are read. Empty is
	// the machine's own.
	TimeZone string `toml:"time_zone"`
	// UnsureClock says what holds while the clock cannot be trusted.
	UnsureClock UnsureClock `toml:"unsure_clock"`
	// RetentionDays is after how many days without being seen a person's templates are erased;
	// 0 is never.
	RetentionDays int `toml:"retention_days"`

	// Holidays are lists of days by name: "2026-12-25", "2026-12-24..2026-12-26", or "12-25" for
	// every year.
	Holidays  map[string][]string     `toml:"holidays"`
	Schedules map[string]ScheduleRule `toml:"schedules"`
	Groups    map[string]GroupRule    `toml:"groups"`
	Doors     map[string]DoorRule     `toml:"doors"`
	Access    []AccessRule            `toml:"access"`
	Lockout   LockoutRule             `toml:"lockout"`
}

// Always is the schedule that always holds. It is not defined in Rules.
const Always = "always"

// UnsureClock is what a site does while its clock cannot be trusted.
type UnsureClock string

// What holds under a clock that cannot be trusted. The empty text is DenyTimeLimited.
const (
	// DenyTimeLimited refuses whatever depends on the time: validity that is limited,
	// schedules other than [Always], bypasses.
	DenyTimeLimited UnsureClock = "deny_time_limited"
	// UseFloor takes the later of the clock and the last moment that has certainly passed.
	UseFloor UnsureClock = "use_floor"
)

// A ScheduleRule is when something holds. Each of Times is days and hours on the wall clock of
// the site's time zone: "mon-fri 08:00-17:30", "sat,sun 10:00-14:00", "daily 00:00-24:00",
// "holiday 10:00-12:00". An interval that ends before it begins goes on past midnight and
// belongs to the day it begins on: "fri 22:00-06:00".
//
// On a day of one of Holidays only the intervals of "holiday" hold, whatever the weekday.
// Where the clock is put back, an interval holds in both passes of the hour; where it is put
// forward, the hour that does not exist is left out.
type ScheduleRule struct {
	Times    []string `toml:"times"`
	Holidays []string `toml:"holidays,omitempty"`
}

// A GroupRule is a group of people. Title is for reading only.
type GroupRule struct {
	Title string `toml:"title,omitempty"`
}

// Everybody in Groups of an [AccessRule] means people of any group or none.
const Everybody = "*"

// An AccessRule lets people of any of Groups pass any of Doors while Schedule holds.
//
//nolint:revive // a row of the file's list "access", beside DoorRule and GroupRule
type AccessRule struct {
	Groups   []string `toml:"groups"`
	Doors    []string `toml:"doors"`
	Schedule string   `toml:"schedule,omitempty"` // empty is Always
}

// Factors are what a person has to show at a door.
type Factors string

// The factors. The empty text is FactorFace.
const (
	FactorFace      Factors = "face"
	FactorFacePIN   Factors = "face+pin" // both
	FactorFaceOrPIN Factors = "face|pin" // either
	FactorPIN       Factors = "pin"      // the PIN alone; a face does not open
)

// A Cover is what a door wants of a mask or a helmet.
type Cover string

// What a door wants. The empty text is CoverOff.
const (
	CoverOff       Cover = "off"
	CoverRemind    Cover = "remind"    // let in, and reminded
	CoverRequired  Cover = "required"  // refused without it
	CoverForbidden Cover = "forbidden" // refused with it; masks only
)

// A Demand is what a door asks of people, or what it asks while a schedule holds. In
// [DoorRule.When] an empty or nil field leaves what held before.
type Demand struct {
	Factors Factors `toml:"factors,omitempty"`
	Mask    Cover   `toml:"mask,omitempty"`
	Helmet  Cover   `toml:"helmet,omitempty"`
	// TwoPeople asks for a second person who may pass here too.
	TwoPeople *bool `toml:"two_people,omitempty"`
	// Score is the least calibrated score of a match, if higher than what the gallery asks for.
	Score float64 `toml:"score,omitempty"`
	// MaskedScore is the same for a face behind a mask.
	MaskedScore float64 `toml:"masked_score,omitempty"`
}

// A DoorRule is what holds at a door.
type DoorRule struct {
	Demand
	// When replaces parts of the demand while a schedule holds; of several that hold, the first
	// that says something about a field counts.
	When []WhenRule `toml:"when,omitempty"`

	// PINInstead lets people who gave no face data pass with their PIN alone.
	PINInstead bool `toml:"pin_instead,omitempty"`
	// Unlock is how long a grant unlocks; 0 is doord's own time. A person's own time counts if
	// it is longer.
	Unlock Duration `toml:"unlock,omitempty"`
	// Escort asks visitors for a second person who is none.
	Escort bool `toml:"escort_visitors,omitempty"`
	// First are groups of which somebody must have passed in the present interval of the
	// schedule that lets a person in, before anybody else may.
	First []string `toml:"first,omitempty"`
	// AntiPassback is for how long somebody who passed is not let in again; 0 is not at all.
	AntiPassback Duration `toml:"anti_passback,omitempty"`
	// Unlocked names the schedule during which the door stands unlocked; empty is never.
	Unlocked string `toml:"unlocked,omitempty"`
	// UnlockedAfterFirst keeps it locked in each interval until somebody has passed.
	UnlockedAfterFirst bool `toml:"unlocked_after_first,omitempty"`
	// Bypass lets a bypass open this door.
	Bypass bool `toml:"bypass,omitempty"`
	// APIMayUnlock lets a picture that was posted over an API open this door.
	APIMayUnlock bool `toml:"api_may_unlock,omitempty"`
}

// A WhenRule is a demand that holds during a schedule.
type WhenRule struct {
	Schedule string `toml:"schedule"`
	Demand
}

// A LockoutRule is when a credential that keeps failing is refused, and for how long. After
// Failures in a row it is locked for Delay; every further failure doubles that, up to Longest,
// which is an hour at most. A grant by that credential ends the row, and so does an hour
// without a failure. Zero fields are 5 failures, 30 s and 15 min.
//
// A credential is one person's face or one person's PIN. Failing at one locks neither the
// other nor anybody else's, so nobody can shut others out.
type LockoutRule struct {
	Failures int      `toml:"failures,omitempty"`
	Delay    Duration `toml:"delay,omitempty"`
	Longest  Duration `toml:"longest,omitempty"`
}

// A Duration is a time.Duration that is written as text: "90s", "10m".
type Duration struct{ time.Duration }

// MarshalText is the duration as text.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads "90s" or "10m".
func (d *Duration) UnmarshalText(text []byte) (err error) {
	d.Duration, err = time.ParseDuration(string(text))
	return err
}

// IsZero reports whether nothing was set, for encoders that leave zero values out.
func (d Duration) IsZero() bool { return d.Duration == 0 }

// Package logkey holds the keys of log attributes, so that one thing has one name in every
// program's log. Values that could identify a person never get a key: people appear by id.
package logkey

// Keys used by more than one package.
const (
	Task      = "task"
	Error     = "err"
	Why       = "why"      // reason in words, as given by who asked
	Who       = "who"      // who asked: camera, rex, operator, fire
	Duration  = "duration" // a time.Duration
	Visit     = "visit"    // how long somebody has stood before the lens
	Line      = "line"     // an input or output of the door by name
	On        = "on"       // a relay's electrical state
	Mode      = "mode"
	Seq       = "seq"
	Kind      = "kind"  // kind of an event
	Count     = "count" // how many
	Path      = "path"
	Address   = "addr" // where something listens or is reached
	Device    = "device"
	Driver    = "driver"
	Model     = "model"
	Person    = "person" // a person's id
	Reason    = "reason" // a reason code
	Signal    = "signal"
	People    = "people"    // how many
	Templates = "templates" // how many
	LeftOut   = "left_out"  // how many could not be used
	Decision  = "decision"  // grant, deny, challenge
	Revision  = "revision"  // of the rules
	Condition = "condition" // id of a health condition
)

// Facegate is the operator's command line: set up, try, enrol, measure, read the audit
// trail, move the door.
//
// Usage: facegate [--home DIR] [--json] COMMAND [arguments]; see facegate help.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	_ "time/tzdata" // schedules are read in the site's time zone on machines that have no zones

	"facegate/access"
)

// Exit codes, fixed from outside.
const (
	exitDone  = 0
	exitNo    = 1 // the answer is no: no match, a check failed
	exitUsage = 2
	exitError = 3 // it could not be done
)

// errNo ends a command whose answer is no after it has printed it.
var errNo = errors.New("no")

// A usageError is a command line that makes no sense.
type usageError struct{ msg string }

func (e usageError) Error() string { return e.msg }

// A helpWanted ends a command that was asked for its flags.
type helpWanted struct{ fs *flag.FlagSet }

func (helpWanted) Error() string { return "help wanted" }

func usagef(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// A command is one verb of the command line.
type command struct {
	name, args, does string
	run              func(ctx context.Context, e *env, args []string) error
}

// An env is what every command gets: where it writes and which instance it speaks for.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	home           string
	json           bool
}

func commands() []command {
	return []command{
		{"setup", "[--offline] [--arch arm64]", "fetch and verify runtime and models", setup},
		{"demo", "[--oneshot] [--camera DEVICE]", "play the main job on a simulated door", demo},
		{"doctor", "", "check camera, models, door, store and disk, with a hint for what is wrong", doctor},
		{"person", "add|list|show|set|remove|remove-template …", "people", person},
		{"consent", "give|show|withdraw ID …", "whether a person agreed that their face is kept", consent},
		{"enrol", "ID --photo FILE… | --camera", "store a person's template", enrolPerson},
		{"pin", "set|remove|enter ID [--duress]", "a person's PINs, and typing one at the door", pin},
		{"block", "ID --reason REASON", "let somebody in nowhere, and raise an alarm when they come", block},
		{"unblock", "ID", "end that", unblock},
		{"bypass", "grant|show|end …", "let somebody in for a time whatever the rules say", bypass},
		{"policy", "apply|check|show|history|explain|example …", "the rules: who may pass which door when, and why not", policy},
		{"analyse", "FILE… | --sequence DIR [--level LEVEL]", "what the pipeline sees in pictures", analyse},
		{"document", "FILE…", "read an identity document: machine-readable zone or PDF417", documentCommand},
		{"compare", "A B", "are two pictures of one person", compare},
		{"identify", "FILE… [--gallery DIR_OR_CSV]", "who is in a picture", identify},
		{"embed", "LIST.csv --root DIR --out FILE.npy", "embeddings of a list of pictures", embedList},
		{"eval", "--suite DIR --out DIR", "accuracy report on labelled pictures", evaluate},
		{"bench", "[match|frames|models|decision]", "timing table, beside installed peers", bench},
		{"events", "[verify|head] [--follow] [--since SEQ]", "the audit trail", events},
		{"door", "status|unlock|lock|release|sim …", "the door", doorCommand},
		{"health", "", "what is wrong with the running kiosk", healthCommand},
		{"key", "create|list|revoke …", "keys of the APIs", key},
		{"project", "set|list|delete …", "what the keys of one project have in common", project},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, &env{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}, os.Args[1:])
	stop()
	os.Exit(code)
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, e *env, args []string) int {
	fs := e.flags("facegate")
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		e.help()
		return exitDone
	} else if err != nil {
		return e.usage(err)
	}
	args = fs.Args()
	if len(args) == 2 && args[0] == "help" {
		args = []string{args[1], "--help"}
	}
	if len(args) == 0 || args[0] == "help" {
		e.help()
		return map[bool]int{true: exitUsage, false: exitDone}[len(args) == 0]
	}
	all := commands()
	i := slices.IndexFunc(all, func(c command) bool { return c.name == args[0] })
	if i < 0 {
		return e.usage(usagef("unknown command %q; facegate help lists the commands", args[0]))
	}
	err := all[i].run(ctx, e, args[1:])
	var usage usageError
	var help helpWanted
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &help):
		fmt.Fprintf(e.stdout, "usage: facegate %s %s\n%s\n", all[i].name, all[i].args, all[i].does)
		help.fs.SetOutput(e.stdout)
		help.fs.PrintDefaults()
		return exitDone
	case errors.Is(err, errNo):
		return exitNo
	case errors.As(err, &usage):
		return e.usage(fmt.Errorf("%w\nusage: facegate %s %s", err, all[i].name, all[i].args))
	}
	fmt.Fprintf(e.stderr, "facegate %s: %v\n", all[i].name, err)
	if hint := hintOf(err); hint != "" && !strings.Contains(err.Error(), hint) {
		fmt.Fprintf(e.stderr, "hint: %s\n", hint)
	}
	return exitError
}

// hintOf is what a person can do about an error, or nothing.
func hintOf(err error) string {
	h, ok := errors.AsType[interface {
		error
		Hint() string
	}](err)
	switch {
	case ok:
		return h.Hint()
	case errors.Is(err, access.ErrNotFound):
		return "facegate person list shows who there is, facegate person add adds somebody"
	case errors.Is(err, access.ErrExists):
		return "facegate person list shows who there is"
	}
	return ""
}

func (e *env) help() {
	fmt.Fprintln(e.stdout, "facegate: a door that knows its people\n\nusage: facegate [--home DIR] [--json] COMMAND …")
	for _, c := range commands() {
		fmt.Fprintf(e.stdout, "  %-9s %-44s %s\n", c.name, c.args, c.does)
	}
	fmt.Fprintln(e.stdout, "\nexit codes: 0 done, 1 the answer is no, 2 usage, 3 it could not be done")
}

func (e *env) usage(err error) int {
	fmt.Fprintf(e.stderr, "facegate: %v\n", err)
	return exitUsage
}

// flags is a flag set that knows the flags every command takes.
func (e *env) flags(name string) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&e.home, "home", e.home, "directory of the instance")
	fs.BoolVar(&e.json, "json", e.json, "one JSON object a line")
	return fs
}

// parse reads flags wherever they stand among the arguments and returns the others.
func parse(fs *flag.FlagSet, args []string) ([]string, error) {
	var rest []string
	for {
		if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
			return nil, helpWanted{fs}
		} else if err != nil {
			return nil, usageError{err.Error()}
		}
		args = fs.Args()
		if len(args) == 0 {
			return rest, nil
		}
		rest, args = append(rest, args[0]), args[1:]
	}
}

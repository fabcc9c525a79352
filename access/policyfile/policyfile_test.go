package policyfile

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"facegate/access"
)

func load(t testing.TB, text string) *access.Rules {
	t.Helper()
	r, err := Load(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return r
}

func TestExample(t *testing.T) {
	r := load(t, string(Example()))
	if _, err := r.Compile(1); err != nil {
		t.Errorf("the example does not compile: %v", err)
	}
	// Every key of the rules is set somewhere, not only mentioned.
	var keys func(reflect.Type)
	keys = func(x reflect.Type) {
		for f := range x.Fields() {
			ft := f.Type
			for ft.Kind() == reflect.Slice || ft.Kind() == reflect.Map {
				ft = ft.Elem()
			}
			if ft.Kind() == reflect.Struct && ft != reflect.TypeFor[access.Duration]() {
				keys(ft)
			}
			name, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
			if name == "" {
				if !f.Anonymous {
					t.Errorf("%v.%s has no name in the file", x, f.Name)
				}
				continue
			}
			if !regexp.MustCompile(`(?m)^(` + name + ` = |\[+` + name + `\b|\[\[?[a-z.]+\.` + name + `\])`).Match(Example()) {
				t.Errorf("the example does not set %s", name)
			}
		}
	}
	keys(reflect.TypeFor[access.Rules]())

	// Reading the example means what it says.
	main := r.Doors["main"]
	if main.Factors != access.FactorFace || main.Unlock.Duration != 5*time.Second || main.Score != 90 || len(main.When) != 1 ||
		main.When[0].Factors != access.FactorFacePIN || !*main.When[0].TwoPeople || *main.TwoPeople || main.AntiPassback.Duration != 2*time.Minute {
		t.Errorf("main: %+v", main)
	}
	if r.Lockout.Longest.Duration != 15*time.Minute || r.RetentionDays != 365 || len(r.Access) != 3 || r.Access[1].Schedule != "office" {
		t.Errorf("rules: %+v", r)
	}
}

// The manual's examples are read, and the one that stands alone is sound.
func TestManual(t *testing.T) {
	text, err := os.ReadFile("../../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```toml\n(.*?)```").FindAllSubmatch(text, -1)
	if len(blocks) < 2 {
		t.Fatalf("%d examples", len(blocks))
	}
	for i, b := range blocks {
		r := load(t, string(b[1]))
		if _, err := r.Compile(1); err != nil && i == 0 {
			t.Error(err)
		}
	}
}

func TestFormatGolden(t *testing.T) {
	got := string(Format(load(t, `
access = [{doors=["b", "a"], groups=["*"]}]
[doors.b]
unlock = "90m"
two_people = false
when = [{schedule="always", helmet="remind"}]
[doors."a b"]
score = 91.5
`)))
	want := `# The rules of this site, for ` + "`facegate policy apply`" + `. They are taken as a whole or not at all.

# time_zone = "Europe/Berlin" # in which schedules are read; without it, the machine's own
# unsure_clock = "deny_time_limited" # or "use_floor", while the clock cannot be trusted
# retention_days = 0 # templates of people not seen for so long are erased; 0 is never

# A face or PIN that keeps failing is refused for a while. Nobody else's is.
[lockout]
# failures = 5 # in a row
# delay = "30s" # the first time; it doubles with every further failure
# longest = "15m" # at most 1h

# What each door asks for. Without anything it asks for the face.
[doors."a b"]
score = 91.5

[doors.b]
two_people = false
unlock = "1h30m"

[[doors.b.when]]
schedule = "always"
helmet = "remind"

# Who may pass which door when: people of any of groups, at any of doors, while schedule holds. "*" is everybody.
[[access]]
groups = ["*"]
doors = ["b", "a"]
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestFormatOfNoRules(t *testing.T) {
	text := Format(&access.Rules{})
	if !bytes.Contains(text, []byte(`every enrolled person who is valid now may pass`)) {
		t.Errorf("nothing is said about what holds:\n%s", text)
	}
	if diff := cmp.Diff(&access.Rules{}, load(t, string(text))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// What Format shows as a comment is what holds without it.
func TestDefaultsInComments(t *testing.T) {
	uncommented := regexp.MustCompile(`(?m)^# ([a-z_]+ = )`).ReplaceAll(Format(&access.Rules{}), []byte("$1"))
	r := load(t, string(uncommented))
	want := &access.Rules{
		TimeZone: "Europe/Berlin", UnsureClock: access.DenyTimeLimited,
		Lockout: access.LockoutRule{Failures: 5, Delay: access.Duration{Duration: 30 * time.Second}, Longest: access.Duration{Duration: 15 * time.Minute}},
	}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if _, err := r.Compile(1); err != nil {
		t.Error(err)
	}
}

func TestLoadRefuses(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"an unknown key", "\ntimezone = \"UTC\"", "line 2, column 1: timezone: unknown key"},
		{"another spelling of a key", "Time_Zone = \"UTC\"", "line 1, column 1: Time_Zone: unknown key"},
		{"an unknown key of a door", "[doors.main]\nfactor = \"face\"", "line 2, column 1: doors.main.factor: unknown key"},
		{"an unknown key of an exception", "[[doors.main.when]]\nschedule = \"x\"\n  unlock = \"3s\"", "line 3, column 3: doors.main.when.unlock: unknown key"},
		{"an unknown key in an inline table", "doors.main = {mask=\"off\", visor=1}", "line 1, column 27: doors.main.visor: unknown key"},
		{"an unknown key in a list of inline tables", "access = [\n{groups=[\"a\"]}, {group=[\"a\"]}]", "line 2, column 18: access.group: unknown key"},
		{"an unknown table", "[door.main]", "line 1, column 2: door: unknown key"},
		{"the embedded struct's own name", "[doors.main.Demand]\nmask=\"off\"", "doors.main.Demand: unknown key"},
		{"several unknown keys", "a = 1\nb = 2", "line 2, column 1: b: unknown key"},
		{"a wrong type", "retention_days = \"ten\"", "line 1, column 18"},
		{"a wrong type deep down", "[doors.main]\nfirst = \"staff\"", "line 2"},
		{"a table that is a value", "groups = 3", "line 1"},
		{"a duration without a unit", "[lockout]\ndelay = \"30\"", "line 2"},
		{"a duration that is a number", "[lockout]\ndelay = 30", "line 2, column 1: lockout.delay: a duration is a text"},
		{"a key twice", "[groups.a]\n[groups.a]", "line 2"},
		{"no TOML", "groups: [a]", "line 1"},
		{"text that is not UTF-8", "time_zone = \"\xff\"", "line 1"},
		{"too long", "#" + strings.Repeat("x", MaxBytes), "longer than"},
		{"too many keys", strings.Repeat("lockout.failures = 1\n", maxKeys+1), "more than"},
		{"too many keys in lists", "[[access]]\n" + strings.Repeat("schedule = \"a\"\n", maxAll+1), "more than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Load(strings.NewReader(tt.text))
			if err == nil || r != nil || !errors.Is(err, access.ErrInvalid) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, %v; want an error with %q", r, err, tt.want)
			}
			if err != nil && len(err.Error()) > 2000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
	broken := errors.New("disk on fire")
	if _, err := Load(errReader{broken}); err == nil || !strings.Contains(err.Error(), "disk on fire") {
		t.Errorf("a reader that breaks: %v", err)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// A file of the largest size and the worst kind ends soon, by the number of keys and not by
// luck; the test would run for minutes otherwise.
func TestLoadIsBounded(t *testing.T) {
	for _, line := range []string{"a%07d = 1\n", "[groups.a%07d]\n", "[[a%07d]]\n", "holidays.a%07d = []\n", "doors.main.a%07d.b=0\n"} {
		var b bytes.Buffer
		for i := 0; b.Len()+len(line)+8 < MaxBytes; i++ {
			fmt.Fprintf(&b, line, i)
		}
		if _, err := Load(&b); !errors.Is(err, access.ErrInvalid) {
			t.Errorf("%d bytes of %q: %v", b.Len(), line, err)
		}
	}
	for _, nested := range []string{"[", "{a=", "a."} {
		if _, err := Load(strings.NewReader("holidays.x=" + strings.Repeat(nested, MaxBytes/8))); !errors.Is(err, access.ErrInvalid) {
			t.Errorf("nested %q: %v", nested, err)
		}
	}
}

// names are such as a file may hold.
func names() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"main", "a b", "über", "", "a.b", `quo"te\`, "tab\t\r\n", "\x00\x1f\x7f", "\u2028\ufeff", "'", "#", "1", "true"}),
		rapid.StringMatching(`[a-z_-]{1,8}`),
		rapid.StringN(0, 12, 40),
	)
}

func durations() *rapid.Generator[access.Duration] {
	return rapid.Map(rapid.OneOf(
		rapid.SampledFrom([]time.Duration{0, time.Second, time.Minute, time.Hour, 90 * time.Minute, 60*time.Hour + 10*time.Second, -time.Minute, 1}),
		rapid.Map(rapid.Int64(), func(n int64) time.Duration { return time.Duration(n) }),
	), func(d time.Duration) access.Duration { return access.Duration{Duration: d} })
}

func texts() *rapid.Generator[[]string] {
	return rapid.Map(rapid.SliceOfN(names(), 0, 20), func(x []string) []string {
		if len(x) == 0 {
			return nil
		}
		return x
	})
}

func demand(t *rapid.T) access.Demand {
	d := access.Demand{
		Factors: access.Factors(names().Draw(t, "factors")), Mask: access.Cover(names().Draw(t, "mask")), Helmet: access.Cover(names().Draw(t, "helmet")),
		Score: rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(-1e3, 1e3), rapid.Float64Range(-1e300, 1e300)).Draw(t, "score"), MaskedScore: rapid.Float64Range(0, 100).Draw(t, "masked"),
	}
	if rapid.Bool().Draw(t, "two") {
		d.TwoPeople = new(rapid.Bool().Draw(t, "two people"))
	}
	return d
}

// table is a map with a few entries, nil where it has none.
func table[T any](t *rapid.T, label string, value func() T) map[string]T {
	var m map[string]T
	for range rapid.IntRange(0, 3).Draw(t, label) {
		if m == nil {
			m = make(map[string]T)
		}
		m[names().Draw(t, label+" name")] = value()
	}
	return m
}

// anyRules are rules of any content, sensible or not.
func anyRules(t *rapid.T) *access.Rules {
	flag := func() bool { return rapid.Bool().Draw(t, "flag") }
	r := &access.Rules{
		TimeZone: names().Draw(t, "zone"), UnsureClock: access.UnsureClock(names().Draw(t, "unsure")), RetentionDays: rapid.Int().Draw(t, "days"),
		Lockout:  access.LockoutRule{Failures: rapid.IntRange(-1, 9).Draw(t, "failures"), Delay: durations().Draw(t, "delay"), Longest: durations().Draw(t, "longest")},
		Holidays: table(t, "holidays", func() []string { return texts().Draw(t, "list") }),
		Schedules: table(t, "schedules", func() access.ScheduleRule {
			return access.ScheduleRule{Times: texts().Draw(t, "times"), Holidays: texts().Draw(t, "of")}
		}),
		Groups: table(t, "groups", func() access.GroupRule { return access.GroupRule{Title: names().Draw(t, "title")} }),
		Doors: table(t, "doors", func() access.DoorRule {
			d := access.DoorRule{
				Demand: demand(t), PINInstead: flag(), Unlock: durations().Draw(t, "unlock"), Escort: flag(), First: texts().Draw(t, "first"),
				AntiPassback: durations().Draw(t, "apb"), Unlocked: names().Draw(t, "unlocked"), UnlockedAfterFirst: flag(), Bypass: flag(), APIMayUnlock: flag(),
			}
			for range rapid.IntRange(0, 2).Draw(t, "when") {
				d.When = append(d.When, access.WhenRule{Schedule: names().Draw(t, "schedule"), Demand: demand(t)})
			}
			return d
		}),
	}
	for range rapid.IntRange(0, 3).Draw(t, "rows") {
		r.Access = append(r.Access, access.AccessRule{Groups: texts().Draw(t, "groups"), Doors: texts().Draw(t, "doors"), Schedule: names().Draw(t, "schedule")})
	}
	return r
}

// What Format writes, Load gives back, and it is written the same way again.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyRules(t)
		text := Format(r)
		again, err := Load(bytes.NewReader(text))
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if !reflect.DeepEqual(r, again) {
			t.Fatalf("-written +read:\n%s\n%s", cmp.Diff(r, again), text)
		}
		if second := Format(again); !bytes.Equal(text, second) {
			t.Fatalf("written differently:\n%s", cmp.Diff(string(text), string(second)))
		}
	})
}

func FuzzLoad(f *testing.F) {
	f.Add(Example())
	f.Add(Format(&access.Rules{}))
	f.Add([]byte("access = [{groups=['a'], doors=['main']}]\ndoors.main.when = [{schedule='always'}]\n[groups]\na = {}"))
	f.Add([]byte("[[doors.a.when]]\n[doors.a.when.x]\n[[access]]\n[access.y]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Load(bytes.NewReader(text))
		if (r == nil) == (err == nil) {
			t.Fatalf("%v, %v", r, err)
		}
		if err != nil {
			if !errors.Is(err, access.ErrInvalid) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		if _, err := r.Compile(1); err != nil {
			return
		}
		again := load(t, string(Format(r)))
		if !reflect.DeepEqual(r, again) {
			t.Fatalf("-written +read:\n%s", cmp.Diff(r, again))
		}
	})
}

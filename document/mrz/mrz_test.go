package mrz

import (
	"encoding/csv"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"facegate/internal/sharedtest"
)

// examples are the specimens of Doc 9303.
func examples() map[Format]string {
	return map[Format]string{
		TD1:  "I<UTOD231458907<<<<<<<<<<<<<<<|7408122F1204159UTO<<<<<<<<<<<6|ERIKSSON<<ANNA<MARIA<<<<<<<<<<",
		TD2:  "I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<|D231458907UTO7408122F1204159<<<<<<<6",
		TD3:  "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<|L898902C36UTO7408122F1204159ZE184226B<<<<<10",
		MRVA: "V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<|L8988901C4XXX4009078F96121096ZE184226B<<<<<<",
		MRVB: "V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<|L8988901C4XXX4009078F9612109<<<<<<<<",
	}
}

func parse(t *testing.T, zone string) *Record {
	t.Helper()
	r, err := Parse(strings.Split(zone, "|"))
	if err != nil {
		t.Fatalf("%s: %v", zone, err)
	}
	return r
}

func TestExamples(t *testing.T) {
	for format, zone := range examples() {
		r := parse(t, zone)
		if r.Format != format || !r.Valid() || r.Surname != "ERIKSSON" || r.Given != "ANNA MARIA" || r.Issuer != "UTO" || r.Sex != "F" || r.Truncated {
			t.Errorf("%s: %+v", format, r)
		}
	}
	r := parse(t, examples()[TD3])
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	got := []string{r.Code, r.Number, r.Nationality, r.Birth.Birth(at).String(), r.Expiry.Expiry().String(), r.Optional[0]}
	if diff := cmp.Diff([]string{"P", "L898902C3", "UTO", "1974-08-12", "2012-04-15", "ZE184226B"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestLongNumber(t *testing.T) {
	r := parse(t, "I<UTOD23145890<7349<<<<<<<<<<<|3407127M9507122UTO<<<<<<<<<<<2|STEVENSON<<PETER<JOHN<<<<<<<<<")
	if !r.Valid() || r.Number != "D23145890734" || r.Optional[0] != "" {
		t.Errorf("valid %v, number %q, optional %q, %+v", r.Valid(), r.Number, r.Optional, r.Checks)
	}
	for _, zone := range []string{
		"I<UTOD23145890<7348<<<<<<<<<<<|3407127M9507122UTO<<<<<<<<<<<2|STEVENSON<<PETER<JOHN<<<<<<<<<", // another digit
		"I<UTOD23145890<9<<<<<<<<<<<<<<|3407127M9507122UTO<<<<<<<<<<<2|STEVENSON<<PETER<JOHN<<<<<<<<<", // nothing continues
		"I<UTO<<<<<<<<<<<<<<<<<<<<<<<<<|3407127M9507122UTO<<<<<<<<<<<2|STEVENSON<<PETER<JOHN<<<<<<<<<", // no number
	} {
		if r := parse(t, zone); r.Checks[1].Passed {
			t.Errorf("%s: the number passes", zone)
		}
	}
}

func TestOptionalDigit(t *testing.T) {
	for digit, want := range map[string]bool{"<": true, "0": true, "1": false, "A": false} {
		line := "AA00000000POL6002084F1412314<<<<<<<<<<<<<<" + digit
		line += string(Digit(line[:10] + line[13:20] + line[21:43]))
		if got := parse(t, "P<POLKOWALSKA<KWIATKOWSKA<<JOANNA<<<<<<<<<<<|"+line).Valid(); got != want {
			t.Errorf("empty optional data with digit %s: valid %v, want %v", digit, got, want)
		}
	}
}

func TestYears(t *testing.T) {
	at := time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)
	for yymmdd, want := range map[string]string{
		"260615": "2026-06-15", "260616": "1926-06-16", "000101": "2000-01-01", "991231": "1999-12-31",
		"80<<<<": "1980", "8002<<": "1980-02", "<<<<<<": "", "801301": "", "800230": "", "8A0101": "", "80<<01": "", "800229": "1980-02-29",
	} {
		if got := shortDate(yymmdd).Birth(at).String(); got != want {
			t.Errorf("birth %s = %q, want %q", yymmdd, got, want)
		}
	}
	d := shortDate("260615").Expiry()
	if d.Before(at) || !d.Before(at.AddDate(0, 0, 1)) || d.Before(at.AddDate(0, 0, -1)) {
		t.Error("a document holds through its last day and no longer")
	}
	if got := shortDate("990101").Expiry().String(); got != "2099-01-01" {
		t.Errorf("expiry 99 = %s", got)
	}
}

func TestRepair(t *testing.T) {
	zone := strings.Split(examples()[TD3], "|")
	mixed := []string{zone[0], strings.Replace(zone[1], "7408122F1204159", "74O8IZZFI2O4IS9", 1)}
	got, changes := Repair(mixed)
	if diff := cmp.Diff(zone, got); diff != "" || len(changes) != 8 {
		t.Errorf("%d changes: %s", len(changes), diff)
	}
	for _, lines := range [][]string{
		{zone[0], strings.Replace(zone[1], "L898902C3", "L8989O2C3", 1)},                   // the number may have an O
		{strings.Replace(zone[0], "ERIKSSON", "ERIK55ON", 1), zone[1]},                     // no digit covers a name
		{zone[0], strings.Replace(zone[1], "7408122F", "74O8123F", 1)},                     // the digit does not fit
		{strings.Replace(zone[0], "UTO", "UT0", 1), strings.Replace(zone[1], "F", "5", 1)}, // nor issuer and sex
		{"short"},
	} {
		if got, changes := Repair(lines); changes != nil || cmp.Diff(lines, got) != "" {
			t.Errorf("%q became %q", lines, got)
		}
	}
}

func TestFormats(t *testing.T) {
	for _, lines := range [][]string{nil, {""}, {"P<UTO"}, {strings.Repeat("<", 44)}, {strings.Repeat("<", 44), strings.Repeat("<", 43)}, {strings.Repeat("<", 43) + "a", strings.Repeat("<", 44)}, {strings.Repeat("é", 22), strings.Repeat("<", 44)}} {
		if _, err := Parse(lines); !errors.Is(err, ErrFormat) {
			t.Errorf("%q: %v", lines, err)
		}
	}
	r := parse(t, strings.Repeat("<", 44)+"|"+strings.Repeat("<", 44))
	if r.Valid() || (&Record{}).Valid() {
		t.Error("nothing is valid")
	}
}

// zones draws a valid zone of a format.
func zones(format Format) *rapid.Generator[[]string] {
	return rapid.Custom(func(t *rapid.T) []string {
		n, length := format.Shape()
		l := layoutOf(format)
		rows := make([][]byte, n)
		for i := range rows {
			rows[i] = make([]byte, length)
			for k := range rows[i] {
				alphabet, _ := format.Alphabet(i, k)
				rows[i][k] = rapid.SampledFrom([]byte(alphabet)).Draw(t, "c")
			}
		}
		put := func(s span, v string) { copy(rows[s.line][s.from:s.to], v) }
		get := func(s span) string { return string(rows[s.line][s.from:s.to]) }
		rows[0][0] = 'I'
		if format == MRVA || format == MRVB {
			rows[0][0] = 'V'
		}
		day := func() string {
			return time.Date(2000, 1, rapid.IntRange(1, 36000).Draw(t, "day"), 0, 0, 0, 0, time.UTC).Format("060102")
		}
		put(l.birth, day())
		put(l.expiry, day())
		rows[l.number.line][l.number.from] = 'X' // a number is not empty
		put(l.birthCheck, string(Digit(get(l.birth))))
		put(l.expiryCheck, string(Digit(get(l.expiry))))
		put(l.numberCheck, string(Digit(get(l.number))))
		if format == TD3 {
			put(l.optionalCheck, string(Digit(get(l.optional))))
		}
		if len(l.composite) > 0 {
			var all string
			for _, s := range l.composite {
				all += get(s)
			}
			put(l.compositeCheck, string(Digit(all)))
		}
		lines := make([]string, n)
		for i := range rows {
			lines[i] = string(rows[i])
		}
		return lines
	})
}

// A valid zone is read as such; change one character and it is refused wherever a digit
// can see it: where the weighted values differ modulo 10.
func TestOneWrongCharacterIsSeen(t *testing.T) {
	for format := range examples() {
		t.Run(string(format), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				lines := zones(format).Draw(t, "zone")
				r, err := Parse(lines)
				if err != nil || r.Format != format || !r.Valid() {
					t.Fatalf("%q: %v %+v", lines, err, r)
				}
				i := rapid.IntRange(0, len(lines)-1).Draw(t, "line")
				k := rapid.IntRange(0, len(lines[i])-1).Draw(t, "column")
				c := rapid.SampledFrom([]byte("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ<")).Draw(t, "other")
				was := lines[i][k]
				_, covered := format.Alphabet(i, k)
				if c == was || value(c)%10 == value(was)%10 || !covered {
					t.Skip()
				}
				lines[i] = lines[i][:k] + string(c) + lines[i][k+1:]
				if r, err = Parse(lines); err != nil || r.Valid() {
					t.Fatalf("%c for %c at %d, %d passes: %q (%v)", c, was, i, k, lines, err)
				}
			})
		})
	}
}

func TestSpecimens(t *testing.T) {
	f, err := os.Open(filepath.Join(sharedtest.Dir(t, "faces"), "id_docs", "labels.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, row := range rows[1:] {
		if row[3] == "" {
			continue
		}
		n++
		if r := parse(t, row[3]); r.Valid() != (row[4] == "valid") {
			t.Errorf("%s: valid %v, labelled %s: %+v", row[0], r.Valid(), row[4], r.Checks)
		}
	}
	t.Logf("%d labelled zones", n)
}

func FuzzParse(f *testing.F) {
	for _, zone := range examples() {
		f.Add(zone)
	}
	f.Fuzz(func(t *testing.T, zone string) {
		lines := strings.Split(zone, "|")
		r, err := Parse(lines)
		if (r == nil) != (err != nil) {
			t.Fatal(r, err)
		}
		fixed, changes := Repair(lines)
		if len(changes) > 0 {
			if r, err := Parse(fixed); err != nil || !r.Valid() {
				t.Fatalf("repaired to %q, which is not valid", fixed)
			}
		}
	})
}

package health

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The table of docs/health.md is the table.
func TestTheDocsTable(t *testing.T) {
	text, err := os.ReadFile("../docs/health.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "| explained by |\n|---|---|---|---|---|---|\n")
	got, _, _ := strings.Cut(rest, "\n\n")
	var want []string
	for _, m := range Table() {
		stops := map[bool]string{true: " yes"}[m.StopsGranting]
		var by strings.Builder
		for _, id := range m.ExplainedBy {
			fmt.Fprintf(&by, " `%s`", id)
		}
		want = append(want, fmt.Sprintf("| `%s` | %v | %v | %v |%s |%s |", m.ID, m.Severity, m.RaiseAfter, m.ClearAfter, stops, by.String()))
	}
	if diff := cmp.Diff(strings.Join(want, "\n"), got); diff != "" {
		t.Error(diff)
	}
}

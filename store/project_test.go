package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"facegate/access"
	"facegate/store/seal"
)

func TestProjects(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	set := func(p Project) (got Project) {
		t.Helper()
		update(t, db, func(tx *Tx) (err error) { got, err = tx.SetProject(p); return err })
		return got
	}
	settings := `{"head_cover":50,"webhook":"https://example.org/geheim"}`
	first := set(Project{API: APIArgos, Name: "helmets", Settings: []byte(settings), Secret: "mine"})
	want := Project{API: APIArgos, Name: "helmets", Settings: json.RawMessage(settings), Secret: first.Secret, Created: noon, Changed: noon}
	got, err := db.Project(t.Context(), APIArgos, "helmets")
	if !cmp.Equal(want, got) || err != nil || len(got.Secret) != 43 {
		t.Errorf("%#v, %v", got, err)
	}
	a, err := got.Argos()
	if diff := cmp.Diff(ArgosProject{Similarity: 70, HeadCover: 50, Webhook: "https://example.org/geheim"}, a); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if again := set(Project{API: APIArgos, Name: "helmets", Settings: []byte("{}")}); again.Secret != first.Secret {
		t.Error("the secret did not stay")
	}
	other := set(Project{API: APIBaf, Name: "helmets", Settings: []byte(`{"any":[1]}`)})
	if _, err := other.Argos(); !errors.Is(err, access.ErrInvalid) || other.Secret == first.Secret {
		t.Errorf("of another API: %v", err)
	}
	must(t, db.Update(t.Context(), act, func(tx *Tx) error {
		p, err := tx.RenewProjectSecret(APIArgos, "helmets")
		if p.Secret == first.Secret {
			t.Error("the secret is the old one")
		}
		return err
	}))
	if got, err := db.Project(t.Context(), APIArgos, "helmets"); err != nil || got.Secret == first.Secret || string(got.Settings) != "{}" {
		t.Errorf("with a new secret: %v, %v", got, err)
	}
	list, err := db.Projects(t.Context())
	if err != nil || len(list) != 2 || list[0].API != APIArgos || list[1].API != APIBaf {
		t.Errorf("%v, %v", list, err)
	}
	update(t, db, func(tx *Tx) error { return tx.DeleteProject(APIArgos, "helmets") })
	for name, err := range map[string]error{
		"read": errOf(db.Project(t.Context(), APIArgos, "helmets")), "delete": db.Update(t.Context(), act, func(tx *Tx) error { return tx.DeleteProject(APIArgos, "helmets") }),
		"renew": db.Update(t.Context(), act, func(tx *Tx) error { return errOf(tx.RenewProjectSecret(APIArgos, "helmets")) }),
	} {
		if !errors.Is(err, access.ErrNotFound) {
			t.Errorf("%s what is gone: %v", name, err)
		}
	}
	if _, err := db.Project(t.Context(), APIBaf, "helmets"); err != nil {
		t.Errorf("another API's of the same name: %v", err)
	}
	events, err := db.Events(t.Context(), 0, 10)
	var commands []string
	for _, e := range events {
		if e.Kind != access.KindCommandDone || e.Data["project"] != "helmets" {
			t.Errorf("event %+v", e)
		}
		commands = append(commands, e.Data["command"]+" "+e.Data["api"])
	}
	if diff := cmp.Diff([]string{"project set argos", "project set argos", "project set baf", "project secret argos", "project delete argos"}, commands); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	must(t, db.Close())
	if names := append(find(t, dir, []byte("geheim")), find(t, dir, []byte(first.Secret))...); names != nil {
		t.Errorf("in the clear in %v", names)
	}
}

func errOf[T any](_ T, err error) error { return err }

func TestProjectsThatAreRefused(t *testing.T) {
	db := open(t, t.TempDir())
	for name, p := range map[string]Project{
		"no API":           {API: "", Name: "p", Settings: []byte("{}")},
		"no name":          {API: APIBaf, Settings: []byte("{}")},
		"a blank":          {API: APIBaf, Name: "p ", Settings: []byte("{}")},
		"no settings":      {API: APIBaf, Name: "p"},
		"a list":           {API: APIBaf, Name: "p", Settings: []byte("[]")},
		"half an object":   {API: APIBaf, Name: "p", Settings: []byte("{")},
		"long settings":    {API: APIBaf, Name: "p", Settings: []byte(`{"a":"` + strings.Repeat("x", maxSettings) + `"}`)},
		"unknown settings": {API: APIArgos, Name: "p", Settings: []byte(`{"similarty":1}`)},
		"wrong type":       {API: APIArgos, Name: "p", Settings: []byte(`{"similarity":"1"}`)},
		"contradiction":    {API: APIArgos, Name: "p", Settings: []byte(`{"occluded":true,"face_cover":0.5}`)},
	} {
		err := db.Update(t.Context(), act, func(tx *Tx) error { return errOf(tx.SetProject(p)) })
		if !errors.Is(err, access.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if list, err := db.Projects(t.Context()); len(list) != 0 || err != nil {
		t.Errorf("kept: %v, %v", list, err)
	}
}

func TestArgosProject(t *testing.T) {
	for _, tt := range []struct {
		project ArgosProject
		want    string // part of the error, or nothing
	}{
		{ArgosProject{}, ""},
		{NewArgosProject(), ""},
		{ArgosProject{Similarity: 100, FaceCover: 100, HeadCover: 100}, ""},
		{ArgosProject{Occluded: true, HeadCover: 50}, ""},
		{ArgosProject{Occluded: true, FaceCover: 1}, "nobody could pass"},
		{ArgosProject{Similarity: -1}, "similarity"},
		{ArgosProject{FaceCover: 100.1}, "face cover"},
		{ArgosProject{HeadCover: math.NaN()}, "head cover"},
		{ArgosProject{Webhook: "https://example.org:8443/a?b=c"}, ""},
		{ArgosProject{Webhook: "http://127.0.0.1:80/a"}, ""},
		{ArgosProject{Webhook: "http://[::1]/a"}, ""},
		{ArgosProject{Webhook: "http://localhost:1/a"}, ""},
		{ArgosProject{Webhook: "http://localhost.example.org/a"}, "https"},
		{ArgosProject{Webhook: "http://127.0.0.1.example.org/"}, "https"},
		{ArgosProject{Webhook: "http://10.0.0.1/"}, "https"},
		{ArgosProject{Webhook: "ftp://example.org/"}, "https"},
		{ArgosProject{Webhook: "https://name:word@example.org/"}, "password"},
		{ArgosProject{Webhook: "https:///a"}, "such as"},
		{ArgosProject{Webhook: "https:example.org"}, "such as"},
		{ArgosProject{Webhook: "javascript:alert(1)"}, "such as"},
		{ArgosProject{Webhook: "https://example.org/#a"}, "fragment"},
		{ArgosProject{Webhook: "https://exa\nmple.org/"}, "such as"},
		{ArgosProject{Webhook: "https://example.org/" + strings.Repeat("a", 2048)}, "longer"},
	} {
		err := tt.project.Check()
		if tt.want == "" && err != nil || tt.want != "" && (!errors.Is(err, access.ErrInvalid) || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%+v: %v, want %q", tt.project, err, tt.want)
		}
	}
}

// Thresholds that somebody changed on the disk hold nobody up and let nobody through: the
// project does not open until it is set again.
func TestDamagedProject(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	for _, name := range []string{"lax", "strict", "whole"} {
		update(t, db, func(tx *Tx) error {
			return errOf(tx.SetProject(Project{API: APIBaf, Name: name, Settings: []byte("{}")}))
		})
	}
	meddle(t, dir, func(raw *sql.DB) {
		run(t, raw, "UPDATE project SET sealed = (SELECT sealed FROM project WHERE name = 'lax') WHERE name = 'strict'", "UPDATE project SET sealed = x'' WHERE name = 'lax'")
	})
	for _, name := range []string{"lax", "strict"} {
		if p, err := db.Project(t.Context(), APIBaf, name); !errors.Is(err, seal.ErrSealed) || p.Secret != "" {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
	if list, err := db.Projects(t.Context()); !errors.Is(err, seal.ErrSealed) || len(list) != 1 || list[0].Name != "whole" {
		t.Errorf("%v, %v", list, err)
	}
	update(t, db, func(tx *Tx) error {
		return errOf(tx.SetProject(Project{API: APIBaf, Name: "strict", Settings: []byte("{}")}))
	})
	if p, err := db.Project(t.Context(), APIBaf, "strict"); err != nil || len(p.Secret) != 43 {
		t.Errorf("set again: %v, %v", p, err)
	}
}

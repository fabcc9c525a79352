package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"facegate/access"
	"facegate/api/baf"
	"facegate/api/faceguard"
	"facegate/api/lapis"
	"facegate/kiosk"
	"facegate/store"
	"facegate/store/seal"
)

func project(ctx context.Context, e *env, args []string) error {
	if len(args) == 0 {
		return usagef("project set, list or delete")
	}
	verb, args := args[0], args[1:]
	switch verb {
	case "-h", "-help", "--help":
		return helpWanted{e.flags("project")}
	case "set":
		return projectSet(ctx, e, args)
	case "list":
		return projectList(ctx, e, args)
	case "delete":
		return projectDelete(ctx, e, args)
	}
	return usagef("project knows no %q", verb)
}

// A projectLine is how a project is printed as JSON.
type projectLine struct {
	API      string          `json:"api"`
	Name     string          `json:"name"`
	Settings json.RawMessage `json:"settings"`
	Secret   string          `json:"secret,omitempty"` // where it was made just now
}

// argosFlags are the settings of a project of argos as flags say them.
type argosFlags struct {
	store.ArgosProject
	occluded string
	named    map[string]bool
}

func (a *argosFlags) flags(fs *flag.FlagSet) {
	a.ArgosProject = store.NewArgosProject()
	fs.Float64Var(&a.Similarity, "similarity", a.Similarity, "argos: least similarity, 0..100; 0 compares nothing")
	fs.StringVar(&a.occluded, "occluded", "off", "argos: on refuses a face that something covers")
	fs.Float64Var(&a.FaceCover, "face-cover", a.FaceCover, "argos: least score of a mask, 0..100; 0 demands none")
	fs.Float64Var(&a.HeadCover, "head-cover", a.HeadCover, "argos: least score of a helmet, 0..100; 0 demands none")
	fs.StringVar(&a.Webhook, "webhook", a.Webhook, "argos: https URL that is told of every authentication")
}

// read notes which settings were named.
func (a *argosFlags) read(fs *flag.FlagSet) error {
	a.named = map[string]bool{}
	fs.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "similarity", "occluded", "face-cover", "head-cover", "webhook":
			a.named[f.Name] = true
		}
	})
	if a.occluded != "on" && a.occluded != "off" {
		return usagef("--occluded is on or off, not %q", a.occluded)
	}
	a.Occluded = a.occluded == "on"
	return nil
}

// onto puts what was named onto the settings there are.
func (a *argosFlags) onto(settings json.RawMessage) (json.RawMessage, error) {
	was, err := store.Project{API: store.APIArgos, Settings: settings}.Argos()
	if err != nil {
		return nil, err
	}
	for name, set := range map[string]func(){
		"similarity": func() { was.Similarity = a.Similarity }, "occluded": func() { was.Occluded = a.Occluded },
		"face-cover": func() { was.FaceCover = a.FaceCover }, "head-cover": func() { was.HeadCover = a.HeadCover },
		"webhook": func() { was.Webhook = a.Webhook },
	} {
		if a.named[name] {
			set()
		}
	}
	if err := was.Check(); err != nil {
		return nil, err
	}
	return json.Marshal(was)
}

// merged is settings with the members of changes in their place; null takes one away.
func merged(settings json.RawMessage, changes string) (json.RawMessage, error) {
	var all, named map[string]json.RawMessage
	if err := json.Unmarshal(settings, &all); err != nil {
		return nil, fmt.Errorf("%w: settings: %w", access.ErrInvalid, err)
	}
	if err := json.Unmarshal([]byte(changes), &named); err != nil || named == nil {
		return nil, fmt.Errorf(`%w: --settings takes a JSON object such as {"threshold":80}`, access.ErrInvalid)
	}
	for name, value := range named {
		if string(value) == "null" {
			delete(all, name)
		} else {
			all[name] = value
		}
	}
	return json.Marshal(all)
}

// projectSet makes a project, or changes what its flags name and leaves the rest.
func projectSet(ctx context.Context, e *env, args []string) error {
	var argos argosFlags
	fs := e.flags("project set")
	api := fs.String("api", "", "which API it is of: "+strings.Join(store.APIs(), ", "))
	renew := fs.Bool("new-secret", false, "give it another secret to sign its webhooks with")
	settings := fs.String("settings", "{}", `what changes in the settings of an API other than argos, such as {"threshold":80,"origins":["https://shop.example"]} of faceguard; null takes a setting away`)
	argos.flags(fs)
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if err := argos.read(fs); err != nil {
		return err
	}
	if len(rest) != 1 || *api == "" {
		return usagef("project set takes one name and needs --api API")
	}
	if *api != store.APIArgos && len(argos.named) > 0 {
		return usagef("a project of %s has no such settings: they are of argos", *api)
	}
	if *api == store.APIArgos && *settings != "{}" {
		return usagef("the settings of argos have flags of their own")
	}
	db, err := e.store(ctx)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // the change is committed
	var p store.Project
	made := false
	err = db.Update(ctx, kiosk.Now(admin()), func(tx *store.Tx) error {
		p, err = tx.Project(*api, rest[0])
		// A damaged one is made anew.
		if made = errors.Is(err, access.ErrNotFound) || errors.Is(err, seal.ErrSealed); made {
			p, err = store.Project{API: *api, Name: rest[0], Settings: json.RawMessage("{}")}, nil
		}
		if err == nil && *api == store.APIArgos {
			p.Settings, err = argos.onto(p.Settings)
		} else if err == nil {
			p.Settings, err = merged(p.Settings, *settings)
		}
		if err == nil {
			err = checkSettings(p)
		}
		if err == nil && (made || len(argos.named) > 0 || *settings != "{}" || !*renew) {
			p, err = tx.SetProject(p)
		}
		if err == nil && *renew && !made {
			p, err = tx.RenewProjectSecret(*api, rest[0])
		}
		return err
	})
	if err != nil {
		return err
	}
	l := projectLine{API: p.API, Name: p.Name, Settings: p.Settings}
	if made || *renew {
		l.Secret = p.Secret
	}
	return e.print(l, func(w io.Writer) {
		fmt.Fprintln(w, projectWords(p))
		if l.Secret != "" && p.API == store.APIArgos { // the others send no webhooks
			fmt.Fprintf(w, "%s\nThis secret signs webhooks to the project's servers. It is not shown again.\n", l.Secret)
		}
	})
}

// checkSettings refuses settings that the API would refuse at every call. Those of argos the store
// checks.
func checkSettings(p store.Project) (err error) {
	switch p.API {
	case store.APILapis:
		_, err = lapis.ParseSettings(p.Settings)
	case store.APIBaf:
		_, err = baf.ParseSettings(p.Settings)
	case store.APIFaceguard:
		_, err = faceguard.ParseWorkflow(p.Settings)
	case store.APIFacephi:
		if string(p.Settings) != "{}" {
			err = fmt.Errorf("%w: a project of %s has no settings", access.ErrInvalid, p.API)
		}
	}
	return err
}

// projectWords is a project for people.
func projectWords(p store.Project) string {
	words := fmt.Sprintf("%-9s %s", p.API, p.Name)
	if a, err := p.Argos(); err == nil {
		words += fmt.Sprintf("  similarity %v, occluded %s, face cover %v, head cover %v, webhook %s",
			a.Similarity, map[bool]string{true: "on", false: "off"}[a.Occluded], a.FaceCover, a.HeadCover, orDash(a.Webhook))
	} else if string(p.Settings) != "{}" {
		words += "  " + string(p.Settings)
	}
	return words
}

func projectList(ctx context.Context, e *env, args []string) error {
	rest, err := parse(e.flags("project list"), args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usagef("project list takes no %q", rest[0])
	}
	db, err := e.store(ctx)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // only read
	projects, err := db.Projects(ctx)
	for _, p := range projects {
		l := projectLine{API: p.API, Name: p.Name, Settings: p.Settings}
		err = errors.Join(err, e.print(l, func(w io.Writer) { fmt.Fprintln(w, projectWords(p)) }))
	}
	return err
}

func projectDelete(ctx context.Context, e *env, args []string) error {
	fs := e.flags("project delete")
	api := fs.String("api", "", "which API it is of")
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(rest) != 1 || *api == "" {
		return usagef("project delete takes one name and needs --api API")
	}
	db, err := e.store(ctx)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // the change is committed
	err = db.Update(ctx, kiosk.Now(admin()), func(tx *store.Tx) error { return tx.DeleteProject(*api, rest[0]) })
	if errors.Is(err, access.ErrNotFound) {
		return hinted{err, "facegate project list shows the projects there are"}
	}
	if err != nil {
		return err
	}
	return e.print(map[string]any{"api": *api, "name": rest[0], "deleted": true}, func(w io.Writer) { fmt.Fprintf(w, "deleted %s of %s\n", rest[0], *api) })
}

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"facegate/access"
	"facegate/kiosk"
	"facegate/store"
	"facegate/wallclock"
)

// What a site has decided and how its programs are kept running: the doctor's checks of rules,
// consent, clock and services.

// clock asks whether the time of day can be believed, as the kiosk does.
func (p *physician) clock() {
	const check, hint = "clock", "enable a time service (systemd-timesyncd, chrony), or fit a hardware clock: schedules and the audit trail rest on it"
	source := wallclock.Source{Root: p.root}
	if state, because := source.State(time.Now(), wallclock.Floor()); state == access.ClockSynced {
		p.ok(check, "%s", because)
	} else {
		p.warn(check, hint, "unsure: %s", because)
	}
}

// policy looks whether the rules can be used and name this kiosk's door.
func (p *physician) policy(ctx context.Context, db *store.DB) {
	const check = "policy"
	rules, err := kiosk.ReadPolicy(ctx, db)
	switch {
	case err != nil:
		p.fail(check, "facegate policy apply FILE.toml", "%v", err)
		return
	case rules.Rules() == nil && p.c.Door.Name == access.MainDoor:
		p.ok(check, "none: every valid person may pass the door %q with the face", access.MainDoor)
		return
	case rules.Rules() == nil:
		p.warn(check, "facegate policy apply FILE.toml, with a door of that name",
			"none, which is for the door %q; nobody may pass this kiosk's, %q", access.MainDoor, p.c.Door.Name)
		return
	}
	r := rules.Rules()
	if _, ok := r.Doors[p.c.Door.Name]; !ok && len(r.Doors)+len(r.Access)+len(r.Groups) > 0 {
		p.warn(check, "facegate policy apply FILE.toml, or set [door] name in facegate.toml",
			"revision %d names no door %q: nobody may pass", rules.Revision, p.c.Door.Name)
		return
	}
	p.ok(check, "revision %d: %s", rules.Revision, summary(r))
}

// consent looks whether people's faces are kept as the site has decided.
func (p *physician) consent(ctx context.Context, db *store.DB) {
	const check = "consent"
	without := 0
	err := db.View(ctx, func(tx *store.Tx) error {
		for person, err := range tx.People() {
			if err != nil {
				return err
			}
			if person.Consent != nil {
				continue
			}
			n, err := count(tx, person.ID)
			if err != nil {
				return err
			}
			if n > 0 {
				without++
			}
		}
		return nil
	})
	switch {
	case err != nil:
		p.fail(check, "restore the store from a backup", "%v", err)
	case !p.c.Privacy.ConsentRequired:
		p.ok(check, "not asked for; %d people with templates have given none", without)
	case without > 0:
		p.warn(check, "facegate consent give records it, facegate consent withdraw erases what is kept",
			"required, and %d people with templates have given none", without)
	default:
		p.ok(check, "required, and given by everybody of whom a face is kept")
	}
}

// templates tells of which models there are templates.
func (p *physician) templates(ctx context.Context, db *store.DB) {
	const check = "templates"
	models, err := db.Models(ctx)
	if err != nil {
		p.fail(check, "check the disk", "%v", err)
		return
	}
	var list []string
	for model, n := range models {
		list = append(list, fmt.Sprintf("%d of %s", n, model))
	}
	slices.Sort(list)
	if len(list) == 0 {
		list = []string{"none"}
	}
	p.ok(check, "%s", strings.Join(list, ", "))
}

// services looks, where systemd runs the machine, whether it runs facegate too.
func (p *physician) services() {
	const check = "services"
	if _, err := os.Stat(filepath.Join(p.root, "run/systemd/system")); err != nil {
		return
	}
	var absent, idle []string
	for _, unit := range []string{"doord.service", "facegated.service"} {
		installed := func(dir string) bool {
			_, err := os.Stat(filepath.Join(p.root, dir, unit))
			return err == nil
		}
		if !slices.ContainsFunc([]string{"etc/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"}, installed) {
			absent = append(absent, unit)
		} else if _, err := os.Lstat(filepath.Join(p.root, "etc/systemd/system/multi-user.target.wants", unit)); err != nil {
			idle = append(idle, unit)
		}
	}
	switch {
	case len(absent) > 0:
		p.warn(check, "make install puts them there, see docs/install.md", "not installed: %s", strings.Join(absent, ", "))
	case len(idle) > 0:
		p.warn(check, "systemctl enable --now "+strings.Join(idle, " "), "not started with the machine: %s", strings.Join(idle, ", "))
	default:
		p.ok(check, "doord and facegated start with the machine")
	}
}

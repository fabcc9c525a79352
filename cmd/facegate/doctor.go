package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"facegate/internal/config"
	"facegate/models"
	"facegate/models/load"
	"facegate/pipeline"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/litert"
	"facegate/store"
)

// The states of a finding.
const (
	stateOK      = "ok"
	stateWarning = "warning" // it works, or will; somebody should look
	stateFailed  = "failed"  // a kiosk does not work like this
)

// A diagnosis is one line of `facegate doctor`.
type diagnosis struct {
	Check  string `json:"check"`
	State  string `json:"state"`
	Detail string `json:"detail"`
	Hint   string `json:"hint"`
}

// A physician looks into everything a kiosk rests on. It changes nothing, but for an empty
// file that it makes in the home directory and removes.
type physician struct {
	e    *env
	root string         // of the file system
	c    *config.Config // the defaults, where the file is not valid
	set  *models.Set
	sick bool // something failed
}

func doctor(ctx context.Context, e *env, args []string) error {
	rest, err := parse(e.flags("doctor"), args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usagef("doctor takes no %q", rest[0])
	}
	p := &physician{e: e, root: "/"}
	return p.examine(ctx)
}

// examine runs every check, in the order in which one rests on another.
func (p *physician) examine(ctx context.Context) error {
	valid, err := p.configuration()
	if err != nil {
		return err
	}
	p.home()
	p.disk()
	p.models()
	if valid {
		p.camera(ctx)
		p.gpio()
		p.doord(ctx)
		p.key()
		p.store(ctx)
		p.broker(ctx)
		p.certificates()
	}
	p.clock()
	p.services()
	if p.sick {
		return errNo
	}
	return nil
}

func (p *physician) say(state, check, hint, format string, args ...any) {
	p.sick = p.sick || state == stateFailed
	d := diagnosis{Check: check, State: state, Detail: fmt.Sprintf(format, args...), Hint: hint}
	// Nobody is left to tell that a terminal is gone.
	_ = p.e.print(d, func(w io.Writer) {
		fmt.Fprintf(w, "%-8s %-24s %s\n", d.State, d.Check, strings.ReplaceAll(d.Detail, "\n", "\n"+strings.Repeat(" ", 34)))
		if d.Hint != "" {
			fmt.Fprintf(w, "%34shint: %s\n", "", d.Hint)
		}
	})
}

func (p *physician) ok(check, format string, args ...any) {
	p.say(stateOK, check, "", format, args...)
}

func (p *physician) warn(check, hint, format string, args ...any) {
	p.say(stateWarning, check, hint, format, args...)
}

func (p *physician) fail(check, hint, format string, args ...any) {
	p.say(stateFailed, check, hint, format, args...)
}

// configuration reports whether the file is valid. Without a valid one, what does not depend
// on it is looked at all the same.
func (p *physician) configuration() (valid bool, err error) {
	const check = "configuration"
	home, err := config.Home(p.e.home)
	if err != nil {
		return false, err
	}
	path := filepath.Join(home, config.FileName)
	c, err := config.Open("", home)
	if err != nil {
		p.c = config.Default(home)
		p.fail(check, "correct the file; facegated --check says when it is valid", "%v", err)
		return false, nil
	}
	p.c = c
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		p.ok(check, "no %s: the defaults hold", path)
	} else {
		p.ok(check, "%s", path)
	}
	return true, nil
}

func (p *physician) home() {
	const check = "home"
	f, err := os.CreateTemp(p.c.Home, ".doctor-")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.warn(check, "facegate setup makes it", "%s is not there", p.c.Home)
		return
	case err != nil:
		p.fail(check, "run as the user facegate runs as, or give the directory to yourself", "%v", err)
		return
	}
	err = errors.Join(f.Close(), os.Remove(f.Name()))
	if err != nil {
		p.fail(check, "check the disk", "%v", err)
		return
	}
	p.ok(check, "%s is writable", p.c.Home)
}

// What the audit trail needs for years, and what it needs for days.
const (
	diskLow  = 1 << 30
	diskFull = 100 << 20
)

func (p *physician) disk() {
	const check = "disk"
	dir := p.c.Home
	for {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		p.fail(check, "check the disk", "%s: %v", dir, err)
		return
	}
	judgeDisk(p, st.Bavail*uint64(st.Bsize))
}

func judgeDisk(p *physician, free uint64) {
	const check, hint = "disk", "without space nothing is recorded, and nobody is let in: make room"
	switch {
	case free < diskFull:
		p.fail(check, hint, "%d MiB free", free>>20)
	case free < diskLow:
		p.warn(check, hint, "%d MiB free", free>>20)
	default:
		p.ok(check, "%.1f GiB free", float64(free)/(1<<30))
	}
}

// models verifies the inference library and every model, and lets them run once.
func (p *physician) models() {
	set, err := models.OpenDir(p.c.Home, p.c.Models.Dir)
	if err != nil {
		p.fail("models", "facegate setup", "%v", err)
		return
	}
	p.set = set
	var missing bool
	lib, err := set.Runtime(runtime.GOARCH)
	if err != nil {
		missing = true
		p.fail("runtime", "facegate setup", "%v", brief(err))
	} else {
		p.ok("runtime", "%s is the manifest's", filepath.Base(lib))
	}
	for _, m := range set.List().Entries {
		if m.Kind != models.KindModel {
			continue
		}
		if _, _, err := set.Bytes(m.Role); err != nil {
			missing = true
			p.fail("model "+m.Role, "facegate setup", "%v", brief(err))
			continue
		}
		p.licence(set.List(), m)
	}
	if !missing {
		p.inference(lib)
	}
}

// licence says whether a model that is the manifest's may be used, now and in a month.
func (p *physician) licence(l *models.List, m models.Entry) {
	const hint = "renew the licence and write its last day into models/local.toml"
	check, role, tenant := "model "+m.Role, []string{m.Role}, p.c.Site.Tenant
	if _, ended := l.Unlicensed(role, tenant, time.Now()); ended != "" {
		p.fail(check, hint, "%s", ended)
		return
	}
	if _, soon := l.Unlicensed(role, tenant, time.Now().AddDate(0, 1, 0)); soon != "" {
		p.warn(check, hint, "%s is licensed until %s only", m.File, m.LicensedUntil)
		return
	}
	p.ok(check, "%s is the manifest's", m.File)
}

// brief names the files of a models error without everything that could be done.
func brief(err error) error {
	m, ok := errors.AsType[*models.MissingError](err)
	if !ok {
		return err
	}
	var names []string
	for _, f := range m.Files {
		names = append(names, f.Entry.Path()+": "+f.Reason)
	}
	return errors.New(strings.Join(names, ", "))
}

// inference opens every model, which runs each once, and looks into a grey picture.
func (p *physician) inference(lib string) {
	const check, hint = "inference", "facegate setup installs the library for this machine"
	started := time.Now()
	rt, err := litert.Open(lib)
	if err != nil {
		p.fail(check, hint, "%v", err)
		return
	}
	defer rt.Close() //nolint:errcheck // nothing of it is used any more
	an, err := pipeline.Open(load.Loader(p.set, rt, 1), "")
	if err != nil {
		p.fail(check, hint, "%v", err)
		return
	}
	defer an.Close() //nolint:errcheck // likewise
	opened := time.Now()
	grey := imgproc.New(640, 480)
	for i := range grey.Pix {
		grey.Pix[i] = 128
	}
	if _, err := an.Picture(grey, pipeline.AllStages); err != nil {
		p.fail(check, hint, "%v", err)
		return
	}
	p.ok(check, "models open in %d ms, an empty picture takes %d ms", opened.Sub(started).Milliseconds(), time.Since(opened).Milliseconds())
}

// key looks at the file that seals names and templates, without reading it.
func (p *physician) key() {
	const check = "key file"
	path := p.c.Store.KeyFile
	st, err := os.Stat(path)
	_, noStore := os.Stat(p.c.Store.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && noStore != nil:
		p.ok(check, "none yet: it is made with the store")
	case errors.Is(err, fs.ErrNotExist):
		p.fail(check, "bring it back from a backup: without it nobody's template can be read", "%s is not there, the store is", path)
	case err != nil:
		p.fail(check, "run as the user facegate runs as", "%v", err)
	case !st.Mode().IsRegular():
		p.fail(check, "it must be a file", "%s is %s", path, st.Mode().Type())
	case st.Mode().Perm()&0o077 != 0:
		p.fail(check, "chmod 600 "+path, "%s can be read by others (mode %04o)", path, st.Mode().Perm())
	default:
		p.ok(check, "%s, mode %04o", path, st.Mode().Perm())
	}
}

// store opens the store and walks the audit trail. It makes none.
func (p *physician) store(ctx context.Context) {
	if _, err := os.Stat(p.c.Store.Path); errors.Is(err, fs.ErrNotExist) {
		p.warn("store", "the first facegate person add, or facegated, makes it", "none yet at %s", p.c.Store.Path)
		return
	}
	db, err := p.e.store(ctx)
	if err != nil {
		hint, what := "", err.Error()
		if se, ok := errors.AsType[*store.Error](err); ok {
			hint, what = se.Hint, se.Err.Error()
		}
		p.fail("store", hint, "%s", what)
		return
	}
	defer db.Close() //nolint:errcheck // only read
	people := 0
	err = db.View(ctx, func(tx *store.Tx) error {
		for _, err := range tx.People() {
			if err != nil {
				return err
			}
			people++
		}
		return nil
	})
	if err != nil {
		p.fail("store", "restore the store from a backup", "%v", err)
	} else {
		p.ok("store", "%s, %d people", p.c.Store.Path, people)
	}
	p.policy(ctx, db)
	p.consent(ctx, db)
	p.templates(ctx, db)
	v, err := db.VerifyEvents(ctx)
	if bad, ok := errors.AsType[*store.ChainError](err); ok {
		p.fail("audit trail", "somebody changed the store: keep a copy of it, see docs/audit.md", "broken at event %d: %s", bad.Seq, bad.Why)
	} else if err != nil {
		p.fail("audit trail", "check the disk", "%v", err)
	} else {
		p.ok("audit trail", "%d events, every link holds, %d signed heads", v.Events, v.Signed)
	}
}

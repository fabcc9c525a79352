package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"facegate/access"
	"facegate/store/seal"
)

// maxSettings bounds the settings of a project, in bytes.
const maxSettings = 64 << 10

// A Project is what the keys of one API and project have in common.
type Project struct {
	API      string // one of [APIs]
	Name     string
	Settings json.RawMessage // an object; of argos an [ArgosProject]
	Secret   string          // 43 characters, whose bytes sign the calls to the project's servers
	Created  time.Time
	Changed  time.Time
}

// LogValue is API and name: a log holds no secrets.
func (p Project) LogValue() slog.Value { return slog.StringValue(p.API + " " + p.Name) }

// Format prints API and name whatever the verb, so that no verb shows the secret.
func (p Project) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "project %s of %s", p.Name, p.API) }

// Argos are the settings of a project of argos. The error wraps access.ErrInvalid for those of
// another API.
func (p Project) Argos() (ArgosProject, error) {
	a := NewArgosProject()
	dec := json.NewDecoder(bytes.NewReader(p.Settings))
	dec.DisallowUnknownFields()
	if p.API != APIArgos {
		return a, fmt.Errorf("%w: %v has no settings of argos", access.ErrInvalid, p)
	}
	if err := dec.Decode(&a); err != nil {
		return a, fmt.Errorf("%w: settings of %v: %w", access.ErrInvalid, p, err)
	}
	return a, nil
}

// An ArgosProject are the thresholds of a project of argos, 0..100. 0 switches a check off.
type ArgosProject struct {
	Similarity float64 `json:"similarity"` // least similarity of the face
	Occluded   bool    `json:"occluded"`   // the face must be bare
	FaceCover  float64 `json:"face_cover"` // least score of a mask
	HeadCover  float64 `json:"head_cover"` // least score of a helmet
	Webhook    string  `json:"webhook"`    // URL that is told of every authentication, or empty
}

// NewArgosProject are the settings of a project of which nothing was said.
func NewArgosProject() ArgosProject { return ArgosProject{Similarity: 70} }

// Check returns an error wrapping access.ErrInvalid that names the first thing wrong with a.
func (a ArgosProject) Check() error {
	for _, t := range []struct {
		what  string
		value float64
	}{{"similarity", a.Similarity}, {"face cover", a.FaceCover}, {"head cover", a.HeadCover}} {
		if !(t.value >= 0 && t.value <= 100) {
			return fmt.Errorf("%w: a threshold of %s of %v is not between 0 and 100", access.ErrInvalid, t.what, t.value)
		}
	}
	if a.Occluded && a.FaceCover > 0 {
		return fmt.Errorf("%w: nobody could pass: a face cover is demanded, and occlusion refuses whoever wears one; switch one of them off", access.ErrInvalid)
	}
	if a.Webhook != "" {
		return CheckWebhookURL(a.Webhook)
	}
	return nil
}

// CheckWebhookURL returns an error wrapping access.ErrInvalid where text is no https URL with a
// host. Plain http is accepted of this machine only; a name or password in it never is.
func CheckWebhookURL(text string) error {
	bad := func(why string) error { return fmt.Errorf("%w: a webhook's URL %s", access.ErrInvalid, why) }
	if len(text) > 2048 {
		return bad("is longer than 2048 bytes")
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Opaque != "" {
		return bad("must be one such as https://example.org/path")
	}
	addr, _ := netip.ParseAddr(u.Hostname()) // the zero address of a name is no loopback
	here := addr.IsLoopback() || u.Hostname() == "localhost"
	switch {
	case u.User != nil:
		return bad("must not hold a name or password")
	case u.Fragment != "":
		return bad("must not have a fragment")
	case u.Scheme != "https" && (u.Scheme != "http" || !here):
		return bad("must begin with https://")
	}
	return nil
}

// projectData is what is sealed of a project: all but API and name.
type projectData struct {
	Settings json.RawMessage `json:"settings"`
	Secret   string          `json:"secret"`
	Created  time.Time       `json:"created"`
	Changed  time.Time       `json:"changed"`
}

func projectPlace(api, name string) seal.Place {
	return seal.Place{Kind: "project", Model: api + "\n" + name} // no API has a line break
}

func (db *DB) openProject(api, name string, sealed []byte) (Project, error) {
	text, err := db.ring.Open(projectPlace(api, name), sealed)
	defer clear(text)
	var in projectData
	if err != nil || json.Unmarshal(text, &in) != nil {
		return Project{API: api, Name: name}, fmt.Errorf("project %s of %s: %w", name, api, seal.ErrSealed)
	}
	return Project{api, name, in.Settings, in.Secret, in.Created, in.Changed}, nil
}

// SetProject makes or changes a project and records command.done. Only API, name and settings
// are taken from p; the secret is made with the project and stays ([Tx.RenewProjectSecret]). It
// returns the project as kept. The error wraps access.ErrInvalid where p is not fit to keep.
func (tx *Tx) SetProject(p Project) (Project, error) {
	if !slices.Contains(APIs(), p.API) {
		return Project{}, fmt.Errorf("%w: there is no API %q, but %s", access.ErrInvalid, p.API, strings.Join(APIs(), ", "))
	}
	if p.Name == "" {
		return Project{}, fmt.Errorf("%w: a project needs a name", access.ErrInvalid)
	}
	if err := checkWord("project name", p.Name, 64); err != nil {
		return Project{}, err
	}
	if len(p.Settings) > maxSettings || !json.Valid(p.Settings) || !bytes.HasPrefix(bytes.TrimSpace(p.Settings), []byte("{")) {
		return Project{}, fmt.Errorf("%w: settings of %d bytes that are no JSON object or longer than %d", access.ErrInvalid, len(p.Settings), maxSettings)
	}
	if p.API == APIArgos {
		a, err := p.Argos()
		if err == nil {
			err = a.Check()
		}
		if err != nil {
			return Project{}, err
		}
	}
	old, err := tx.Project(p.API, p.Name)
	p.Changed = tx.act.At
	switch {
	case err == nil:
		p.Secret, p.Created = old.Secret, old.Created
	case errors.Is(err, access.ErrNotFound), errors.Is(err, seal.ErrSealed): // damaged: this is the repair
		p.Secret, p.Created = newSecret(), p.Changed
	default:
		return Project{}, err
	}
	return p, tx.putProject(p, "project set")
}

// RenewProjectSecret gives a project another secret and records command.done. The error is as of
// [Tx.Project].
func (tx *Tx) RenewProjectSecret(api, name string) (Project, error) {
	p, err := tx.Project(api, name)
	if err != nil {
		return Project{}, err
	}
	p.Secret, p.Changed = newSecret(), tx.act.At
	return p, tx.putProject(p, "project secret")
}

// putProject writes p and records the command.
func (tx *Tx) putProject(p Project, command string) error {
	text, err := json.Marshal(projectData{p.Settings, p.Secret, p.Created, p.Changed})
	if err != nil {
		return err
	}
	defer clear(text)
	_, err = tx.sql.ExecContext(tx.ctx, `INSERT INTO project VALUES (?, ?, ?)
		ON CONFLICT (api, name) DO UPDATE SET sealed = excluded.sealed`, p.API, p.Name, tx.db.ring.Seal(projectPlace(p.API, p.Name), text))
	if err != nil {
		return fmt.Errorf("write project: %w", err)
	}
	_, err = tx.Append(projectEvent(command, p.API, p.Name))
	return err
}

func projectEvent(command, api, name string) access.Event {
	return access.Event{Kind: access.KindCommandDone, Data: map[string]string{"command": command, "project": name, "api": api}}
}

// DeleteProject deletes a project and records command.done. Keys and records of it stay. The
// error wraps access.ErrNotFound where there is no such project.
func (tx *Tx) DeleteProject(api, name string) error {
	res, err := tx.sql.ExecContext(tx.ctx, "DELETE FROM project WHERE api = ? AND name = ?", api, name)
	if err != nil {
		return fmt.Errorf("delete project: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, fmt.Errorf("project %s of %s: %w", name, api, access.ErrNotFound))
	}
	_, err = tx.Append(projectEvent("project delete", api, name))
	return err
}

// Project is a project of an API. The error wraps access.ErrNotFound where there is none of the
// name, and seal.ErrSealed where it is not what was set.
func (tx *Tx) Project(api, name string) (Project, error) {
	var sealed []byte
	err := tx.sql.QueryRowContext(tx.ctx, "SELECT sealed FROM project WHERE api = ? AND name = ?", api, name).Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return Project{}, fmt.Errorf("project %s of %s: %w", name, api, access.ErrNotFound)
	}
	if err != nil {
		return Project{}, fmt.Errorf("read project: %w", err)
	}
	return tx.db.openProject(api, name, sealed)
}

// Project is [Tx.Project] in a transaction of its own.
func (db *DB) Project(ctx context.Context, api, name string) (p Project, err error) {
	err = db.View(ctx, func(tx *Tx) error {
		p, err = tx.Project(api, name)
		return err
	})
	return p, err
}

// Projects are all projects by API and name. The error wraps seal.ErrSealed where rows were
// damaged; the others are returned with it.
func (db *DB) Projects(ctx context.Context) ([]Project, error) {
	rows, err := db.reader.QueryContext(ctx, "SELECT api, name, sealed FROM project ORDER BY api, name")
	if err != nil {
		return nil, classify(fmt.Errorf("read projects: %w", err))
	}
	defer rows.Close()
	var list []Project
	var damaged []error
	for rows.Next() {
		var api, name string
		var sealed []byte
		if err := rows.Scan(&api, &name, &sealed); err != nil {
			return nil, classify(fmt.Errorf("read projects: %w", err))
		}
		p, err := db.openProject(api, name, sealed)
		if err != nil {
			damaged = append(damaged, err)
			continue
		}
		list = append(list, p)
	}
	return list, errors.Join(classify(rows.Err()), errors.Join(damaged...))
}

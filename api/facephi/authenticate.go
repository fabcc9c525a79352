package facephi

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"facegate/access"
	"facegate/api"
	"facegate/kiosk"
	"facegate/pipeline/face"
	"facegate/pipeline/match"
	"facegate/store"
)

// Facial codes. There is no 2.
const (
	facialNone     = 0
	facialNegative = 1
	facialPositive = 3
	facialPose     = 4
	facialNoVector = 5
)

// threshold is the least score of two pictures of one person.
const threshold = .8

// Results of authenticateUser and updateUserTemplate.
const (
	done        = 0
	notBound    = -100
	notLive     = -101
	notMatching = -102
	notFound    = -103
)

func notBoundLog(user string) string {
	return "The registeredTemplateRaw parameter does not match the ID: [" + user + "]"
}

// An attempt is an authenticateUser on its way: the live picture held against a reference.
type attempt struct {
	*call
	user      string
	reference api.Template
	issue     *api.Look // the reference picture, where a token is to be made of it
	enrol     bool      // and the person is new
}

// authenticate is authenticateUser.
func (c *call) authenticate(ctx context.Context, f fields) (*answer, error) {
	if errs := f.missing("userId", "registeredTemplateRaw|image", "bestImageToken|template"); len(errs) > 0 {
		return nil, badRequest(api.Missing, errs...)
	}
	var errs []string
	a := &attempt{call: c, user: f.userID(&errs)}
	registered := f.bytes("registeredTemplateRaw", &errs)
	image := f.bytes("image", &errs)
	var live []byte
	token, _ := f.text("bestImageToken")
	capture, fromCamera := strings.CutPrefix(token, capturePrefix)
	if !fromCamera {
		live = f.bytes("bestImageToken", &errs)
	}
	template := f.bytes("template", &errs)
	f.notes(c.data, &errs)
	if len(errs) > 0 {
		return nil, badRequest(api.Malformed, errs...)
	}

	if err := a.refer(ctx, registered, image); errors.Is(err, errToken) {
		return a.stranger(err), nil
	} else if err != nil {
		return nil, err
	}
	if !f.has("bestImageToken") {
		return a.judgeTemplate(ctx, template)
	}
	taken := c.began
	if fromCamera {
		var err error
		if live, taken, err = c.takeCapture(ctx, capture); err != nil {
			return nil, err
		}
	}
	if live == nil { // it was used, or has expired
		return a.dead(livenessNone), nil
	}
	return a.judge(ctx, live, taken)
}

// refer finds out what the live picture is to be like. The error wraps errToken where token or
// reference picture are not the user's, or there is no such user.
func (a *attempt) refer(ctx context.Context, registered, image []byte) error {
	person, err := a.DB.Person(ctx, a.user)
	exists := err == nil
	if err != nil && !errors.Is(err, access.ErrNotFound) {
		return err
	}
	if exists {
		a.person = person.ID
	}
	barred := exists && a.Barred(person)
	if registered != nil {
		key, err := a.tokenKey(ctx, a.Act(a.key))
		if err != nil {
			return err
		}
		t, err := key.open(a.Site, a.user, registered)
		if err != nil {
			return err
		}
		if err := a.Keys.Try(a.user, time.Now()); err != nil {
			return err
		}
		if barred {
			return errBarred
		}
		if !exists {
			a.reference = t.template
			return a.elsewhere(ctx, t.template)
		}
		return a.holds(ctx, t)
	}
	if err := a.Keys.Try(a.user, time.Now()); err != nil {
		return err
	}
	// The picture is looked at whether there is such a user, or they are barred, or not: time tells
	// nothing.
	l, err := a.Judge.Look(ctx, image, api.WantTemplate|api.WantQuality)
	if err != nil {
		return err
	}
	if barred {
		return errBarred
	}
	if l.Template.Vector == nil {
		return stranger("the reference picture shows no face that can be compared")
	}
	a.reference = l.Template
	if !exists && a.Fleet != nil {
		if err := a.elsewhere(ctx, l.Template); !errors.Is(err, access.ErrNotFound) {
			return err // whoever is the fleet's is not enrolled here
		}
	}
	mayEnrol := a.key.Allows(store.ScopeEnrol)
	if !exists && !mayEnrol {
		return stranger("there is no such person, and the key may not enrol")
	}
	if !exists && access.CheckID(a.user) != nil {
		return stranger("there is no such person, and none can have this id")
	}
	if exists {
		like, err := a.enrolled(ctx, l.Template)
		if err != nil {
			return err
		}
		if !like {
			return errUnlike
		}
	}
	if mayEnrol && (!exists || l.Quality == face.OK) { // who is new is refused by the rules of enrolling
		a.issue, a.enrol = l, !exists
	}
	return nil
}

// holds takes a token as the reference, if it is one of the user's that is not superseded.
func (a *attempt) holds(ctx context.Context, t token) error {
	return a.DB.View(ctx, func(tx *store.Tx) error {
		u, err := readUser(tx, a.user)
		if err != nil {
			return err
		}
		if s := u.state(t.serial); s != current && s != issued {
			return stranger("it was superseded")
		}
		a.reference = t.template
		return nil
	})
}

// elsewhere returns nil where a template is like one of the user's at the central site, whom this
// kiosk does not hold. The error wraps errToken where it is not, and access.ErrNotFound too where
// nobody there is known by the id.
func (a *attempt) elsewhere(ctx context.Context, t api.Template) error {
	unknown := fmt.Errorf("%w: there is no such person: %w", errToken, access.ErrNotFound)
	if a.Fleet == nil || access.CheckID(a.user) != nil {
		return unknown
	}
	list, err := a.Fleet.Templates(ctx, a.user)
	if errors.Is(err, access.ErrNotFound) {
		return unknown
	}
	if err != nil {
		return err
	}
	like, err := a.like(list, t)
	if err == nil && !like {
		err = errUnlike
	}
	return err
}

// like reports whether a template is like one of a list.
func (a *attempt) like(list []api.Template, t api.Template) (bool, error) {
	for _, e := range list {
		score, err := a.Judge.Compare(e, t)
		if err != nil && !errors.Is(err, match.ErrModel) {
			return false, err
		}
		if err == nil && score >= threshold {
			return true, nil
		}
	}
	return false, nil
}

// enrolled reports whether a template is like one of the user's that are enrolled.
func (a *attempt) enrolled(ctx context.Context, t api.Template) (bool, error) {
	var list []api.Template
	err := a.DB.View(ctx, func(tx *store.Tx) error {
		for e, err := range tx.TemplatesOf(a.user) {
			if err == nil { // a damaged one is like nobody
				list = append(list, api.Template{Model: e.Model, Vector: e.Vector, Masked: e.Cover == store.CoverMask})
			}
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	return a.like(list, t)
}

// Why a reference is not the user's, for the audit trail. The caller is told one thing of all.
var (
	errBarred = stranger("the person is blocked or outside their validity")
	errUnlike = stranger("the reference is not like the person's templates")
)

func stranger(why string) error { return fmt.Errorf("%w: %s", errToken, why) }

// stranger is the answer where the reference is not the user's, or there is no such user.
func (a *attempt) stranger(why error) *answer {
	a.data["why"] = why.Error()
	return &answer{Code: notBound, Log: notBoundLog(a.user), Liveness: new(livenessNone), Facial: new(facialNone), Similarity: new(number)}
}

// dead is the answer where the live picture shows no life, or cannot show it.
func (a *attempt) dead(code int) *answer {
	return &answer{
		Code: notLive, Log: "The bestImageToken parameter does not match a living person.",
		Liveness: &code, Facial: new(facialNone), Similarity: new(number),
	}
}

// judge looks at the live picture, which was taken or came at a time, and compares.
func (a *attempt) judge(ctx context.Context, live []byte, taken time.Time) (*answer, error) {
	l, err := a.Judge.Look(ctx, live, api.WantLiveness|api.WantTemplate|api.WantQuality)
	if err != nil {
		return nil, err
	}
	code := liveness(l)
	if code == livenessLive || code == livenessNoLive {
		a.scores.Liveness = fraction(l.LiveScore)
	}
	if code != livenessLive {
		return a.dead(code), nil
	}
	if l.Turned() {
		return a.result(ctx, facialPose, 0)
	}
	facial, similarity, err := a.compare(l.Template)
	if err != nil {
		return nil, err
	}
	r, err := a.result(ctx, facial, similarity)
	if err == nil && r.Code == done {
		a.Unlock(ctx, a.key, a.user, l, taken)
	}
	return r, err
}

// judgeTemplate compares a template that stands for a live picture. One that shows no life, because
// it was not made of a living face before the kiosk's own camera a moment ago, ends as lifeless.
func (a *attempt) judgeTemplate(ctx context.Context, template []byte) (*answer, error) {
	live, err := a.takeTemplate(ctx, template)
	if errors.Is(err, errToken) {
		return a.dead(livenessNone), nil
	}
	if err != nil {
		return nil, err
	}
	facial, similarity, err := a.compare(live)
	if err != nil {
		return nil, err
	}
	return a.result(ctx, facial, similarity)
}

// result is the answer where a living face was compared.
func (a *attempt) result(ctx context.Context, facial int, similarity number) (_ *answer, err error) {
	code := livenessLive
	r := &answer{
		Code: notMatching, Log: "User authentication failed due to non-matching templateRaw.",
		Liveness: &code, Facial: &facial, Similarity: &similarity,
	}
	if facial != facialPositive {
		return r, nil
	}
	if a.issue != nil {
		r.Template, err = a.giveToken(ctx)
		if errors.Is(err, errToken) {
			return a.stranger(err), nil
		}
		if err != nil {
			return nil, err
		}
	}
	r.Code, r.Log = done, "User authenticated successfully."
	return r, nil
}

// compare holds a living face against the reference.
func (a *attempt) compare(live api.Template) (facial int, similarity number, err error) {
	if live.Vector == nil {
		return facialNoVector, 0, nil
	}
	score, err := a.Judge.Compare(a.reference, live)
	switch {
	case errors.Is(err, match.ErrModel):
		return facialNoVector, 0, nil // the token is of a model that is not used any more
	case err != nil:
		return facialNone, 0, err
	}
	a.scores.Match = fraction(100 * score)
	if score < threshold {
		return facialNegative, number(score), nil
	}
	return facialPositive, number(score), nil
}

// giveToken makes a token of the reference picture, which a living person was found to be like,
// and of who is new a person. The error wraps errToken where the rules of enrolling do not
// allow it.
func (a *attempt) giveToken(ctx context.Context) (string, error) {
	act := a.Act(a.key)
	key, err := a.tokenKey(ctx, act)
	if err != nil {
		return "", err
	}
	text, serial := key.seal(a.Site, a.user, a.issue.Template)
	template := ""
	if a.enrol {
		if template, err = a.newPerson(ctx, act); err != nil {
			return "", err
		}
		a.person = a.user
	}
	err = a.DB.Update(ctx, act, func(tx *store.Tx) error {
		u, err := readUser(tx, a.user)
		if err != nil {
			return err
		}
		if len(u.Tokens) == 0 {
			u.Made, u.Project, u.Template = a.enrol, a.key.Project, template
			u.register(serial)
		} else {
			u.add(serial, issued)
		}
		return u.write(tx, a.user)
	})
	return text, err
}

// newPerson enrols the user. A person of whom nothing could be kept is not left behind.
func (a *attempt) newPerson(ctx context.Context, act store.Act) (template string, err error) {
	p := access.Person{ID: a.user}
	if a.key.Consent != "" {
		p.Consent = &access.Consent{Text: a.key.Consent, At: act.At, How: "api"}
	}
	err = a.DB.Update(ctx, act, func(tx *store.Tx) error {
		_, err := tx.AddPerson(p)
		return err
	})
	if errors.Is(err, access.ErrExists) {
		return "", stranger("another call has just made them")
	}
	if err != nil {
		return "", err
	}
	t, err := a.Judge.Enrol(ctx, act, a.user, a.issue, false, nil)
	if err == nil {
		return t.ID, nil
	}
	if _, rerr := a.DB.ErasePerson(context.WithoutCancel(ctx), act, a.user); rerr != nil {
		return "", errors.Join(err, rerr)
	}
	if _, refused := errors.AsType[*kiosk.RefusedError](err); refused || errors.Is(err, store.ErrNoConsent) {
		return "", fmt.Errorf("%w: %w", errToken, err)
	}
	return "", err
}

package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"facegate/access"
	"facegate/device"
	"facegate/kiosk"
	"facegate/pipeline"
	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/litert"
	"facegate/pipeline/liveness"
)

// A chain is the whole pipeline with a clock in every model.
type chain struct {
	an     *pipeline.Analyser
	id     *pipeline.Identifier
	pipe   *pipeline.Pipeline
	turbo  *imgproc.Turbo           // nil where libjpeg-turbo is not installed
	models map[string]*litert.Model // by role
	at     time.Time
}

// openChain loads the pipeline and fills its gallery.
func (b *bench) openChain() (*chain, error) {
	c := &chain{models: map[string]*litert.Model{}, at: time.Now()}
	load := func(role string) (*litert.Model, error) {
		m, err := b.Load(role)
		if err == nil {
			c.models[role] = m
		}
		return m, err
	}
	var err error
	if c.an, err = pipeline.Open(load, ""); err != nil {
		return nil, err
	}
	if c.turbo, err = imgproc.OpenTurbo(); err == nil {
		c.an.UseTurbo(c.turbo)
	}
	if c.id, err = kiosk.NewIdentifier(b.List, c.an); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if err := enrol(c.id.Gallery, crowd(b.Gallery, c.an.Dim())); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if err := c.watch(liveness.LevelDepth); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Close frees models and decoder.
func (c *chain) Close() error {
	c.an.UseTurbo(nil)
	if c.turbo == nil {
		return c.an.Close()
	}
	return errors.Join(c.an.Close(), c.turbo.Close())
}

// watch begins at another level. At depth a face that does not turn stays undecided for
// seconds, so that every frame goes through every stage.
func (c *chain) watch(l liveness.Level) (err error) {
	c.pipe, err = pipeline.New(c.an, c.id, pipeline.Options{Level: l})
	return err
}

// busy is how long the named models, or all, have computed so far.
func (c *chain) busy(roles ...string) time.Duration {
	var sum time.Duration
	for role, m := range c.models {
		if len(roles) == 0 || slices.Contains(roles, role) {
			sum += m.Busy()
		}
	}
	return sum
}

// A seen is what one frame took and brought.
type seen struct {
	total, inference time.Duration
	sighting         access.Sighting
	settled          bool
}

// frame shows the pipeline a frame that was taken so much after the one before.
func (c *chain) frame(f *device.Frame, after time.Duration) (seen, error) {
	c.at = c.at.Add(after)
	f.At = c.at
	f.Seq++
	before, began := c.busy(), time.Now()
	s, settled, err := c.pipe.Frame(f)
	return seen{time.Since(began), c.busy() - before, s, settled}, err
}

// A pass is one engine's runs on one picture.
type pass struct {
	total, rest sample // rest is what is not inference; facegate's only
	answers     string
	valid       bool
}

func (p *pass) join(q pass) {
	p.total, p.rest = append(p.total, q.total...), append(p.rest, q.rest...)
	if p.answers == "" {
		p.answers, p.valid = q.answers, q.valid
	} else if p.answers != q.answers {
		p.answers, p.valid = p.answers+"; then "+q.answers, false
	}
}

// faceOf looks at a frame with a face as often as runs says. It is valid where every frame
// went through every stage.
func (c *chain) faceOf(f *device.Frame, runs int) (pass, error) {
	var p pass
	for range runs {
		s, err := c.frame(f, 33*time.Millisecond)
		if err != nil {
			return p, err
		}
		p.join(c.judged(s))
		if c.pipe.Guidance().Settled {
			c.pipe.End()
		}
	}
	return p, nil
}

// judged is the pass of one frame.
func (c *chain) judged(s seen) pass {
	a := c.pipe.Analysis()
	return pass{
		total: sample{millis(s.total)}, rest: sample{millis(s.total - s.inference)},
		answers: fmt.Sprintf("%d face(s), %d numbers, %s", a.Faces, len(a.Embedding), a.Quality),
		valid:   a.Faces == 1 && len(a.Embedding) == c.an.Dim() && a.EyesOpen.Ran() && a.Liveness.Ran(),
	}
}

// An engine looks at one picture, runs times.
type engine func(ctx context.Context, runs int) (pass, error)

// rounds is how often the engines of a row take turns.
const rounds = 4

// sideBySide lets engines take turns, n[i] runs for engines[i] in all.
func sideBySide(ctx context.Context, n []int, engines []engine) ([]pass, error) {
	for i, look := range engines {
		if _, err := look(ctx, min(warmUps, n[i])); err != nil {
			return nil, err
		}
	}
	var best []pass
	least := math.Inf(1)
	for range attempts {
		all := make([]pass, len(engines))
		for range rounds {
			for i, look := range engines {
				p, err := look(ctx, max(1, n[i]/rounds))
				if err != nil {
					return nil, err
				}
				all[i].join(p)
			}
		}
		apart := 0.
		for _, p := range all {
			apart = max(apart, p.total.apart())
		}
		if apart < least {
			best, least = all, apart
		}
		if least <= noise {
			break
		}
	}
	return best, nil
}

// faces are the rows of one frame with a face.
func (b *bench) faces(ctx context.Context, c *chain, portrait *imgproc.Image) error {
	for _, format := range []device.Format{device.YUYV, device.NV12, device.MJPEG} {
		f, err := frame(portrait, format)
		if err != nil {
			return err
		}
		got, err := sideBySide(ctx, []int{b.Runs}, []engine{c.engine(f)})
		if err != nil {
			return err
		}
		b.face("frame with a face, "+called(format, c.turbo), got[0])
	}
	return nil
}

// called names a format, and who decodes it.
func called(f device.Format, t *imgproc.Turbo) string {
	if f == device.MJPEG && t != nil {
		return "MJPEG (libjpeg-turbo)"
	}
	return f.String()
}

// face adds the row of a face, and that of what in it is not inference.
func (b *bench) face(name string, p pass) *Row {
	row := b.row(name, p.total, p.answers, p.valid)
	rest := b.row(name+": all but inference", p.rest, p.answers, p.valid)
	most := rest.quantile(.95)
	rest.Target, rest.Met = fmt.Sprintf("p95 ≤ 4 ms: %.2f", most), most <= 4
	return row
}

func (c *chain) engine(f *device.Frame) engine {
	return func(_ context.Context, runs int) (pass, error) { return c.faceOf(f, runs) }
}

// look gives frames without a face to the pipeline and divides what they take.
func (c *chain) look(ctx context.Context, n int, f *device.Frame, after time.Duration) (total, short, full sample, empty bool, err error) {
	empty = true
	total, err = quietest(ctx, func() (sample, error) {
		var s sample
		short, full = nil, nil
		for i := range warmUps + n {
			s0, d0 := c.busy("detect_short"), c.busy("detect_short", "detect_full")
			got, err := c.frame(f, after)
			if err != nil {
				return nil, err
			}
			if i < warmUps {
				continue
			}
			s = append(s, millis(got.total))
			short = append(short, millis(c.busy("detect_short")-s0))
			full = append(full, millis(c.busy("detect_short", "detect_full")-d0))
			empty = empty && c.pipe.Guidance().Quality == face.NoFace
		}
		return s, nil
	})
	return total, short, full, empty, err
}

// empty are the rows of a frame without a face. The gate between frames would spare the
// detector most of them, so these lie far enough apart to be looked at all the same.
func (b *bench) empty(ctx context.Context, c *chain) error {
	for _, format := range []device.Format{device.YUYV, device.NV12, device.RGB24, device.MJPEG} {
		f, err := frame(background(), format)
		if err != nil {
			return err
		}
		total, short, full, none, err := c.look(ctx, b.Runs, f, time.Second)
		if err != nil {
			return err
		}
		name, said := "empty frame, "+called(format, c.turbo), "no face"
		row := b.row(name, total, said, none)
		if format == device.YUYV {
			alone := b.row("detector alone: short, then full range, inference only", full, said, none)
			near := b.row("short range alone, inference only", short, said, none)
			ratio := total.quantile(.5) / full.quantile(.5)
			row.Target, row.Met = fmt.Sprintf("≤ 1.5 × detector alone: %.2f × (%.2f × short range alone)", ratio, total.quantile(.5)/short.quantile(.5)), ratio <= 1.5
			alone.Ratio, near.Ratio = alone.quantile(.5)/row.quantile(.5), near.quantile(.5)/row.quantile(.5)
			spared, short, _, still, err := c.look(ctx, b.Runs, f, time.Millisecond)
			if err != nil {
				return err
			}
			b.row("empty frame, YUYV, unchanged: the gate spares it", spared, said, still && short.quantile(.5) == 0)
		}
	}
	return nil
}

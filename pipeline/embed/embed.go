// Package embed turns an aligned face into a template: a vector of unit length whose cosine
// with another says how alike two faces are.
//
// An [Embedder] is one or several networks side by side. Each has its own alignment of the
// five points, its own colours and a unit vector as its part; the parts are joined and the
// whole divided by its length, so the cosine of two templates is the mean of the cosines of
// the parts. Templates are comparable only within one model id ([Embedder.Model]); what a
// cosine means is a matter of package match.
//
// An Embedder is not safe for concurrent use and allocates nothing per face. It never
// returns a vector that is zero or not finite: that is an error.
package embed

import (
	"errors"
	"fmt"
	"math"

	"facegate/pipeline/imgproc"
	"facegate/pipeline/litert"
)

// ErrNoVector says that a face gave no usable vector.
var ErrNoVector = errors.New("no usable face vector")

// A Config names a choice of networks.
type Config string

// The configurations. The default is the most accurate; the others are quicker or have
// other licences.
const (
	Both        Config = "both"         // foamliu and 0095 side by side, one crop each: 384 numbers
	Foamliu     Config = "foamliu"      // MobileFaceNet, with the mirrored crop added: 128 numbers
	FoamliuF16  Config = "foamliu_f16"  // the same with half-size weights, one crop
	FoamliuInt8 Config = "foamliu_int8" // the same with 8-bit weights, one crop
	Reid0095    Config = "0095"         // Intel's face-reidentification-retail-0095, one crop: 256 numbers
	Reid0095F16 Config = "0095_f16"     // the same with half-size weights

	Default = Both
)

// Configs lists the configurations, the default first.
func Configs() []Config {
	return []Config{Both, Foamliu, FoamliuF16, FoamliuInt8, Reid0095, Reid0095F16}
}

// parts are the networks of a configuration.
func (c Config) parts() []part {
	foamliu := part{role: "embed_foamliu", dim: 128, side: 112, template: arcFace(), fill: fillImageNet}
	reid := part{role: "embed_0095", dim: 256, side: 128, template: reid0095(), fill: fillBGR}
	switch c {
	case Both:
		return []part{foamliu, reid}
	case Foamliu:
		foamliu.mirror = true
		return []part{foamliu}
	case FoamliuF16, FoamliuInt8:
		foamliu.role = "embed_" + string(c)
		return []part{foamliu}
	case Reid0095, Reid0095F16:
		reid.role = "embed_" + string(c)
		return []part{reid}
	}
	return nil
}

// An Embedder makes templates.
type Embedder struct {
	parts []part
	dim   int
	id    string
}

// A part is one network and how a face is shown to it.
type part struct {
	role      string
	dim, side int
	template  [5]imgproc.Point // where the five points go, in pixels of side
	fill      func(dst []float32, src *imgproc.Image)
	mirror    bool // the mirrored face is embedded too and added

	model *litert.Model
	crop  *imgproc.Image
}

// New loads the networks of a configuration.
func New(load litert.Loader, c Config) (*Embedder, error) {
	e := &Embedder{parts: c.parts()}
	if len(e.parts) == 0 {
		return nil, fmt.Errorf("load embedder: no configuration %q, known are %q", c, Configs())
	}
	for i := range e.parts {
		p := &e.parts[i]
		if err := p.load(load); err != nil {
			return nil, errors.Join(fmt.Errorf("load embedder: %w", err), e.Close())
		}
		e.dim += p.dim
		if i > 0 {
			e.id += "+"
		}
		e.id += p.id()
	}
	return e, nil
}

func (p *part) load(load litert.Loader) error {
	m, err := load(p.role)
	if err != nil {
		return err
	}
	if len(m.Inputs()) != 1 || len(m.Input(0)) != 3*p.side*p.side || len(m.Outputs()) != 1 || len(m.Output(0)) != p.dim {
		return errors.Join(fmt.Errorf("%s is not a network from %d pixels to %d numbers", p.role, p.side, p.dim), m.Close())
	}
	p.model, p.crop = m, imgproc.New(p.side, p.side)
	return nil
}

// Close frees the models. It is safe to call twice.
func (e *Embedder) Close() error {
	var err error
	for _, p := range e.parts {
		if p.model != nil {
			err = errors.Join(err, p.model.Close())
		}
	}
	return err
}

// Dim is the length of a template.
func (e *Embedder) Dim() int { return e.dim }

// Model is the id that goes with every template: templates of different ids are never
// compared.
func (e *Embedder) Model() string { return e.id }

// Embed stores in dst, of length Dim, the template of the face of img with the five points
// of [facegate/pipeline/face.Mesh.Five]. Points that span no area, and vectors that are zero or
// not finite, are errors wrapping ErrNoVector; dst is then zero.
func (e *Embedder) Embed(img *imgproc.Image, five [5]imgproc.Point, dst []float32) error {
	if len(dst) != e.dim {
		return fmt.Errorf("embed face: %d numbers of room for %d", len(dst), e.dim)
	}
	clear(dst)
	rest := dst
	for i := range e.parts {
		p := &e.parts[i]
		if err := p.embed(img, five, rest[:p.dim]); err != nil {
			clear(dst)
			return fmt.Errorf("embed face: %w", err)
		}
		rest = rest[p.dim:]
	}
	if len(e.parts) > 1 && !normalise(dst) {
		clear(dst)
		return fmt.Errorf("embed face: %w", ErrNoVector)
	}
	return nil
}

// embed adds the part's vector to dst, which is zero, and divides it by its length.
func (p *part) embed(img *imgproc.Image, five [5]imgproc.Point, dst []float32) error {
	to := imgproc.Similarity(five[:], p.template[:])
	if s := to.Scale(); !(s > 0) || math.IsInf(s, 0) {
		return fmt.Errorf("align: the five points span no area: %w", ErrNoVector)
	}
	if err := p.run(img, to, dst); err != nil {
		return err
	}
	if p.mirror {
		to.A, to.B, to.C = -to.A, -to.B, float64(p.side-1)-to.C
		if err := p.run(img, to, dst); err != nil {
			return err
		}
		if !normalise(dst) {
			return ErrNoVector
		}
	}
	return nil
}

// run adds the unit vector of one crop to dst.
func (p *part) run(img *imgproc.Image, to imgproc.Affine, dst []float32) error {
	imgproc.Warp(p.crop, img, to)
	p.fill(p.model.Input(0), p.crop)
	if err := p.model.Run(); err != nil {
		return err
	}
	out := p.model.Output(0)
	if !normalise(out) {
		return ErrNoVector
	}
	for i, v := range out {
		dst[i] += v
	}
	return nil
}

// normalise divides v by its length and reports whether it has one.
func normalise(v []float32) bool {
	var s float64
	for _, x := range v {
		s += float64(x) * float64(x)
	}
	k := 1 / math.Sqrt(s)
	if !(s > 1e-12) || math.IsInf(s, 0) {
		return false
	}
	for i := range v {
		v[i] = float32(float64(v[i]) * k)
	}
	return true
}

// arcFace is where ArcFace's training pictures have the five points, on 112 pixels.
func arcFace() [5]imgproc.Point {
	return [5]imgproc.Point{{X: 38.2946, Y: 51.6963}, {X: 73.5318, Y: 51.5014}, {X: 56.0252, Y: 71.7366}, {X: 41.5493, Y: 92.3655}, {X: 70.7299, Y: 92.2041}}
}

// reid0095 is where Open Model Zoo's face-reidentification-retail-0095 wants the five points,
// on 128 pixels.
func reid0095() [5]imgproc.Point {
	t := [5]imgproc.Point{{X: .31556875, Y: .46157411}, {X: .68262292, Y: .46157411}, {X: .50026250, Y: .64050536}, {X: .34947188, Y: .82469196}, {X: .65343646, Y: .82469196}}
	for i := range t {
		t[i].X *= 128
		t[i].Y *= 128
	}
	return t
}

// id names the part: its network and whether the mirrored face is in it.
func (p *part) id() string {
	if p.mirror {
		return p.role[len("embed_"):] + "-mirror"
	}
	return p.role[len("embed_"):]
}

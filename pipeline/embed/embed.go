// Package embed turns an aligned face into a template: a vector of unit length whose cosine
// with another says how alike two faces are.
//
// An [Embedder] is one or several networks side by side, as the manifest of package models
// lists them. Each has its own alignment of the five points, its own colours and a unit
// vector as its part; the parts are joined and the whole divided by its length, so the
// cosine of two templates is the mean of the cosines of the parts. Templates are comparable
// only within one model ([Embedder.Model]); what a cosine means is the business of package
// match.
//
// An Embedder is not safe for concurrent use and allocates nothing per face. It never
// returns a vector that is zero or not finite: that is an error.
package embed

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"

	"facegate/models"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/litert"
)

// ErrNoVector says that a face gave no usable vector.
var ErrNoVector = errors.New("no usable face vector")

// An Embedder makes templates.
type Embedder struct {
	parts     []*part
	dim       int
	id, model string
}

// A part is one network and how a face is shown to it.
type part struct {
	role      string
	dim, side int
	template  [5]imgproc.Point // where the five points go, in pixels of side
	norm      imgproc.Norm
	mirror    bool // the mirrored face is embedded too and added

	model *litert.Model
	crop  *imgproc.Image
}

// New loads the networks of the manifest's embedder with the given id; "" means the default.
func New(load litert.Loader, id string) (*Embedder, error) {
	list := models.Manifest()
	m, ok := list.Embedder(id)
	if !ok {
		return nil, fmt.Errorf("load embedder: the manifest has none called %q", id)
	}
	e := &Embedder{dim: m.Size, id: m.ID}
	hash, size := sha256.New(), 0
	for _, role := range m.Roles {
		entry, ok := list.Entry(role)
		if !ok {
			return nil, errors.Join(fmt.Errorf("load embedder %s: no model for %s", m.ID, role), e.Close())
		}
		p, err := newPart(load, entry, m.Mirror)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("load embedder %s: %w", m.ID, err), e.Close())
		}
		e.parts = append(e.parts, p)
		hash.Write([]byte(entry.SHA256))
		size += p.dim
	}
	if len(e.parts) == 0 || size != m.Size {
		return nil, errors.Join(fmt.Errorf("load embedder %s: its networks give %d numbers, want %d", m.ID, size, m.Size), e.Close())
	}
	e.model = m.ID + "@" + hex.EncodeToString(hash.Sum(nil)[:4])
	return e, nil
}

func newPart(load litert.Loader, entry models.Entry, mirror bool) (*part, error) {
	p := &part{role: entry.Role, mirror: mirror}
	switch {
	case strings.HasPrefix(entry.Role, "embed_foamliu"):
		p.dim, p.side, p.template = 128, 112, arcFace()
	case strings.HasPrefix(entry.Role, "embed_0095"):
		p.dim, p.side, p.template = 256, 128, reid0095()
	default:
		return nil, fmt.Errorf("the alignment of %s is not known", entry.Role)
	}
	p.norm.BGR = entry.Colour == "BGR"
	for c := range 3 {
		p.norm.Mul[c] = 1 / entry.Deviation[c]
		p.norm.Add[c] = -entry.Mean[c] / entry.Deviation[c]
	}
	m, err := load(entry.Role)
	if err != nil {
		return nil, err
	}
	if len(m.Inputs()) != 1 || len(m.Input(0)) != 3*p.side*p.side || len(m.Outputs()) != 1 || len(m.Output(0)) != p.dim {
		return nil, errors.Join(fmt.Errorf("%s is not a network from %d pixels to %d numbers", p.role, p.side, p.dim), m.Close())
	}
	p.model, p.crop = m, imgproc.New(p.side, p.side)
	return p, nil
}

// Close frees the models. It is safe to call twice.
func (e *Embedder) Close() error {
	var err error
	for _, p := range e.parts {
		err = errors.Join(err, p.model.Close())
	}
	return err
}

// Dim is the length of a template.
func (e *Embedder) Dim() int { return e.dim }

// ID is the embedder's id in the manifest, under which its calibration is found.
func (e *Embedder) ID() string { return e.id }

// Model is the id with the first bytes of a hash over the networks' files. It goes with
// every template: templates of different models are never compared.
func (e *Embedder) Model() string { return e.model }

// Embed stores in dst, of length Dim, the template of the face of img with the given five
// points: left and right eye, tip of the nose, left and right mouth corner, as in the
// picture. Points that span no area and vectors that are zero are errors wrapping
// ErrNoVector. On any error dst is zero, which matches nobody.
func (e *Embedder) Embed(img *imgproc.Image, five [5]imgproc.Point, dst []float32) error {
	clear(dst)
	if len(dst) != e.dim {
		return fmt.Errorf("embed face: room for %d numbers, want %d", len(dst), e.dim)
	}
	rest := dst
	for _, p := range e.parts {
		if err := p.embed(img, &five, rest[:p.dim]); err != nil {
			clear(dst)
			return fmt.Errorf("embed face with %s: %w", p.role, err)
		}
		rest = rest[p.dim:]
	}
	if len(e.parts) > 1 && !normalise(dst) {
		clear(dst)
		return fmt.Errorf("embed face: %w", ErrNoVector)
	}
	return nil
}

// embed stores the part's unit vector in dst, which is zero.
func (p *part) embed(img *imgproc.Image, five *[5]imgproc.Point, dst []float32) error {
	to := imgproc.Similarity(five[:], p.template[:])
	if s := to.Scale(); !(s > 0) || math.IsInf(s, 0) {
		return fmt.Errorf("the five points span no area: %w", ErrNoVector)
	}
	if err := p.add(img, to, dst); err != nil {
		return err
	}
	if !p.mirror {
		return nil
	}
	to.A, to.B, to.C = -to.A, -to.B, float64(p.side-1)-to.C
	if err := p.add(img, to, dst); err != nil {
		return err
	}
	if !normalise(dst) {
		return ErrNoVector
	}
	return nil
}

// add adds the unit vector of one crop to dst.
func (p *part) add(img *imgproc.Image, to imgproc.Affine, dst []float32) error {
	imgproc.Warp(p.crop, img, to)
	imgproc.Fill(p.model.Input(0), p.crop, p.norm)
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
	if !(s > 1e-12) || math.IsInf(s, 0) {
		return false
	}
	k := 1 / math.Sqrt(s)
	for i, x := range v {
		v[i] = float32(float64(x) * k)
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

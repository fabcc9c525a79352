package face

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"facegate/pipeline/imgproc"
	"facegate/pipeline/litert"
)

const (
	minScore = .5 // a face counts from this score

	// A candidate has a say in where a face is from this score. With 0.5 boxes move by half a
	// per cent of their width, and LFW loses 4.0 instead of 3.6 % of its genuine pairs at FMR 1e-5.
	minVote = .3

	maxOverlap = .3 // candidates that overlap by more are one face

	regression = 16 // numbers a candidate: centre, size, six points
)

// A Detector finds faces with two networks: a short-range one, quick and good for faces
// that fill a tenth of the picture or more, and a full-range one for small, far and several
// faces. It is not safe for concurrent use.
type Detector struct {
	short, full *blaze
	part        imgproc.Picture // of a picture that is searched
}

// NewDetector loads the models of the roles "detect_short" and "detect_full".
func NewDetector(load litert.Loader) (*Detector, error) {
	// One run of layers of equal stride is one grid with two anchors a cell for each of its
	// layers; the full range has one layer and one anchor.
	short, err := newBlaze(load, "detect_short", 128, []layer{{stride: 8, perCell: 2}, {stride: 16, perCell: 6}})
	if err != nil {
		return nil, err
	}
	full, err := newBlaze(load, "detect_full", 192, []layer{{stride: 4, perCell: 1}})
	if err != nil {
		return nil, errors.Join(err, short.model.Close())
	}
	return &Detector{short: short, full: full}, nil
}

// Close frees the models. It is safe to call twice.
func (d *Detector) Close() error { return errors.Join(d.short.model.Close(), d.full.model.Close()) }

// Detect finds the faces of a picture at short range and, where that finds none, at full
// range. The best score comes first. The result is valid until the next call; none is no
// error. Points and boxes are in picture pixels and may lie outside the picture.
func (d *Detector) Detect(p *imgproc.Picture) ([]Detection, error) {
	found, err := d.short.detect(p)
	if err != nil || len(found) > 0 {
		return found, err
	}
	return d.full.detect(p)
}

// DetectFull finds the faces at full range only: it sees more of several faces and takes
// about six times as long as the short range. Its result lives apart from that of a
// successful short range: both stay valid until the next call of either method.
func (d *Detector) DetectFull(p *imgproc.Picture) ([]Detection, error) { return d.full.detect(p) }

// Search looks as hard as it can, for a still picture whose face may have any size. It gives
// the faces to pick from and all that are there, for counting people. Both are valid until the
// next call of any method. In steady state it allocates only where nothing is found at once.
//
// What Detect finds is picked from, and what DetectFull sees is counted: it has fewer false
// alarms. Where there is neither, the short range looks at the picture from twice as far, for
// faces that fill it; then the full range looks at overlapping parts of a large picture, for
// small ones, of which only the clearer count.
func (d *Detector) Search(p *imgproc.Picture) (found, all []Detection, err error) {
	if all, err = d.full.detect(p); err != nil {
		return nil, nil, err
	}
	if found, err = d.short.detect(p); err != nil || len(found) > 0 {
		return found, all, err
	}
	if len(all) > 0 {
		return all, all, nil
	}
	if found, err = d.short.detectFar(p); err != nil || len(found) > 0 {
		return found, found, err
	}
	found, err = d.searchParts(p)
	return found, found, err
}

const (
	minPart      = 192 // pixels of a part's side: fewer would only be enlarged
	maxParts     = 64  // parts a picture is looked at in
	minPartScore = .6
)

// searchParts looks at squares as wide as the picture's shorter side, then at squares of half
// that, until it sees a face.
func (d *Detector) searchParts(p *imgproc.Picture) ([]Detection, error) {
	img := p.RGB()
	var found []Detection
	for side := min(p.W, p.H); side >= minPart && len(found) == 0; side /= 2 {
		nx, ny := parts(p.W, side), parts(p.H, side)
		if nx*ny > maxParts {
			break
		}
		for i := range nx * ny {
			x, y := place(i%nx, nx, p.W-side), place(i/nx, ny, p.H-side)
			part := img.Sub(x, y, x+side, y+side)
			d.part.SetImage(&part)
			seen, err := d.full.detect(&d.part)
			d.part.SetImage(&imgproc.Image{}) // or it would hold the picture until the next
			if err != nil {
				return nil, err
			}
			for j := range seen {
				seen[j].apply(imgproc.Affine{A: 1, C: float64(x), E: 1, F: float64(y)})
			}
			found = Merge(found, slices.DeleteFunc(seen, func(s Detection) bool { return s.Score < minPartScore }))
		}
	}
	return found, nil
}

// parts is how many squares of a side cover a length with two fifths of overlap.
func parts(length, side int) int { return 1 + (5*(length-side)+3*side-1)/(3*side) }

// place is where part i of n begins, spread evenly over room.
func place(i, n, room int) int {
	if n == 1 {
		return 0
	}
	return i * room / (n - 1)
}

// Pick is the face to use: the largest, the middle of the picture counting (area less twice
// the squared distance of the centres; InsightFace's rule). It is nil where there is none.
func Pick(found []Detection, w, h int) *Detection {
	var best *Detection
	var most float64
	for i := range found {
		b := found[i].Box
		c := b.Centre()
		dx, dy := c.X-float64(w)/2, c.Y-float64(h)/2
		v := b.W()*b.H() - 2*(dx*dx+dy*dy)
		if best == nil || v > most {
			best, most = &found[i], v
		}
	}
	return best
}

// A layer is a grid of anchors: stride pixels of the network's input apart.
type layer struct{ stride, perCell int }

// A blaze is one BlazeFace network and what turns its output into faces.
type blaze struct {
	model    *litert.Model
	side     int
	box, cls int // which output is which
	anchors  []imgproc.Point

	canvas *imgproc.Image
	middle imgproc.Image // half of the canvas
	cand   []candidate   // over the threshold, in the network's input, pixels
	order  []int         // candidates by score, best first
	out    []Detection
}

type candidate struct {
	Detection
	used bool
}

func newBlaze(load litert.Loader, role string, side int, layers []layer) (*blaze, error) {
	b := &blaze{side: side, canvas: imgproc.New(side, side)}
	b.middle = b.canvas.Sub(side/4, side/4, side*3/4, side*3/4)
	for _, l := range layers {
		n := side / l.stride
		for y := range n {
			for x := range n {
				p := imgproc.Point{X: (float64(x) + .5) / float64(n) * float64(side), Y: (float64(y) + .5) / float64(n) * float64(side)}
				for range l.perCell {
					b.anchors = append(b.anchors, p)
				}
			}
		}
	}
	m, err := load(role)
	if err != nil {
		return nil, fmt.Errorf("load face detector: %w", err)
	}
	b.model = m
	b.box, b.cls = outputOf(m, regression*len(b.anchors)), outputOf(m, len(b.anchors))
	if len(m.Inputs()) != 1 || len(m.Input(0)) != 3*side*side || b.box < 0 || b.cls < 0 {
		return nil, errors.Join(fmt.Errorf("load face detector: %s is not a face detector of %d pixels with %d anchors", role, side, len(b.anchors)), m.Close())
	}
	b.cand = make([]candidate, 0, len(b.anchors))
	b.order = make([]int, 0, len(b.anchors))
	return b, nil
}

// outputOf is the output with n float32 elements, -1 if there is none.
func outputOf(m *litert.Model, n int) int {
	return slices.IndexFunc(m.Outputs(), func(t litert.Tensor) bool {
		size := 1
		for _, d := range t.Shape {
			size *= d
		}
		return t.Type == litert.Float32 && size == n
	})
}

func (b *blaze) detect(p *imgproc.Picture) ([]Detection, error) {
	if p.W <= 0 || p.H <= 0 {
		return nil, nil
	}
	return b.run(p, p.Letterbox(b.canvas))
}

// detectFar shows the network the picture in the middle half of its canvas.
func (b *blaze) detectFar(p *imgproc.Picture) ([]Detection, error) {
	if p.W <= 0 || p.H <= 0 {
		return nil, nil
	}
	b.canvas.Black()
	lb := p.Letterbox(&b.middle)
	lb.X += b.side / 4
	lb.Y += b.side / 4
	return b.run(p, lb)
}

// run finds the faces of the canvas, where the picture lies at lb.
func (b *blaze) run(p *imgproc.Picture, lb imgproc.Letterbox) ([]Detection, error) {
	b.out = b.out[:0]
	imgproc.Fill(b.model.Input(0), b.canvas, imgproc.Uniform(1/127.5, -1))
	if err := b.model.Run(); err != nil {
		return nil, fmt.Errorf("detect faces: %w", err)
	}
	b.decode()
	b.suppress()
	sx, sy := float64(p.W)/float64(lb.W), float64(p.H)/float64(lb.H)
	back := imgproc.Affine{A: sx, C: -float64(lb.X) * sx, E: sy, F: -float64(lb.Y) * sy}
	for i := range b.out {
		b.out[i].apply(back)
	}
	return b.out, nil
}

// decode collects the anchors whose score counts.
func (b *blaze) decode() {
	reg, cls := b.model.Output(b.box), b.model.Output(b.cls)
	minLogit := float32(math.Log(minVote / (1 - minVote)))
	b.cand, b.order = b.cand[:0], b.order[:0]
	for i, a := range b.anchors {
		if cls[i] < minLogit {
			continue
		}
		r := reg[regression*i : regression*(i+1)]
		cx, cy := float64(r[0])+a.X, float64(r[1])+a.Y
		w, h := float64(r[2])/2, float64(r[3])/2
		if !(w > 0 && h > 0) {
			continue
		}
		c := candidate{Detection: Detection{Score: sigmoid(cls[i]), Box: imgproc.Box{X0: cx - w, Y0: cy - h, X1: cx + w, Y1: cy + h}}}
		for k := range c.Points {
			c.Points[k] = imgproc.Point{X: float64(r[4+2*k]) + a.X, Y: float64(r[5+2*k]) + a.Y}
		}
		b.order = append(b.order, len(b.cand))
		b.cand = append(b.cand, c)
	}
	slices.SortStableFunc(b.order, func(i, j int) int { return cmp.Compare(b.cand[j].Score, b.cand[i].Score) })
}

// suppress makes one face of the candidates that overlap: the mean of their boxes and points
// weighted by their scores, with the best score (MediaPipe's weighted suppression).
func (b *blaze) suppress() {
	for k, i := range b.order {
		best := &b.cand[i]
		if best.Score < minScore {
			break
		}
		if best.used {
			continue
		}
		var sum Detection
		for _, j := range b.order[k:] {
			c := &b.cand[j]
			if c.used || overlap(best.Box, c.Box) <= maxOverlap {
				continue
			}
			c.used = true
			sum.add(&c.Detection)
		}
		w := sum.Score
		sum.scale(1 / w)
		sum.Score = best.Score
		b.out = append(b.out, sum)
	}
}

// add adds e's geometry times its score, and the score.
func (d *Detection) add(e *Detection) {
	s := e.Score
	d.Score += s
	d.Box.X0 += s * e.Box.X0
	d.Box.Y0 += s * e.Box.Y0
	d.Box.X1 += s * e.Box.X1
	d.Box.Y1 += s * e.Box.Y1
	for k, p := range e.Points {
		d.Points[k].X += s * p.X
		d.Points[k].Y += s * p.Y
	}
}

func (d *Detection) scale(s float64) { d.apply(imgproc.Affine{A: s, E: s}) }

// apply moves the geometry by an upright map.
func (d *Detection) apply(t imgproc.Affine) {
	p, q := t.Apply(imgproc.Point{X: d.Box.X0, Y: d.Box.Y0}), t.Apply(imgproc.Point{X: d.Box.X1, Y: d.Box.Y1})
	d.Box = imgproc.Box{X0: p.X, Y0: p.Y, X1: q.X, Y1: q.Y}
	for k, p := range d.Points {
		d.Points[k] = t.Apply(p)
	}
}

// overlap is the intersection of two boxes over their union.
func overlap(a, b imgproc.Box) float64 {
	w, h := min(a.X1, b.X1)-max(a.X0, b.X0), min(a.Y1, b.Y1)-max(a.Y0, b.Y0)
	if w <= 0 || h <= 0 {
		return 0
	}
	return w * h / (a.W()*a.H() + b.W()*b.H() - w*h)
}

func sigmoid(x float32) float64 { return 1 / (1 + math.Exp(-float64(x))) }

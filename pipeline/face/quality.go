package face

import (
	"math"
)

// A Coverage is the cover stage's verdict on what lies before a face.
type Coverage uint8

// Verdicts of the cover stage.
const (
	CoverUnknown Coverage = iota // it did not run
	CoverNone
	CoverMask  // a face mask and nothing else
	CoverOther // something that hides the face and is no mask
)

// A Finding is what is known of one picture and of the face chosen in it, as far as the
// stages have run.
type Finding struct {
	W, H  int         // of the picture, pixels; 0 for one that cannot be read
	Face  *Detection  // the one that was picked, nil where there is none
	Faces []Detection // all that are there; see [Detector.DetectFull] for who sees most of them

	Mesh     *Mesh    // nil: not fitted
	Surface  *Surface // nil: not measured
	Coverage Coverage
	EyesOpen float64 // NaN: not judged
}

// Limits say when a face is refused. See [DefaultLimits] for what each rests on.
type Limits struct {
	SecondFace float64 // a face at least this wide, as a share of the picked one, is a second person

	Presence float64 // a mesh with less is not of a bare face: the face is covered,
	Certain  float64 // or there is none, if the detection scores less and the cover stage sees no mask

	MinWidth   float64 // of the detector's box, pixels
	MinShare   float64 // of the picture's shorter side that the box spans,
	WideEnough float64 // unless it has this many pixels

	MaxShare  float64 // of the picture's width or height that the outline spans
	MaxCut    float64 // of the outline beyond the picture, in widths of the outline
	MinMargin float64 // from the outline to the border of the picture, in the same unit

	MaxYaw, MaxPitch, MaxRoll float64 // degrees to either side

	MinHighlight float64 // see Surface
	MaxClipped   float64
	MaxBlur      float64

	MinEyesOpen float64
}

// DefaultLimits are limits measured on open labelled pictures: LFW (1849 press portraits),
// Replay-Attack (92 live webcam frames), phone selfies, and the pictures labelled with what
// is wrong with them. "Lost" is a cosine below the FMR 1e-4 threshold of the default embedder,
// 0.392, between a picture and its impaired copy.
func DefaultLimits() Limits {
	return Limits{
		// Fixed from outside.
		SecondFace: .6,

		// All LFW and webcam faces but one have a presence above 0.96. Masks and helmets lower it
		// to nothing at scores of 0.51 to 0.83; animals taken for a face scored 0.57 and 0.60. The
		// mask network tells the masks among them.
		Presence: .5,
		Certain:  .6,

		// Shrunk to 30 pixels no face of 164 is lost (cosine 0.74 at the 5 % quantile), at 22 1 %, at
		// 18 12 %. A face that spans less than a sixth of the picture is that of a passer-by or of a
		// figure shown in full; with 160 pixels it has more than any network here uses.
		MinWidth:   32,
		MinShare:   1. / 6,
		WideEnough: 160,

		// A twentieth of the picture's height or width is no room to move in.
		MaxShare: .95,
		// With a tenth of the width cut off at a side, the forehead or the chin, none of 103 faces is
		// lost (cosine 0.88 and more at the 5 % quantile), but what other stages look at is gone.
		MaxCut:    .1,
		MinMargin: 0,

		// Genuine pairs with a mesh yaw of 40 to 45° are lost no more often than frontal ones
		// (0 of 15), above that 1 of 4. LFW loses 6 of 1849 to yaw, 1 to pitch, none to roll.
		MaxYaw:   45,
		MaxPitch: 40,
		MaxRoll:  35,

		// Pictures darkened with the noise of a small sensor: one face in twenty is lost at a
		// highlight of 0.11, but passive liveness refuses 87 % of live webcam faces at 0.21 and all
		// at 0.15. The darkest live faces of the sets have 0.26. It is no judgement of skin: the 16
		// darkest faces of LFW, many of them of dark skin, have 0.35 to 0.63.
		MinHighlight: .2,
		// Pictures brightened until the highlights clip: one face in thirty is lost where the median
		// is 0.39, one in ten where it is 0.52. LFW has 0.22 at most, people in white masks 0.24.
		MaxClipped: .3,
		// Gaussian blur of 3.5 pixels on the aligned face loses one face in five, at a blur of 0.54;
		// 3 pixels one in fifty, at 0.50. The most blurred picture of LFW has 0.34.
		MaxBlur: .52,

		// Fixed from outside; see Eyes.Open.
		MinEyesOpen: .5,
	}
}

// Judge gives the first of the quality codes, in their order, that applies to what is known;
// what is not known yet refuses nobody, so that it can be asked after each stage. OK means
// that nothing known is wrong.
func (l *Limits) Judge(f *Finding) Quality {
	if f.W <= 0 || f.H <= 0 {
		return ImageError
	}
	if f.Face == nil || l.imagined(f) {
		return NoFace
	}
	if l.several(f) {
		return SeveralFaces
	}
	width := f.Face.Box.W()
	if width < l.MinWidth || width < l.MinShare*float64(min(f.W, f.H)) && width < l.WideEnough {
		return TooSmall
	}
	if f.Mesh != nil {
		if q := l.frame(f); q != OK {
			return q
		}
	}
	if s := f.Surface; s != nil {
		switch {
		case s.Highlight < l.MinHighlight:
			return Dark
		case s.Clipped > l.MaxClipped:
			return Bright
		case s.Blur > l.MaxBlur:
			return Blurred
		}
	}
	if l.occluded(f) {
		return Occluded
	}
	if f.EyesOpen < l.MinEyesOpen {
		return EyesClosed
	}
	return OK
}

// bare reports whether the mesh sees a bare face, or was not asked.
func (l *Limits) bare(f *Finding) bool { return f.Mesh == nil || f.Mesh.Presence >= l.Presence }

// imagined reports whether the detector saw a face where there is none: it is not sure, the
// mesh sees no bare face, and the cover stage has looked and sees nothing that would hide one.
func (l *Limits) imagined(f *Finding) bool {
	return !l.bare(f) && f.Face.Score < l.Certain && f.Coverage == CoverNone
}

// several reports whether there is a second person: a face that is wide enough and is not the
// picked one seen by the other detector.
func (l *Limits) several(f *Finding) bool {
	for i := range f.Faces {
		d := &f.Faces[i]
		if d.Box.W() >= l.SecondFace*f.Face.Box.W() && overlap(d.Box, f.Face.Box) <= maxOverlap {
			return true
		}
	}
	return false
}

// frame judges where in the picture and in what direction the face is.
func (l *Limits) frame(f *Finding) Quality {
	o := f.Mesh.Outline()
	w, h := float64(f.W), float64(f.H)
	margin := min(o.X0, o.Y0, w-o.X1, h-o.Y1) / o.W()
	p := f.Mesh.Pose()
	switch {
	case !(o.W() <= l.MaxShare*w && o.H() <= l.MaxShare*h):
		return TooClose
	case !(margin >= -l.MaxCut):
		return Cropped
	case !(margin >= l.MinMargin):
		return NearBorder
	case math.Abs(p.Yaw) > l.MaxYaw || math.Abs(p.Pitch) > l.MaxPitch || math.Abs(p.Roll) > l.MaxRoll:
		return Angle
	}
	return OK
}

// occluded reports whether something hides the face. A mask alone does not count. A mesh that
// sees no bare face does, unless the cover stage knows that it is a mask.
func (l *Limits) occluded(f *Finding) bool {
	switch f.Coverage {
	case CoverOther:
		return true
	case CoverMask:
		return false
	}
	return !l.bare(f)
}

// Merge adds to found those faces of more that are not among them, and returns the longer
// slice: what two detectors see together.
func Merge(found, more []Detection) []Detection {
next:
	for _, d := range more {
		for i := range found {
			if overlap(found[i].Box, d.Box) > maxOverlap {
				continue next
			}
		}
		found = append(found, d)
	}
	return found
}

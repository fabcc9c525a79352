package cover

import (
	"math"

	"facegate/pipeline/imgproc"
)

// A colour is the mean of RGB pixels.
type colour struct{ r, g, b, n int }

func (c *colour) add(rgb []byte) {
	c.r += int(rgb[0])
	c.g += int(rgb[1])
	c.b += int(rgb[2])
	c.n++
}

// luma is that of ITU-R BT.601, 0..255.
func (c *colour) luma() float64 {
	return (.299*float64(c.r) + .587*float64(c.g) + .114*float64(c.b)) / float64(max(c.n, 1))
}

// distance is how different two colours look: the Euclidean one in CIE L*a*b* (1976).
func (c *colour) distance(d colour) float64 {
	l, a, b := c.lab()
	m, e, f := d.lab()
	return math.Sqrt((l-m)*(l-m) + (a-e)*(a-e) + (b-f)*(b-f))
}

// lab takes the colour for sRGB under D65.
func (c *colour) lab() (l, a, b float64) {
	linear := func(sum int) float64 {
		v := float64(sum) / float64(max(c.n, 1)) / 255
		if v <= .04045 {
			return v / 12.92
		}
		return math.Pow((v+.055)/1.055, 2.4)
	}
	red, green, blue := linear(c.r), linear(c.g), linear(c.b)
	f := func(t float64) float64 {
		if t > 216./24389 {
			return math.Cbrt(t)
		}
		return (24389./27*t + 16) / 116
	}
	x := f((.4124564*red + .3575761*green + .1804375*blue) / .95047)
	y := f(.2126729*red + .7151522*green + .0721750*blue)
	z := f((.0193339*red + .1191920*green + .9503041*blue) / 1.08883)
	return 116*y - 16, 500 * (x - y), 200 * (y - z)
}

// colour is the mean of the crop inside an outline.
func (p *parser) colour(outline []imgproc.Point) colour {
	p.fill(outline)
	var c colour
	for y := range parseSide {
		pix := p.crop.Pix[y*p.crop.Stride:]
		for x := range parseSide {
			if p.inner.Pix[y*p.inner.Stride+x] != 0 {
				c.add(pix[3*x:])
			}
		}
	}
	return c
}

package eval

import (
	"fmt"
	"html/template"
	"math"
	"strings"
)

// A curve is one line of a plot.
type curve struct {
	Name   string
	X, Y   []float64
	Lo, Hi []float64 // intervals of Y, none or one a point
	Dots   bool      // points without a line
	Wide   bool      // drawn thick, under the others
}

func (c *curve) add(x float64, y Rate) {
	c.X, c.Y = append(c.X, x), append(c.Y, y.Share())
}

// bar adds a point with its interval.
func (c *curve) bar(x float64, y Rate) {
	c.add(x, y)
	lo, hi := y.Wilson()
	c.Lo, c.Hi = append(c.Lo, lo), append(c.Hi, hi)
}

// An axis is one side of a plot.
type axis struct {
	Label    string
	Min, Max float64 // above 0 where Log
	Log      bool
	Ticks    []float64 // nil for powers of ten, or round numbers
}

// at is where a value lies on the axis, 0..1. What lies outside is at the end; zero on a
// logarithmic axis is at its start.
func (a axis) at(v float64) float64 {
	lo, hi := a.Min, a.Max
	if a.Log {
		lo, hi, v = math.Log10(lo), math.Log10(hi), math.Log10(v)
	}
	return min(max((v-lo)/(hi-lo), 0), 1)
}

// ticks are the values with a grid line.
func (a axis) ticks() []float64 {
	if a.Ticks != nil {
		return a.Ticks
	}
	var out []float64
	if a.Log {
		for e := math.Ceil(math.Log10(a.Min) - 1e-9); e <= math.Log10(a.Max)+1e-9; e++ {
			out = append(out, math.Pow(10, e))
		}
		return out
	}
	step := math.Pow(10, math.Floor(math.Log10(a.Max-a.Min)))
	for _, finer := range []float64{1, .5, .2, .1} {
		if (a.Max-a.Min)/(step*finer) >= 4 {
			step *= finer
			break
		}
	}
	for i := 0; a.Min+float64(i)*step <= a.Max+1e-9; i++ {
		out = append(out, a.Min+float64(i)*step)
	}
	return out
}

// tick writes a value: powers of ten with a raised exponent, shares below 1 on a linear axis
// in percent.
func (a axis) tick(v float64) string {
	e := math.Round(math.Log10(v))
	switch {
	case a.Ticks != nil:
		return fmt.Sprintf("%g", v)
	case a.Log && e < -1:
		return fmt.Sprintf(`10<tspan dy="-5" font-size="9">−%.0f</tspan>`, -e)
	case a.Log:
		return fmt.Sprintf("%g", math.Pow(10, e))
	case a.Max <= 1:
		return fmt.Sprintf("%.3g %%", 100*v)
	}
	return fmt.Sprintf("%.3g", v)
}

// A plot is a chart, drawn as SVG.
type plot struct {
	Title  string
	X, Y   axis
	Curves []curve
	Mark   float64 // a vertical line at this x, none at 0
}

// SVG draws the plot with a grid; the legend stands beneath, so that it covers nothing.
func (p plot) SVG() template.HTML {
	const w, left, right, top, floor = 600, 66, 18, 32, 340
	const legend = 20 // pixels a line, two names a line
	height := floor + 52 + legend*((len(p.Curves)+1)/2)
	colours := [...]string{"#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#b9770e", "#34495e"}
	x := func(v float64) float64 { return left + (w-left-right)*p.X.at(v) }
	y := func(v float64) float64 { return floor - (floor-top)*p.Y.at(v) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" font-family="system-ui,sans-serif" font-size="12" fill="#222">`, w, height, w, height)
	title := template.HTMLEscapeString(p.Title)
	fmt.Fprintf(&b, `<title>%s</title><rect width="100%%" height="100%%" fill="#fff"/><text x="%d" y="18" font-size="13" font-weight="600">%s</text>`, title, left, title)
	for _, v := range p.X.ticks() {
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#e2e5e8"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`, x(v), top, x(v), floor, x(v), floor+17, p.X.tick(v))
	}
	for _, v := range p.Y.ticks() {
		fmt.Fprintf(&b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#e2e5e8"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`, left, y(v), w-right, y(v), left-7, y(v)+4, p.Y.tick(v))
	}
	fmt.Fprintf(&b, `<path d="M%d %dV%dH%d" fill="none" stroke="#555"/>`, left, top, floor, w-right)
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`, (left+w-right)/2, floor+36, template.HTMLEscapeString(p.X.Label))
	fmt.Fprintf(&b, `<text transform="translate(16 %d) rotate(-90)" text-anchor="middle">%s</text>`, (top+floor)/2, template.HTMLEscapeString(p.Y.Label))
	if p.Mark != 0 {
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#555" stroke-dasharray="4 3"/>`, x(p.Mark), top, x(p.Mark), floor)
	}
	for i, c := range p.Curves {
		colour := colours[i%len(colours)]
		lx, ly := left+(w-left-right)/2*(i%2), floor+56+legend*(i/2)
		if c.Dots {
			fmt.Fprintf(&b, `<circle cx="%d" cy="%d" r="4" fill="%s"/>`, lx+11, ly-4, colour)
		} else {
			fmt.Fprintf(&b, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="%s" stroke-width="%d"%s/>`, lx, ly-4, lx+22, ly-4, colour, c.width(), c.opacity())
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d">%s</text>`, lx+30, ly, template.HTMLEscapeString(c.Name))
		c.draw(&b, colour, x, y)
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()) //nolint:gosec // every text in it is escaped above or a number
}

func (c *curve) width() int {
	if c.Wide {
		return 7
	}
	return 2
}

func (c *curve) opacity() string {
	if c.Wide {
		return ` stroke-opacity=".3"`
	}
	return ""
}

func (c *curve) draw(b *strings.Builder, colour string, x, y func(float64) float64) {
	var points []string
	for i := range c.X {
		px, py := x(c.X[i]), y(c.Y[i])
		if math.IsNaN(px) || math.IsNaN(py) {
			continue
		}
		points = append(points, fmt.Sprintf("%.1f,%.1f", px, py))
		if c.Lo != nil {
			fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-opacity=".55"/><circle cx="%.1f" cy="%.1f" r="4" fill="%s"/>`, px, y(c.Lo[i]), px, y(c.Hi[i]), colour, px, py, colour)
		}
	}
	if !c.Dots && len(points) > 1 {
		fmt.Fprintf(b, `<polyline fill="none" stroke="%s" stroke-width="%d" stroke-linejoin="round"%s points="%s"/>`, colour, c.width(), c.opacity(), strings.Join(points, " "))
	}
}

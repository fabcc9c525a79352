package eval

import (
	"fmt"
	"html/template"
	"math"
	"strings"
)

// A curve is one line of a plot.
type curve struct {
	Name string
	X, Y []float64
}

// A plot is a chart with logarithmic axes, drawn as SVG.
type plot struct {
	Title, XLabel, YLabel  string
	XMin, XMax, YMin, YMax float64 // in data units, powers of ten
	Curves                 []curve
}

// SVG draws the plot: decades as grid lines, one colour a curve, a legend.
func (p plot) SVG() template.HTML {
	const w, h, left, bottom, top, right = 560, 380, 64, 48, 24, 16
	colours := []string{"#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#d68910", "#34495e"}
	x := func(v float64) float64 {
		return left + (w-left-right)*(math.Log10(v)-math.Log10(p.XMin))/(math.Log10(p.XMax)-math.Log10(p.XMin))
	}
	y := func(v float64) float64 {
		return h - bottom - (h-bottom-top)*(math.Log10(v)-math.Log10(p.YMin))/(math.Log10(p.YMax)-math.Log10(p.YMin))
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %d %d" width="%d" height="%d" role="img" font-family="sans-serif" font-size="12">`, w, h, w, h)
	fmt.Fprintf(&b, `<title>%s</title><text x="%d" y="16">%s</text>`, p.Title, left, template.HTMLEscapeString(p.Title))
	for v := p.XMin; v <= p.XMax*1.001; v *= 10 {
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#ddd"/><text x="%.1f" y="%d" text-anchor="middle">%.0e</text>`, x(v), top, x(v), h-bottom, x(v), h-bottom+16, v)
	}
	for v := p.YMin; v <= p.YMax*1.001; v *= 10 {
		fmt.Fprintf(&b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%g</text>`, left, y(v), w-right, y(v), left-6, y(v)+4, v)
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`, (left+w-right)/2, h-10, template.HTMLEscapeString(p.XLabel))
	fmt.Fprintf(&b, `<text transform="translate(14 %d) rotate(-90)" text-anchor="middle">%s</text>`, (top+h-bottom)/2, template.HTMLEscapeString(p.YLabel))
	for i, c := range p.Curves {
		var points []string
		for j := range c.X {
			points = append(points, fmt.Sprintf("%.1f,%.1f", x(min(max(c.X[j], p.XMin), p.XMax)), y(min(max(c.Y[j], p.YMin), p.YMax))))
		}
		colour := colours[i%len(colours)]
		fmt.Fprintf(&b, `<polyline fill="none" stroke="%s" stroke-width="1.5" points="%s"/>`, colour, strings.Join(points, " "))
		fmt.Fprintf(&b, `<text x="%d" y="%d" fill="%s">%s</text>`, w-right-200, top+16+16*i, colour, template.HTMLEscapeString(c.Name))
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()) //nolint:gosec // every text in it is escaped above or a number
}

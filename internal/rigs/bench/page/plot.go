package page

import (
	"encoding/xml"
	"fmt"
	"math"
	"slices"
	"strings"

	"example.com/hale/internal/rigs/bench/figure"
)

// A Plot is a picture of lines. It is small, and can be read on a light and on a
// dark page.
type Plot struct {
	File  string // its name, beside the page
	Title string
	X, Y  Axis
	Lines []Line
}

// An Axis has a label, and is linear unless Log.
type Axis struct {
	Label string
	Log   bool
}

// A Line is a curve through points; on a logarithmic axis it is broken by those that are
// not above zero.
type Line struct {
	Name   string
	Points []Point
}

// A Point is a place in the plot.
type Point struct{ X, Y float64 }

const (
	width, height = 720, 320
	left, right   = 64, 150
	top, bottom   = 28, 42
)

// colours can be told apart on white and on black, and by most of those who do
// not see all colours.
var colours = []string{"#d55e00", "#0072b2", "#009e73", "#cc79a7", "#8c6d1f", "#56b4e9", "#7f7f7f", "#00b3b3", "#9b7fd4"}

// SVG draws it.
func (p Plot) SVG() string {
	var b strings.Builder
	x, y := p.scale(p.X, left, width-right, func(p Point) float64 { return p.X }), p.scale(p.Y, height-bottom, top, func(p Point) float64 { return p.Y })
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11">`+"\n", width, height)
	b.WriteString("<style>text{fill:#222}.g{stroke:#888;stroke-opacity:.3}.a{stroke:#888}@media(prefers-color-scheme:dark){text{fill:#ddd}}</style>\n")
	text(&b, left, 16, "start", p.Title)
	text(&b, (left+width-right)/2, height-8, "middle", p.X.Label)
	fmt.Fprintf(&b, `<text transform="translate(14 %d) rotate(-90)" text-anchor="middle">%s</text>`+"\n", (top+height-bottom)/2, escape(p.Y.Label))
	for _, v := range x.ticks() {
		fmt.Fprintf(&b, `<path class="g" d="M%.1f %dV%d"/>`+"\n", x.at(v), top, height-bottom)
		text(&b, x.at(v), height-bottom+15, "middle", tick(v))
	}
	for _, v := range y.ticks() {
		fmt.Fprintf(&b, `<path class="g" d="M%d %.1fH%d"/>`+"\n", left, y.at(v), width-right)
		text(&b, left-6, y.at(v)+4, "end", tick(v))
	}
	fmt.Fprintf(&b, `<path class="a" fill="none" d="M%d %dV%dH%d"/>`+"\n", left, top, height-bottom, width-right)
	for i, l := range slices.Backward(p.Lines) { // the first is on top
		lines, dots := p.path(l, x, y)
		colour := colours[i%len(colours)]
		fmt.Fprintf(&b, `<path fill="none" stroke="%s" stroke-width="1.5" d="%s"/>`+"\n", colour, lines)
		if dots != "" {
			fmt.Fprintf(&b, `<path stroke="%s" stroke-width="5" stroke-linecap="round" d="%s"/>`+"\n", colour, dots)
		}
		at := float64(top + 8 + 16*i)
		fmt.Fprintf(&b, `<path stroke="%s" stroke-width="3" d="M%d %.1fh14"/>`+"\n", colour, width-right+10, at-4)
		text(&b, width-right+29, at, "start", l.Name)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// path breaks off where there is nothing to be drawn. What has no neighbours is a dot.
func (p Plot) path(l Line, x, y scale) (lines, dots string) {
	var b, d strings.Builder
	for from := 0; from < len(l.Points); {
		to := from // the end of the piece
		for to < len(l.Points) && p.shows(l.Points[to]) {
			to++
		}
		command := "M"
		for _, pt := range l.Points[from:to] {
			if to == from+1 {
				fmt.Fprintf(&d, "M%.1f %.1fh0", x.at(pt.X), y.at(pt.Y))
				break
			}
			fmt.Fprintf(&b, "%s%.1f %.1f", command, x.at(pt.X), y.at(pt.Y))
			command = "L"
		}
		from = to + 1
	}
	return b.String(), d.String()
}

// shows reports whether a point can be drawn.
func (p Plot) shows(pt Point) bool { return (!p.X.Log || pt.X > 0) && (!p.Y.Log || pt.Y > 0) }

func text(b *strings.Builder, x, y float64, anchor, s string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s">%s</text>`+"\n", x, y, anchor, escape(s))
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}

func tick(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e9 {
		return figure.Count(int(v))
	}
	return fmt.Sprintf("%.3g", v)
}

// scale maps values to places between from and to.
type scale struct {
	least, most float64
	from, to    float64
	log         bool
}

// scale of all points of the plot. A linear axis begins at zero.
func (p Plot) scale(a Axis, from, to float64, of func(Point) float64) scale {
	s := scale{least: math.Inf(1), most: math.Inf(-1), from: from, to: to, log: a.Log}
	for _, l := range p.Lines {
		for _, pt := range l.Points {
			if v := of(pt); !a.Log || v > 0 {
				s.least, s.most = min(s.least, v), max(s.most, v)
			}
		}
	}
	if math.IsInf(s.least, 0) { // nothing to draw
		s.least, s.most = 1, 10
	}
	if !a.Log {
		s.least = min(s.least, 0)
	}
	if s.least == s.most {
		s.most++
	}
	return s
}

func (s scale) at(v float64) float64 {
	part := (v - s.least) / (s.most - s.least)
	if s.log {
		part = math.Log(v/s.least) / math.Log(s.most/s.least)
	}
	return s.from + part*(s.to-s.from)
}

// ticks are round values: powers of ten, or about five that are as far apart.
func (s scale) ticks() (all []float64) {
	if s.log {
		for v := math.Pow(10, math.Ceil(math.Log10(s.least)-1e-9)); v <= s.most*(1+1e-9); v *= 10 {
			all = append(all, v)
		}
		return all
	}
	step := roundStep((s.most - s.least) / 5)
	for n := math.Ceil(s.least / step); n*step <= s.most; n++ {
		all = append(all, n*step)
	}
	return all
}

// roundStep is the least of 1, 2 and 5 times a power of ten that is not below x.
func roundStep(x float64) float64 {
	ten := math.Pow(10, math.Floor(math.Log10(x)))
	for _, m := range []float64{1, 2, 5} {
		if m*ten >= x*(1-1e-9) {
			return m * ten
		}
	}
	return 10 * ten
}

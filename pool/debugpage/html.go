package debugpage

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/url"
	"strings"
	"time"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var style string

//go:embed page.js
var script string

// policy is the Content-Security-Policy: the two that stand in the page run, by their
// hash, and nothing else; nothing is loaded from elsewhere, nobody may frame it, and
// markup gets into the document by one named function of the script.
var policy = strings.Join([]string{
	"default-src 'none'",
	"script-src " + hashOf(script),
	"style-src " + hashOf(style),
	"connect-src 'self'",
	"img-src 'self' data:",
	"base-uri 'none'",
	"form-action 'none'",
	"frame-ancestors 'none'",
	"require-trusted-types-for 'script'",
	"trusted-types hale",
}, "; ")

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"style":  func() template.HTML { return template.HTML("<style>" + style + "</style>") },
	"script": func() template.HTML { return template.HTML("<script>" + script + "</script>") },
	"human":  seconds.human,
	"whole":  seconds.whole,
	"tenths": seconds.tenths,
	"bytes":  bytes,
	"number": number,
	"plural": plural,
	"clock":  func(t time.Time) string { return t.Format(time.TimeOnly) },
	"zoned":  func(t time.Time) string { return t.Format(time.TimeOnly + " MST") },
	"exact":  func(t time.Time) string { return t.Format(time.RFC3339Nano) },
	"shapes": func() []string { return shapes },
	"link":   link,
	"known":  func(s seconds) bool { return s >= 0 },
}).Parse(pageHTML))

// shapes are the states that have one, in the order of the legend.
var shapes = []string{"well", "busy", "suspect", "full", "probing", "outage"}

// link leads to a page of a pool's connections.
func link(id string, page int) string {
	params := url.Values{"pool": {id}}
	if page > 1 {
		params.Set("page", number(&page))
	}
	return "?" + params.Encode()
}

// html is the form for a browser.
func (r *report) html() (string, error) {
	var b strings.Builder
	err := page.Execute(&b, r)
	return b.String(), err
}

// Heading is what a browser calls the page: the worst first.
func (r *report) Heading() string { return r.Summary + " – " + r.Title }

// Next and Before are the numbers of the pages beside this one, or 0.
func (p poolReport) Next() int   { return (p.Page + 1) * boolInt(p.Page < p.Pages) }
func (p poolReport) Before() int { return p.Page - 1 }

package debugpage

import (
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// form is one of the forms in which a page is served.
type form int

const (
	formHTML form = iota
	formJSON
	formText
	formStream
)

var contentTypes = [...]string{
	formHTML:   "text/html; charset=utf-8",
	formJSON:   "application/json",
	formText:   "text/plain; charset=utf-8",
	formStream: "text/event-stream",
}

var formNames = map[string]form{"html": formHTML, "json": formJSON, "text": formText, "stream": formStream}

// mediaTypes has what an Accept header may name, the one that is preferred first.
var mediaTypes = []struct {
	name string
	form form
}{
	{"text/event-stream", formStream}, {"text/html", formHTML}, {"application/xhtml+xml", formHTML},
	{"application/json", formJSON}, {"text/plain", formText},
}

// formOf is the form that the parameter names, or else the one of those that the
// Accept header names that it wants most, or else plain text: of a header that names
// none, as that of curl.
func formOf(param string, accept []string) (form, error) {
	if param != "" {
		f, ok := formNames[param]
		if !ok {
			return 0, refusal{http.StatusBadRequest, fmt.Sprintf("format %q: want html, json, text or stream", param)}
		}
		return f, nil
	}
	wants := wishes(accept)
	best, most := formText, 0.0
	for _, t := range mediaTypes {
		if q := wants[t.name]; q > most {
			best, most = t.form, q
		}
	}
	return best, nil
}

// wishes reads an Accept header (RFC 9110 section 12.5.1): how much each type is
// wanted. Ranges of types are left out.
func wishes(accept []string) map[string]float64 {
	wants := make(map[string]float64)
	for _, part := range strings.Split(strings.Join(accept, ","), ",") {
		name, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if text, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		wants[name] = q
	}
	return wants
}

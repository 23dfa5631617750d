package comparison

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"

	"example.com/hale/health"
	"example.com/hale/internal/lab/trial"
)

// report says in a few words what the users of a session saw, the first first.
func report(r trial.Result) string {
	var words []string
	for _, err := range r.Errors {
		words = append(words, gist(err))
	}
	if r.Hung > 0 {
		words = append(words, "hung")
	}
	words = unique(words)
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}

// reports is report for both loads, told apart where they differ.
func reports(busy, idle trial.Result) string {
	b, i := report(busy), report(idle)
	if b == i {
		return b
	}
	return "busy: " + b + "; idle: " + i
}

// gist shortens an error to its cause.
func gist(err error) string {
	if c := trial.Cause(err); c != health.Unknown {
		return c.String()
	}
	var ne net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &ne) && ne.Timeout() {
		return "timeout"
	}
	return lastWords(err.Error())
}

// longestWords is how much of an error's text a cell of the table bears.
const longestWords = 40

// lastWords is the end of an error's text, where the innermost error is.
func lastWords(text string) string {
	if i := strings.LastIndex(text, ": "); i >= 0 {
		text = text[i+2:]
	}
	text = strings.Join(strings.Fields(strings.ReplaceAll(text, "|", "/")), " ")
	if r := []rune(text); len(r) > longestWords {
		text = string(r[:longestWords-1]) + "…"
	}
	return `"` + text + `"`
}

// unique drops words that were there before.
func unique(words []string) []string {
	var once []string
	for _, w := range words {
		if !slices.Contains(once, w) {
			once = append(once, w)
		}
	}
	return once
}

//go:build !race && !hale_sweep

package hale_test

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	fencedCode = regexp.MustCompile("(?ms)^```.*?^```$")
	inlineCode = regexp.MustCompile("`[^`\n]*`")
	link       = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	heading    = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	notInSlug  = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
	testName   = regexp.MustCompile("`((?:Test|Benchmark|Fuzz|Example)[A-Z]\\w*)`")
	goFunction = regexp.MustCompile("`([\\w./-]+\\.go): (\\w+)`")
	testFunc   = regexp.MustCompile(`(?m)^func (\w+)\(`)
)

func TestLinksInDocumentsLeadSomewhere(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, file := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(prose(t, file), -1) {
			target, err := url.Parse(m[1])
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			if target.Scheme != "" {
				continue
			}
			seen++
			path := file
			if target.Path != "" {
				path = filepath.Join(filepath.Dir(file), target.Path)
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s: (%s): %v", file, m[1], err)
			} else if target.Fragment != "" && !hasAnchor(t, path, target.Fragment) {
				t.Errorf("%s: (%s): no such heading", file, m[1])
			}
		}
	}
	if seen < 10 {
		t.Errorf("only %d links were found", seen)
	}
}

// A claim that names its test must name one that there is.
func TestTestsAndFunctionsThatDocumentsNameExist(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{}
	for _, file := range files(t) {
		if strings.HasSuffix(file, "_test.go") {
			for _, m := range testFunc.FindAllStringSubmatch(read(t, file), -1) {
				tests[m[1]] = true
			}
		}
	}
	for _, file := range documents(t) {
		text := fencedCode.ReplaceAllString(read(t, file), "")
		for _, m := range testName.FindAllStringSubmatch(text, -1) {
			if !tests[m[1]] {
				t.Errorf("%s: there is no %s", file, m[1])
			}
		}
		for _, m := range goFunction.FindAllStringSubmatch(text, -1) {
			defined := regexp.MustCompile(`(?m)^func (\([^)]*\) )?` + m[2] + `[(\[]`)
			if source, err := os.ReadFile(filepath.FromSlash(m[1])); err != nil {
				t.Errorf("%s: %s: %v", file, m[1], err)
			} else if !defined.Match(source) {
				t.Errorf("%s: %s has no func %s", file, m[1], m[2])
			}
		}
	}
}

// documents lists what is written in Markdown.
func documents(t *testing.T) (names []string) {
	for _, name := range files(t) {
		if strings.HasSuffix(name, ".md") {
			names = append(names, name)
		}
	}
	return names
}

// prose is a document without its code.
func prose(t *testing.T, file string) string {
	return inlineCode.ReplaceAllString(fencedCode.ReplaceAllString(read(t, file), ""), "")
}

// hasAnchor reports whether a document has a heading that GitHub gives this
// anchor.
func hasAnchor(t *testing.T, file, anchor string) bool {
	for _, m := range heading.FindAllStringSubmatch(fencedCode.ReplaceAllString(read(t, file), ""), -1) {
		slug := notInSlug.ReplaceAllString(strings.ToLower(m[1]), "")
		if strings.ReplaceAll(slug, " ", "-") == anchor {
			return true
		}
	}
	return false
}

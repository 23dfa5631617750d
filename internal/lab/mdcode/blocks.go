// Package mdcode finds the code in Markdown documents and type-checks what is Go, so
// that a document cannot show what does not compile.
package mdcode

import (
	"regexp"
	"strings"
)

// A Block is a fenced block of code.
type Block struct {
	File     string // of the document
	Line     int    // of the first line of the text, from 1
	Language string // as the fence has it: "go", "sh", "" for output and drawings
	// Given is what the text takes for granted: a line for each variable, as
	// "ctx context.Context", or a whole declaration of a type or a func. In the document
	// it is a comment before the block, which readers do not see:
	//
	//	<!-- given
	//	p *pool.Pool[net.Conn]
	//	-->
	Given []string
	Text  string
}

var (
	fence = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")
	given = regexp.MustCompile(`(?s)<!-- given\s+([^>]*?)\s*-->\s*$`)
)

// Blocks returns the blocks of a document, whose lines end with a newline alone.
func Blocks(file, text string) (blocks []Block) {
	last := 0
	for _, at := range fence.FindAllStringSubmatchIndex(text, -1) {
		b := Block{File: file, Line: 1 + strings.Count(text[:at[4]], "\n"), Language: text[at[2]:at[3]], Text: text[at[4]:at[5]]}
		if m := given.FindStringSubmatch(text[last:at[0]]); m != nil {
			for line := range strings.SplitSeq(m[1], "\n") {
				b.Given = append(b.Given, strings.TrimSpace(line))
			}
		}
		blocks = append(blocks, b)
		last = at[1]
	}
	return blocks
}

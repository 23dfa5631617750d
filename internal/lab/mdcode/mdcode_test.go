package mdcode

import (
	"errors"
	"strings"
	"testing"

	"example.com/hale/internal/lab/testnet"
)

const document = "# A document\n" +
	"```\noutput\n```\n" +
	"<!-- given\nn int\ntype T struct{}\n-->\n" +
	"```go\nfmt.Println(n, T{}, ctx, err)\n```\n" +
	"```go\nx := 1\n```\n"

func TestBlocksAreFoundWithWhatIsGiven(t *testing.T) {
	t.Parallel()
	blocks := Blocks("a.md", document)
	if len(blocks) != 3 {
		t.Fatalf("%d blocks", len(blocks))
	}
	b := blocks[1]
	if b.Language != "go" || b.Line != 10 || len(b.Given) != 2 || b.Given[1] != "type T struct{}" {
		t.Errorf("%+v", b)
	}
	if len(blocks[2].Given) != 0 {
		t.Errorf("%q is given to the next block, too", blocks[2].Given)
	}
}

func TestWhatDoesNotCompileIsTold(t *testing.T) {
	t.Parallel()
	c := Checker{Dir: ".", Packages: Packages}
	for _, test := range []struct{ name, text, want string }{
		{"statements", "n := 1\nfmt.Println(n)\n", ""},
		{"a variable that nothing uses", "n := 1\n", ""},
		{"an error that is returned", "return err\n", ""},
		{"declarations", "func f() error { return context.Canceled }\n", ""},
		{"a whole file", "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println() }\n", ""},
		{"a name that is not there", "fmt.Printline()\n", "a.md:7: undefined: fmt.Printline"},
		{"a package that is not known", "nothing.Do()\n", "a.md:7: undefined: nothing"},
		{"a type that does not fit", "var n int = \"1\"\n", "a.md:7: cannot use"},
		{"not as gofmt has it", "n:=1\n", "gofmt"},
		{"no Go", "n = = 1\n", "a.md:7: expected"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := c.Check([]Block{{File: "a.md", Line: 7, Text: test.text}})
			if errors.Is(err, ErrAbsent) {
				testnet.Missing(t, err.Error())
			}
			if got := errorText(err); test.want == "" && err != nil || !strings.Contains(got, test.want) {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

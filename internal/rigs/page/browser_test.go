package page

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"example.com/hale/internal/lab/testnet"
)

var screens = flag.String("screens", os.Getenv("HALE_SCREENS"), "`directory` for screenshots")

// program is the browser, in Debian's package of the same name.
const program = "chromium-headless-shell"

// browser is one tab, and what it has complained of.
type browser struct {
	testing.TB
	ctx  context.Context
	base string // where all requests have to go

	mu         sync.Mutex // guards what follows
	complaints []string
}

// open starts a browser with a tab that may ask for nothing but what begins with base.
func open(t testing.TB, base string) *browser {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		testnet.Missing(t, program)
	}
	home := t.TempDir() // of all that it writes
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path),
		chromedp.UserDataDir(filepath.Join(home, "data")), chromedp.Env("HOME="+home, "TMPDIR="+home, "XDG_CACHE_HOME="+home, "XDG_CONFIG_HOME="+home))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil { // waits for the browser's end
			t.Error(err)
		}
		cancel()
	})
	b := &browser{TB: t, ctx: ctx, base: base}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	call(b, audits.Enable, cdp.Empty{})
	call(b, log.Enable, cdp.Empty{})
	call(b, network.Enable, network.EnableParams{})
	return b
}

// call sends a command.
func call[P, R any](b *browser, cmd cdp.Command[P, R], params P) R {
	b.Helper()
	result, err := chromedp.Call(b.ctx, cmd, params)
	if err != nil {
		b.Fatal(err)
	}
	return result
}

// do does steps.
func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.Fatal(err)
	}
}

// eval is the value of an expression.
func eval[T any](b *browser, expression string) T {
	b.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.Fatalf("%s: %v", expression, err)
	}
	return value
}

// await is what a promise comes to.
func await[T any](b *browser, expression string) T {
	b.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatalf("%s: %v", expression, err)
	}
	return value
}

// until waits for an expression to be true, for not longer than 30 s.
func (b *browser) until(expression string) {
	b.Helper()
	for end := time.Now().Add(30 * time.Second); !eval[bool](b, expression); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			b.Fatalf("not within 30 s: %s\n%s", expression, eval[string](b, "document.body.innerText"))
		}
	}
}

// hear is told of events.
func (b *browser) hear(event any) {
	what := ""
	switch e := event.(type) {
	case *audits.EventIssueAdded:
		details, _ := json.Marshal(e.Issue)
		what = "issue: " + string(details)
	case *log.EventEntryAdded:
		what = "log: " + e.Entry.Text + " " + e.Entry.URL
	case *network.EventRequestWillBeSent:
		if url := e.Request.URL; !strings.HasPrefix(url, b.base) && url != "data:," {
			what = "request: " + url
		}
	}
	if what != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.complaints = append(b.complaints, what)
	}
}

// noComplaints fails the test for each.
func (b *browser) noComplaints() {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.complaints {
		b.Error(c)
	}
}

// as shows the page at a width, and in light or dark.
func (b *browser) as(width int64, scheme string) {
	b.Helper()
	b.do(chromedp.EmulateViewport(width, 480))
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
}

// shoot leaves a screenshot, if anybody wants it.
func (b *browser) shoot(name string) {
	b.Helper()
	if *screens == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.MkdirAll(*screens, 0o777)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(*screens, name+".png"), picture, 0o666)
	}
	if err != nil {
		b.Error(err)
	}
}

// named is what an assistive technology finds of a role: the names.
func (b *browser) named(role string) (names []string) {
	b.Helper()
	text := func(v *accessibility.Value) (s string) {
		if v != nil {
			_ = json.Unmarshal(v.Value, &s)
		}
		return s
	}
	for _, n := range call(b, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes {
		if !n.Ignored && text(n.Role) == role {
			names = append(names, text(n.Name))
		}
	}
	return names
}

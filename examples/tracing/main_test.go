package main

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"example.com/hale/internal/lab/program/programtest"
	"example.com/hale/internal/lab/spans"
	"example.com/hale/internal/lab/testnet"
)

func TestMain(m *testing.M) { testnet.Main(m) }

func show(t *testing.T, args ...string) string {
	t.Helper()
	testnet.NeedFreeze(t)
	o, err := parse(append([]string{"-freeze-after", "500ms", "-thaw-after", "4s", "-run-on", "200ms"}, args...), nil)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := run(t.Context(), o, &out); err != nil {
		t.Fatalf("tracing %s: %v\n%s", strings.Join(args, " "), err, &out)
	}
	return out.String()
}

type recording []spans.Document

func (r recording) filter(keep func(spans.Document) bool) recording {
	return slices.DeleteFunc(slices.Clone(r), func(s spans.Document) bool { return !keep(s) })
}

func (r recording) named(prefix string) recording {
	return r.filter(func(s spans.Document) bool { return strings.HasPrefix(s.Name, prefix) })
}

func (r recording) in(parent spans.Document) recording {
	return r.filter(func(s spans.Document) bool { return s.Parent == parent.Span && s.Trace == parent.Trace })
}

func parseSpans(t *testing.T, out string) (r recording) {
	t.Helper()
	for line := range strings.Lines(out) {
		var s spans.Document
		d := json.NewDecoder(strings.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&s); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		r = append(r, s)
	}
	return r
}

func TestTheOutageCanBeReadFromItsSpans(t *testing.T) {
	t.Parallel()
	out := show(t, "-json")
	r := parseSpans(t, out)
	outages := r.named("outage ")
	if len(outages) != 1 {
		t.Fatalf("%d outages in\n%s", len(outages), out)
	}
	outage := outages[0]
	detected := slices.IndexFunc(outage.Events, func(e spans.Event) bool { return e.Name == "hale.detected" })
	detections := r.named("detection ")
	if len(detections) != 1 || detections[0].Parent != "" || outage.Parent != detections[0].Span {
		t.Fatalf("outage %+v, detections %+v", outage, detections)
	}
	if outage.Attributes["hale.outage.healed"] != true || outage.Attributes["hale.outage.lost"] != 6.0 {
		t.Errorf("outage: %+v", outage)
	}
	if detected < 0 || outage.Events[detected].Offset < 1 || outage.Events[detected].Offset > outage.Duration {
		t.Errorf("the detection is not between the silence and the end: %+v", outage)
	}
	t.Run("reconnect", func(t *testing.T) { reconnected(t, r, detections[0], outage) })
	t.Run("requests", func(t *testing.T) { requestsTell(t, r, outage) })
}

func reconnected(t *testing.T, r recording, detection, outage spans.Document) {
	found := r.in(outage).named("reconnect ")
	if len(found) != 1 {
		t.Fatalf("%d reconnects in the outage", len(found))
	}
	attempts := r.in(detection).named("connect ")
	if len(attempts) < 2 {
		t.Fatalf("%d attempts", len(attempts))
	}
	for i, a := range attempts {
		last := i == len(attempts)-1
		if failed := a.Status == "Error" && a.Attributes["error.type"] == "timeout"; failed == last {
			t.Errorf("attempt %d of %d: %+v", i+1, len(attempts), a)
		}
	}
}

func requestsTell(t *testing.T, r recording, outage spans.Document) {
	hit := r.named("request").filter(func(s spans.Document) bool {
		return slices.ContainsFunc(s.Events, func(e spans.Event) bool { return e.Name == "hale.detected" })
	})
	if len(hit) == 0 || len(hit) > 4 {
		t.Errorf("%d requests were hit, want at most one for each worker", len(hit))
	}
	for _, s := range hit {
		if s.Status != "Error" || s.Attributes["error.type"] == nil {
			t.Errorf("a request was hit: %+v", s)
		}
		if !slices.ContainsFunc(outage.Links, func(l spans.Link) bool { return l.Trace == s.Trace && l.Span == s.Span }) {
			t.Errorf("the outage has no link to its victim %s: %+v", s.Span, outage.Links)
		}
	}
	waited := r.named("acquire ").filter(func(s spans.Document) bool {
		return slices.ContainsFunc(s.Links, func(l spans.Link) bool { return l.Trace == outage.Trace && l.Span == outage.Span })
	})
	if len(waited) == 0 {
		t.Error("no acquire is linked to the outage")
	}
	for _, s := range waited {
		if s.Parent == "" || s.Trace == outage.Trace {
			t.Errorf("an acquire is not in its request: %+v", s)
		}
	}
}

func TestTheWaterfallTellsTheStory(t *testing.T) {
	t.Parallel()
	out := show(t)
	story := regexp.MustCompile(`(?s)
The outage, from the silence .*
detection orders +0\.000s +\d\.\d{3}s  =+
  Error: (keepalive|send)_timeout
.*
  outage orders +0\.000s +\d\.\d{3}s  =+
    Error: (keepalive|send)_timeout
.*
    \* hale\.detected +[12]\.\d{3}s +\*
.*
    reconnect orders .*
  connect 127\.0\.0\.1:\d+ .*
    Error: dial tcp .* i/o timeout
.*
      \* hale\.reconnect\.attempt .*

A request that was under way, and failed
.*
request +0\.000s .*
  Error: connection dead: .*
  \* hale\.detected .*

A request that had to wait for a connection
.*
request +0\.000s .*
  acquire orders .*
    -> outage: outage orders, in trace .*

Not shown: .*

The metrics, .*
hale\.deaths
.*
hale\.outage\.duration
  error\.type=(keepalive|send)_timeout +1 in \d\.\d{3}s, max \d\.\d{3}s
`)
	if !story.MatchString(out) {
		t.Errorf("another story:\n%s", out)
	}
	for line := range strings.Lines(out) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > spans.Columns {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestInterruptingEndsEverything(t *testing.T) {
	t.Parallel()
	testnet.NeedFreeze(t)
	for _, after := range []time.Duration{100 * time.Millisecond, time.Second} { // before the freeze, and after
		if out := programtest.Interrupt(t, parse, run, "-freeze-after 300ms", after); out != "" {
			t.Errorf("printed %s", out)
		}
	}
}

func TestBadUsageIsOneClearLine(t *testing.T) {
	t.Parallel()
	programtest.BadUsage(t, parse,
		[2]string{"-freeze-after soon", `invalid value "soon" for flag -freeze-after`},
		[2]string{"-freeze-after -1s", "-freeze-after -1s: below 0s"},
		[2]string{"-thaw-after 1s", "-thaw-after 1s: below 2.5s"},
		[2]string{"-run-on -1s", "-run-on -1s: below 0s"},
		[2]string{"extra", `unexpected argument "extra"`})
}

func TestHelpExplainsFlagsAndExitStatuses(t *testing.T) {
	t.Parallel()
	programtest.Help(t, parse, "-freeze-after", "-thaw-after", "-run-on", "-json", "\n  1 ", "\n  3 ", "\n  130 ")
}

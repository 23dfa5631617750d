package pool

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// ips reads addresses that are separated by spaces.
func ips(text string) (all []netip.Addr) {
	for ip := range strings.FieldsSeq(text) {
		all = append(all, netip.MustParseAddr(ip))
	}
	return all
}

// tidings is what comes to be known at a time.
type tidings struct {
	after  time.Duration // what came before
	answer string        // or
	dial   string        // or neither, for a call that failed
	gone   string        // with it
}

func TestWhenAnAddressIsGone(t *testing.T) {
	t.Parallel()
	const a, b, c, six, seven = "10.0.0.1", "10.0.0.2", "10.0.0.3", "2001:db8::6", "2001:db8::7"
	for name, story := range map[string][]tidings{
		"it is in every answer":         {{0, a, "", ""}, {time.Hour, a, "", ""}, {time.Hour, a, "", ""}},
		"it is one of several":          {{0, a + " " + b, "", ""}, {time.Minute, b + " " + a, "", ""}, {time.Minute, c + " " + a, "", ""}, {time.Minute, c + " " + a, "", b}},
		"two answers lack it":           {{0, a, "", ""}, {time.Minute, b, "", ""}, {time.Second, b, "", a}, {time.Second, b, "", ""}},
		"all of several":                {{0, b + " " + a, "", ""}, {time.Minute, c, "", ""}, {time.Second, c, "", a + " " + b}},
		"they come too soon":            {{0, a, "", ""}, {time.Minute, b, "", ""}, {time.Second - 1, b, "", ""}, {1, b, "", a}},
		"a call between them fails":     {{0, a, "", ""}, {time.Minute, b, "", ""}, {time.Second, "", "", ""}, {time.Second, b, "", a}},
		"only calls fail":               {{0, a, "", ""}, {time.Minute, b, "", ""}, {time.Second, "", "", ""}, {time.Hour, "", "", ""}},
		"it comes back in between":      {{0, a, "", ""}, {time.Minute, b, "", ""}, {time.Second / 2, a, "", ""}, {time.Second / 2, b, "", ""}, {time.Second, b, "", a}},
		"a dial leads to it in between": {{0, a, "", ""}, {time.Minute, b, "", ""}, {time.Second / 2, "", a, ""}, {time.Second, b, "", ""}, {time.Second, b, "", a}},
		"a dial to another changes nothing": {
			{0, a, "", ""}, {time.Minute, b, "", ""}, {time.Second / 2, "", c, ""}, {time.Second / 2, b, "", a},
		},
		"no answer ever had it": {{0, "", b, ""}, {0, a, "", ""}, {time.Minute, a, "", ""}, {time.Second, a, "", ""}},
		"none of its family is in the answer": {
			{0, a + " " + six, "", ""}, {time.Minute, a, "", ""}, {time.Minute, a, "", ""}, {time.Minute, a + " " + seven, "", ""},
			{time.Second, a, "", ""}, {time.Second, a + " " + seven, "", ""}, {time.Second, a + " " + seven, "", six},
		},
		"one came back after a minute": {
			{0, a, "", ""}, {time.Minute, b, "", ""}, {time.Second, b, "", a}, {time.Minute, a, "", ""}, // 61 s
			{121 * time.Second, a, "", ""}, {time.Second, a, "", b},
		},
		"that was long ago": {
			{0, a, "", ""}, {time.Minute, b, "", ""}, {time.Second, b, "", a}, {time.Minute, a + " " + b, "", ""},
			{time.Hour, b, "", ""}, {time.Second, b, "", a},
		},
		"one came back after an hour": { // which was another failover
			{0, a, "", ""}, {time.Minute, b, "", ""}, {time.Second, b, "", a}, {time.Hour, b, "", ""},
			{time.Hour, a, "", ""}, {time.Second, a, "", b},
		},
		"one came back by a dial": {
			{0, a, "", ""}, {time.Minute, b, "", ""}, {time.Second, b, "", a}, {9 * time.Second, "", a, ""}, // 10 s
			{time.Second, b, "", ""}, {19 * time.Second, b, "", ""}, {time.Second, b, "", a},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newAddresses(0)
				for i, h := range story {
					time.Sleep(h.after)
					var gone []netip.Addr
					switch {
					case h.answer != "":
						gone = d.answered(ips(h.answer))
					case h.dial != "":
						d.dialled(netip.MustParseAddr(h.dial))
					default:
						d.unanswered()
					}
					if !slices.Equal(gone, ips(h.gone)) {
						t.Errorf("step %d: %v are gone, want %s", i, gone, h.gone)
					}
				}
			})
		})
	}
}

func TestWhenTheNameIsAskedAgain(t *testing.T) {
	t.Parallel()
	const a, b = "10.0.0.1", "10.0.0.2"
	for name, test := range map[string]struct {
		every time.Duration
		run   func(d *addresses)
		want  time.Duration // from the end of that on
	}{
		"at the beginning":        {0, func(d *addresses) {}, 0},
		"nothing has happened":    {0, func(d *addresses) { d.begin(); d.answered(ips(a)) }, time.Hour},
		"at intervals":            {time.Minute, func(d *addresses) { d.begin(); d.answered(ips(a)) }, time.Minute},
		"at intervals too short":  {time.Millisecond, func(d *addresses) { d.begin(); d.answered(ips(a)) }, time.Second},
		"after a loss":            {0, func(d *addresses) { d.begin(); d.answered(ips(a)); time.Sleep(time.Minute); d.want() }, 0},
		"after one at once":       {0, func(d *addresses) { d.begin(); d.answered(ips(a)); d.want() }, time.Second},
		"after one meanwhile":     {0, func(d *addresses) { d.begin(); d.want(); d.answered(ips(a)) }, time.Second},
		"a dial led elsewhere":    {0, func(d *addresses) { d.begin(); d.answered(ips(a)); d.dialled(ips(b)[0]) }, time.Second},
		"a dial led there":        {0, func(d *addresses) { d.begin(); d.answered(ips(a)); d.dialled(ips(a)[0]) }, time.Hour},
		"a dial led to no IP":     {0, func(d *addresses) { d.begin(); d.answered(ips(a)); d.dialled(netip.Addr{}) }, time.Hour},
		"one is missing":          {time.Minute, func(d *addresses) { d.begin(); d.answered(ips(a)); d.begin(); d.answered(ips(b)) }, time.Second},
		"it failed":               {0, func(d *addresses) { d.begin(); d.unanswered() }, 2 * time.Second},
		"it failed again":         {0, func(d *addresses) { d.begin(); d.unanswered(); d.unanswered() }, 4 * time.Second},
		"it failed often":         {0, func(d *addresses) { failOften(d) }, time.Minute},
		"it failed often, ruled":  {5 * time.Second, func(d *addresses) { failOften(d) }, 5 * time.Second},
		"it failed often, before": {0, func(d *addresses) { failOften(d); d.begin(); d.answered(ips(a)); d.want() }, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newAddresses(test.every)
				test.run(d)
				if got := max(0, d.pause()); got != test.want {
					t.Errorf("in %v, want %v", got, test.want)
				}
				time.Sleep(test.want - 1)
				if test.want > 0 && d.begin() {
					t.Error("it is due already")
				}
				if time.Sleep(time.Nanosecond); !d.begin() && test.want < time.Hour {
					t.Error("it is not due then")
				}
			})
		})
	}
}

func failOften(d *addresses) {
	for range 100 {
		d.begin()
		d.unanswered()
	}
}

func TestAddressesCompareInOneForm(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"10.0.0.1:5432":            "10.0.0.1",
		"[::ffff:10.0.0.1]:5432":   "10.0.0.1",
		"[2001:db8::1]:443":        "2001:db8::1",
		"[fe80::1%eth0]:443":       "fe80::1",
		"@/run/postgresql/.s.5432": "invalid IP",
		"pipe":                     "invalid IP",
		"db.internal:5432":         "invalid IP",
		"":                         "invalid IP",
	} {
		if got := ipOf(remote).String(); got != want {
			t.Errorf("%q is %s, want %s", remote, got, want)
		}
	}
}

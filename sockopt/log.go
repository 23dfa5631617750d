package sockopt

import (
	"log/slog"
	"strings"
	"time"

	"example.com/hale/internal/logline"
)

// String returns what the kernel holds, and after it each option that it does
// not hold as asked, on one line.
func (r Report) String() string {
	text := r.held().String()
	for _, o := range r.Options {
		if o.Err != nil {
			text += "; " + o.String()
		}
	}
	return text
}

// held is what the kernel holds, and the effective values where it does not
// tell, as in [Report.Window].
func (r Report) held() KeepAlive {
	k := r.Got
	for _, f := range fields[1:] {
		if k.value(f) < 0 {
			k.set(f, r.Effective.value(f))
		}
	}
	return k
}

// LogValue returns a group: hale.path, hale.keepalive.got.enabled, .idle,
// .interval, .user_timeout (seconds) and .count, hale.window.earliest,
// hale.window.latest (seconds), as far as they are known, and hale.refused, the
// fields that the kernel does not hold as asked.
func (r Report) LogValue() slog.Value {
	const got = "hale.keepalive.got."
	line := logline.Line{}.Text("hale.path", r.Path).Flag(got+"enabled", !r.Got.Disabled)
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"idle", r.Got.Idle}, {"interval", r.Got.Interval}, {"user_timeout", r.Got.UserTimeout}} {
		line = line.Known(got+d.name, d.value)
	}
	if r.Got.Count > 0 {
		line = line.Int(got+"count", r.Got.Count)
	}
	earliest, latest := r.Window()
	return line.Known("hale.window.earliest", earliest).Known("hale.window.latest", latest).
		Text("hale.refused", strings.Join(r.refusedFields(), ",")).Value()
}

func (r Report) refusedFields() (names []string) {
	for _, o := range r.Options {
		if o.Err != nil {
			names = append(names, string(o.Field))
		}
	}
	return names
}

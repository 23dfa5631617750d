package sockopt

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"example.com/hale/internal/lab/hookstest"
)

func TestAReportCanBePrintedAndLogged(t *testing.T) {
	t.Parallel()
	hookstest.PrintOne(t, Report{})
	hookstest.PrintOne(t, hookstest.Filled(reflect.TypeFor[Report](), errors.New("refused")).Interface().(Report))
	report := Report{
		Path:      pathOptions,
		Effective: KeepAlive{Idle: 13 * time.Second, Interval: 4 * time.Second, Count: 3, UserTimeout: 25 * time.Second},
		Got:       KeepAlive{Idle: 13 * time.Second, Interval: -1, Count: 3, UserTimeout: -1},
	}
	report.Options[4] = OptionReport{Field: FieldUserTimeout, Name: "TCP_USER_TIMEOUT", Unit: time.Millisecond, Asked: 25000, Got: -1, Err: errors.New("no")}
	if got, want := report.String(), "idle 13s, interval 4s, count 3, user timeout 25s; TCP_USER_TIMEOUT (user_timeout): asked 25000 ms, got -: refused: no"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	var logged []string
	for _, a := range report.LogValue().Group() {
		logged = append(logged, a.String())
	}
	want := "hale.path=options hale.keepalive.got.enabled=true hale.keepalive.got.idle=13 hale.keepalive.got.count=3 " +
		"hale.window.earliest=12 hale.window.latest=25 hale.refused=user_timeout"
	if got := strings.Join(logged, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

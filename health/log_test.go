package health

import (
	"reflect"
	"testing"

	"example.com/hale/internal/lab/hookstest"
)

func TestADeathCanBePrintedAndLogged(t *testing.T) {
	full := hookstest.Filled(reflect.TypeFor[DeadError](), addressed{}.RemoteAddr()).Interface().(DeadError)
	for _, dead := range []*DeadError{nil, {}, &full} {
		hookstest.PrintOne(t, dead)
	}
	if got := (*DeadError)(nil).String(); got != "no death" {
		t.Error(got)
	}
	if got, want := full.String(), "connection dead: heartbeat_failed, peer silent for 1.5s: an error"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := full.LogValue().Group()[0]; got.Key != "hale.cause" || got.Value.String() != "heartbeat_failed" {
		t.Errorf("%v", got)
	}
}

package hale

import (
	"errors"
	"testing"

	"example.com/hale/health"
)

// deaths says of every cause whether it is a death that the Observer is told
// of and that calls return, or the end that the connection's user chose.
var deaths = map[health.Cause]bool{
	health.Unknown:          true,
	health.KeepAliveTimeout: true,
	health.SendTimeout:      true,
	health.PeerStalled:      true,
	health.Reset:            true,
	health.PeerClosed:       true, // as the end of both sides
	health.Unreachable:      true,
	health.HeartbeatFailed:  true,
	health.LocalClosed:      false,
}

func TestEveryCauseIsDecidedToBeADeathOrNot(t *testing.T) {
	t.Parallel()
	for cause := range health.Causes() {
		want, decided := deaths[cause]
		if !decided {
			t.Errorf("nobody has decided whether %v is a death", cause)
		}
		told := false
		client, _ := connect(t, &Dialer{Observer: &Observer{Dead: func(DeadInfo) { told = true }}})
		own := errors.New("net's own")
		err := keep(client.end(&health.DeadError{Cause: cause, Err: own}), own)
		if told != want || health.IsDead(err) != want {
			t.Errorf("%v: told %v, returned %v", cause, told, err)
		}
	}
}

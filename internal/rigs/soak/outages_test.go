package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/hale/health"
	"example.com/hale/pool"
)

// ofFreeze is an outage with the first server frozen for its first three
// seconds.
func ofFreeze(h *history) pool.Outage {
	o := pool.Outage{ID: 1, Began: time.Now(), Healed: true}
	h.begins(freeze, 0)
	time.Sleep(3 * time.Second)
	o.Detected = time.Now()
	h.ends(freeze, 0)
	time.Sleep(time.Second)
	o.Ended = time.Now()
	return o
}

func TestOutagesAreToldAsTheyWere(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		tell  func(o *outages, out pool.Outage)
		check checkName // that fails; none if empty
		want  string    // in what it says
	}{
		{"one", func(o *outages, out pool.Outage) { o.begin(out); o.end(out) }, "", ""},
		{"of a server that was full only", func(o *outages, out pool.Outage) {
			o.history.episodes[0].kind = full
			o.begin(out)
			o.end(out)
		}, checkOutages, "no server was mute"},
		{"before the silence", func(o *outages, out pool.Outage) {
			out.Detected = out.Began.Add(-time.Second)
			o.begin(out)
			o.end(out)
		}, checkOutages, "no server was mute"},
		{"told twice", func(o *outages, out pool.Outage) { o.begin(out); o.begin(out); o.end(out) }, checkOutages, "outage 1 was told after 1"},
		{"that ends twice", func(o *outages, out pool.Outage) { o.begin(out); o.end(out); o.end(out) }, checkHealed, "without a beginning"},
		{"that goes on", func(o *outages, out pool.Outage) { o.begin(out) }, checkHealed, "now: an outage goes on"},
		{"that did not heal", func(o *outages, out pool.Outage) {
			out.Healed = false
			o.begin(out)
			o.end(out)
		}, checkHealed, "it did not heal"},
		{"that goes on for too long", func(o *outages, out pool.Outage) {
			o.begin(out)
			out.Ended = out.Detected.Add(o.healing() + time.Nanosecond)
			o.end(out)
		}, checkHealed, "both servers had been well for"},
		{"that was interrupted by a standstill", func(o *outages, out pool.Outage) {
			o.begin(out)
			o.history.begins(standstill, 0)
			time.Sleep(time.Minute)
			o.history.ends(standstill, 0)
			out.Ended = time.Now().Add(o.healing())
			o.end(out)
		}, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var found findings
				o := &outages{options: options{within: testWithin}, findings: &found, history: new(history)}
				test.tell(o, ofFreeze(o.history))
				o.settled("now", pool.Stats{})
				onlyFinding(t, &found, test.check, test.want)
			})
		})
	}
}

// onlyFinding checks that a check has failed and no other; none if it is empty.
func onlyFinding(t *testing.T, f *findings, c checkName, want string) {
	t.Helper()
	all := f.all()
	if c == "" {
		if len(all) > 0 {
			t.Errorf("found %+v", all)
		}
		return
	}
	if got := all[c]; len(all) != 1 || got.Count == 0 || !strings.Contains(got.First[0], want) {
		t.Errorf("found %+v, want %q, for %q", all, want, c)
	}
}

func TestAnOutageHasLostWhatDiedInIt(t *testing.T) {
	t.Parallel()
	for lost, wrong := range []bool{false, false, false, true} {
		synctest.Test(t, func(t *testing.T) {
			var found findings
			o := &outages{options: options{within: testWithin}, findings: &found, history: new(history)}
			dies := func(cause *health.DeadError) { o.evicted(pool.EvictInfo{Err: cause}) }
			dies(&health.DeadError{Detected: time.Now()}) // long before
			time.Sleep(time.Minute)
			dies(&health.DeadError{Detected: time.Now()})
			out := ofFreeze(o.history)
			dies(&health.DeadError{Detected: out.Detected})
			dies(nil) // for another reason
			dies(&health.DeadError{Detected: out.Ended.Add(1)})
			out.Lost = lost
			o.begin(out)
			o.end(out)
			o.settled("now", pool.Stats{})
			if wrong {
				onlyFinding(t, &found, checkLost, "2 have died: ")
			} else {
				onlyFinding(t, &found, "", "")
			}
		})
	}
}

func TestOutagesAreCountedAsThePoolDoes(t *testing.T) {
	t.Parallel()
	var found findings
	o := &outages{findings: &found, ended: 2}
	o.counted(pool.Stats{Outages: 2})
	onlyFinding(t, &found, "", "")
	o.counted(pool.Stats{Outages: 3})
	onlyFinding(t, &found, checkOutages, "2 have ended, and the pool counts 3")
}

// peerOf is a connection to a server.
type peerOf struct {
	net.Conn
	server int
}

func (p peerOf) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.ParseIP(hosts[p.server]), Port: 1234}
}

func TestADeathBySilenceIsThatOfAMuteServer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		kind   kind
		server int
		cause  health.Cause
		wrong  bool
	}{
		{freeze, 0, health.HeartbeatFailed, false},
		{stop, 0, health.HeartbeatFailed, false},
		{slowReader, 0, health.HeartbeatFailed, false},
		{slowReader, 1, health.HeartbeatFailed, true}, // not this one
		{standstill, 0, health.HeartbeatFailed, true},
		{unasked, 0, health.HeartbeatFailed, true},
		{earlyClose, 0, health.PeerClosed, false},
	} {
		t.Run(fmt.Sprintf("%s of %s, %v", test.kind, serverNames[test.server], test.cause), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var found findings
				tally := tally{findings: &found, history: new(history)}
				tally.history.begins(test.kind, test.server)
				time.Sleep(time.Second)
				tally.evicted(pool.EvictInfo{
					Conn: peerOf{server: 0},
					Err:  &health.DeadError{Cause: test.cause, Silence: time.Second, Detected: time.Now()},
				})
				if test.wrong {
					onlyFinding(t, &found, checkAlive, "127.0.0.2:1234 was well: ")
				} else {
					onlyFinding(t, &found, "", "")
				}
			})
		})
	}
}

func TestARequestThatReachedNoServerNeedsAMuteOne(t *testing.T) {
	t.Parallel()
	unavailable := fmt.Errorf("acquire: %w", errors.Join(pool.ErrUnavailable, context.DeadlineExceeded))
	for _, test := range []struct {
		kind kind
		err  error
		want checkName
	}{
		{kill, unavailable, ""}, {outage, unavailable, ""}, {full, unavailable, checkOutages}, {full, nil, ""}, {full, context.DeadlineExceeded, ""},
	} {
		var found findings
		w := worker{load: &load{findings: &found, history: new(history)}}
		start := time.Now()
		w.history.begins(test.kind, 0)
		w.explain(frame{number: 5}, span{start, start.Add(time.Second)}, test.err)
		onlyFinding(t, &found, test.want, "0-5 failed after 1.00 s, and no server was mute")
	}
}

func TestAServerIsKnownByItsAddress(t *testing.T) {
	t.Parallel()
	for i := range hosts {
		if got := serverAt(peerOf{server: i}.RemoteAddr()); got != i {
			t.Errorf("%d, want %d", got, i)
		}
	}
	for _, other := range []net.Addr{nil, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9), Port: 1}} {
		if got := serverAt(other); got != -1 {
			t.Errorf("%v is server %d", other, got)
		}
	}
}

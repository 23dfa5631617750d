package main

import (
	"testing"
	"testing/synctest"
	"time"
)

// told is a history of seconds: a freeze of the first server from 10 to 13, a
// standstill from 12 to 14, a full second server from 20 to 30, and a stop of it
// from 40 on.
func told(start time.Time) *history {
	h := new(history)
	for _, event := range []struct {
		at float64
		do func()
	}{
		{10, func() { h.begins(freeze, 0) }},
		{12, func() { h.begins(standstill, 0) }},
		{13, func() { h.ends(freeze, 0) }},
		{14, func() { h.ends(standstill, 0) }},
		{20, func() { h.begins(full, 1) }},
		{30, func() { h.ends(full, 1) }},
		{40, func() { h.begins(stop, 1) }},
	} {
		time.Sleep(time.Until(start.Add(seconds(event.at))))
		event.do()
	}
	return h
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

func TestAHistoryKnowsWhatThereWas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		h := told(start)
		for _, test := range []struct {
			name     string
			from, to float64
			choice   choice
			want     bool
		}{
			{"before", 0, 10, mute, false},
			{"the beginning", 5, 10.1, mute, true},
			{"within", 11, 11.5, of(freeze), true},
			{"within, the other server's", 11, 11.5, of(freeze).at(1), false},
			{"within, of another kind", 11, 11.5, of(stop), false},
			{"all of it", 0, 20, of(freeze).at(0), true},
			{"just after", 13.9, 15, of(freeze), true},
			{"long after", 14.1, 19, of(freeze), false},
			{"full is not mute", 22, 25, mute, false},
			{"what goes on", 50, 60, of(stop).at(1), true},
		} {
			s := span{start.Add(seconds(test.from)), start.Add(seconds(test.to))}
			if got := h.any(s, test.choice); got != test.want {
				t.Errorf("%s: %v", test.name, got)
			}
		}
	})
}

func TestAStandstillCountsForAsLongAsItWas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		h := told(start)
		for _, test := range []struct{ from, to, want float64 }{
			{0, 12, 0}, {0, 13, 1}, {12.5, 13, 0.5}, {13, 20, 1}, {0, 50, 2}, {14, 50, 0},
		} {
			if got := h.stood(span{start.Add(seconds(test.from)), start.Add(seconds(test.to))}); got != seconds(test.want) {
				t.Errorf("from %v to %v: %v, want %v s", test.from, test.to, got, test.want)
			}
		}
		h.begins(standstill, 0)
		time.Sleep(time.Second)
		if got := h.stood(span{start, time.Now()}); got != 3*time.Second {
			t.Errorf("while one goes on: %v", got)
		}
	})
}

func TestTheLongestTimeWithoutAFault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		h := told(start)
		for _, test := range []struct{ from, to, after, want float64 }{
			{0, 9, 0, 9}, {0, 11, 0, 10}, {9, 15, 0, 1}, {10, 14, 0, 0}, {10, 20, 0, 6}, {10, 20, 2, 4}, {13.5, 45, 0, 26}, {41, 50, 0, 0},
		} {
			s := span{start.Add(seconds(test.from)), start.Add(seconds(test.to))}
			if got := h.longestWithout(s, troubled, seconds(test.after)); got != seconds(test.want) {
				t.Errorf("from %v to %v: %v, want %v s", test.from, test.to, got, test.want)
			}
		}
	})
}

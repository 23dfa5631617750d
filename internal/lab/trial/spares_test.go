package trial

import (
	"errors"
	"slices"
	"testing"
)

func TestSparesThatAreOfNoUseAreEnded(t *testing.T) {
	t.Parallel()
	var ended []int
	odd := func(n int) bool { return n%2 == 1 }
	s := NewSpares(odd, func(n int) { ended = append(ended, n) })
	s.Put(1, nil)
	s.Put(3, errors.New("lost"))
	s.Put(4, nil)
	s.Put(5, nil)
	for _, want := range []int{1, 5} {
		if got, ok := s.Take(); !ok || got != want {
			t.Errorf("%d, %t, want %d", got, ok, want)
		}
	}
	if got, ok := s.Take(); ok {
		t.Error(got)
	}
	if !slices.Equal(ended, []int{3, 4}) {
		t.Error(ended)
	}
}

func TestThereIsRoomForAFewSpares(t *testing.T) {
	t.Parallel()
	ended := 0
	s := NewSpares(func(int) bool { return true }, func(int) { ended++ })
	for n := range mostSpares + 2 {
		s.Put(n, nil)
	}
	if ended != 2 {
		t.Error(ended)
	}
}

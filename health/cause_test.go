package health

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// silent says of every cause whether it speaks for the peer's other
// connections.
var silent = map[Cause]bool{
	Unknown:          false,
	KeepAliveTimeout: true,
	SendTimeout:      true,
	PeerStalled:      false, // its kernel answers
	Reset:            false,
	PeerClosed:       false,
	Unreachable:      true,
	HeartbeatFailed:  true,
	LocalClosed:      false,
	Aborted:          false, // nobody has asked the peer
}

func TestEveryCauseIsDecidedToBeSilentOrNot(t *testing.T) {
	for c := range Causes() {
		want, decided := silent[c]
		if !decided {
			t.Errorf("nobody has decided whether %v is silent", c)
		}
		if c.Silent() != want {
			t.Errorf("%v.Silent() is %v", c, c.Silent())
		}
	}
	if Cause(200).Silent() {
		t.Error("a cause that is none is silent")
	}
}

func TestEveryCauseHasANameOfItsOwn(t *testing.T) {
	names := make(map[string]bool)
	for c := range Causes() {
		if !regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`).MatchString(c.String()) || names[c.String()] {
			t.Errorf("cause %d is called %q", c, c)
		}
		names[c.String()] = true
	}
	if Cause(200).String() != Unknown.String() {
		t.Errorf("a cause that is none is called %v", Cause(200))
	}
}

func TestCausesAreInOrderAndCanBeLeftEarly(t *testing.T) {
	all := slices.Collect(Causes())
	if all[0] != Unknown || !slices.IsSorted(all) || len(all) != int(causes) {
		t.Errorf("%v", all)
	}
	for range Causes() {
		break
	}
}

// The documentation of String lists the names.
func TestEveryCauseIsDocumented(t *testing.T) {
	source, err := os.ReadFile("cause.go")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(source), "The list is closed: ")
	list, _, _ = strings.Cut(list, ".")
	var want []string
	for c := range Causes() {
		want = append(want, c.String())
	}
	if got := strings.Join(want, ", "); strings.ReplaceAll(list, "\n// ", " ") != got {
		t.Errorf("the documentation lists %s, want %s", list, got)
	}
}

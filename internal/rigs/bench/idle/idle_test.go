package idle

import (
	"strings"
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/rigs/bench/fake"
	"example.com/hale/internal/rigs/bench/page"
)

func TestMain(m *testing.M) {
	fake.Be()
	Be()
	testnet.Main(m)
}

func TestEveryKindIsOpenedAndIdle(t *testing.T) {
	t.Parallel()
	for _, name := range inOrder {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := order{Kind: name, Conns: 8, For: time.Millisecond}.run(t.Context())
			if err != nil || c.Err != "" {
				t.Fatal(err, c.Err)
			}
			if perConn := c.Goroutines / 8; c.Bytes <= 0 || perConn != map[string]int{"http": 2}[name] && name != "pool" {
				t.Errorf("%+v", c)
			}
		})
	}
}

func TestWhatAProcessMayNotHaveOpenIsDividedAmongSeveral(t *testing.T) {
	t.Parallel()
	c, err := order{Kind: "pool", Conns: 21, For: time.Millisecond}.spread(t.Context(), 8)
	if err != nil || c.Err != "" || c.Processes != 3 {
		t.Fatal(c.Processes, err, c.Err)
	}
	one, err := order{Kind: "pool", Conns: 7, For: time.Millisecond}.spread(t.Context(), 8)
	if err != nil || c.Goroutines < 2*one.Goroutines || c.Bytes <= 0 {
		t.Errorf("%+v of three, %+v of one, %v", c, one, err)
	}
	if got := row("pool", 21, c, cost{})[1]; got != "21, in 3 processes" {
		t.Error(got)
	}
	if a, b, c := share(8, 3, 0), share(8, 3, 1), share(8, 3, 2); a != 3 || b != 3 || c != 2 {
		t.Error(a, b, c)
	}
}

func TestGoalsAreReadOutOfTheFigures(t *testing.T) {
	t.Parallel()
	all := map[string]map[int]cost{
		"raw":  {10_000: {Bytes: 1e6}},
		"pool": {1_000: {Core: 0.001}, 10_000: {Bytes: 1e6 + 1025*1e4, Goroutines: 12, Core: 0.005}},
		"http": {10_000: {Bytes: 3e8, Core: 0.001}},
	}
	var s page.Section
	text := strings.Join(read(&s, all), "\n")
	if len(s.Missed) != 1 || !strings.Contains(s.Missed[0], "1,024 bytes") {
		t.Errorf("%q", s.Missed)
	}
	for _, want := range []string{"No rival needs fewer bytes", "needs less of a core (0.1 %)", "From 1,000 to 10,000", "12 for 10,000"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

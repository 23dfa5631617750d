package hale

import (
	"strings"
	"testing"

	"example.com/hale/internal/lab/hookstest"
	"example.com/hale/internal/tcpretries"
	"example.com/hale/sockopt"
)

func TestEveryInfoCanBePrintedAndLogged(t *testing.T) {
	t.Parallel()
	client, _ := connect(t, new(Dialer))
	// A death that names its peer needs no connection for that.
	hookstest.Print[Observer](t, []string{"Conn"}, client, client.RemoteAddr())
}

func TestADialTellsWhatItsKeepAliveMeans(t *testing.T) {
	t.Parallel()
	plan, err := planFor(sockopt.KeepAlive{}, tcpretries.Setting())
	if err != nil {
		t.Fatal(err)
	}
	for want, k := range map[string]sockopt.KeepAlive{plan.plan.Asked.String(): {}, "count -7": {Count: -7}} {
		if got := (DialStartInfo{KeepAlive: k}).String(); !strings.Contains(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

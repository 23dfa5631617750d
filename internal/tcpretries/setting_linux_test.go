package tcpretries

import "testing"

func TestTheSettingIsRead(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]uint8{"15\n": 15, "8": 8, "255\n": 255, "0\n": 1, "": 0, "256\n": 0, "many": 0} {
		if got := parse(s); got != want {
			t.Errorf("%q: %d, want %d", s, got, want)
		}
	}
	if Setting() == 0 {
		t.Error("net.ipv4.tcp_retries2 could not be read")
	}
}

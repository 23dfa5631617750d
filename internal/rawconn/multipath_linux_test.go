package rawconn_test

import (
	"net"
	"testing"

	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/rawconn"
)

func TestMultipathIsToldFromWhatFellBack(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ dialer, listener, want bool }{
		"both":              {true, true, true},
		"the dialer only":   {true, false, false},
		"the listener only": {false, true, false},
		"neither":           {false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var lc net.ListenConfig
			lc.SetMultipathTCP(test.listener)
			ln, err := lc.Listen(t.Context(), "tcp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			var d net.Dialer
			d.SetMultipathTCP(test.dialer)
			c, err := d.DialContext(t.Context(), "tcp4", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if test.want {
				testnet.NeedLinux(t, 5, 16, "a word on Multipath TCP (MPTCP_INFO)")
				if is, err := c.(*net.TCPConn).MultipathTCP(); !is || err != nil {
					testnet.Missing(t, "Multipath TCP")
				}
			}
			raw, err := c.(*net.TCPConn).SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			var is bool
			raw.Control(func(fd uintptr) { is = rawconn.IsMultipath(fd) })
			if is != test.want {
				t.Error(is)
			}
		})
	}
}

package otelhale

import (
	"log/slog"
	"net"
	"reflect"
	"strings"
	"testing"

	"example.com/hale"
	"example.com/hale/internal/lab/hookstest"
	"example.com/hale/pool"
)

// A log and a trace of the same event are found by the same names.
func TestLogsHaveTheNamesOfTheAttributes(t *testing.T) {
	t.Parallel()
	client, _ := connect(t, t.Context(), new(hale.Dialer))
	check := func(info reflect.Type) {
		value := hookstest.Filled(info, client, net.Conn(client), peer).Interface().(slog.LogValuer).LogValue()
		for _, a := range value.Group() {
			name, _, ofKeepAlive := strings.Cut(a.Key, ".got.")
			if ofKeepAlive {
				name += ".got.*"
			}
			if strings.Contains(name, ".") && name != "error.message" && !strings.Contains(packageDoc(t), name) {
				t.Errorf("%v: %s is not in the package's documentation", info, a.Key)
			}
		}
	}
	for info := range hookstest.Infos[hale.Observer]() {
		check(info)
	}
	for info := range hookstest.Infos[pool.Observer]() {
		check(info)
	}
}

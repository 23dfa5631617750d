package hale

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/windows"

	"example.com/hale/health"
)

func TestAWriteAfterCloseWriteIsNoDeath(t *testing.T) {
	t.Parallel()
	client, server := connect(t, new(Dialer))
	bound(t, client, 5*time.Second)
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Write([]byte("x")); !errors.Is(err, windows.WSAESHUTDOWN) {
		t.Errorf("write: %v", err)
	}
	if client.State() != health.Alive || client.Err() != nil {
		t.Errorf("%v, %v", client.State(), client.Err())
	}
	if _, err := server.Write([]byte("y")); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Read(make([]byte, 1)); err != nil {
		t.Errorf("the other direction: %v", err)
	}
}

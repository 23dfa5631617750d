package testnet_test

import (
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
)

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

func TestMain(m *testing.M) { testnet.Main(m) }

func TestPairIsConnected(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	if _, err := client.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	server.SetReadDeadline(time.Now().Add(patience))
	if _, err := server.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

func TestFreezeThawsWhenTheTestEnds(t *testing.T) {
	t.Parallel()
	client, server := testnet.Pair(t)
	t.Run("frozen", func(t *testing.T) {
		testnet.NeedFreeze(t)
		testnet.Freeze(t, server)
		if _, err := client.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		server.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if n, _ := server.Read(make([]byte, 1)); n != 0 {
			t.Error("not frozen")
		}
	})
	if _, err := client.Write([]byte("y")); err != nil {
		t.Fatal(err)
	}
	server.SetReadDeadline(time.Now().Add(patience))
	if n, err := server.Read(make([]byte, 1)); n != 1 {
		t.Errorf("not thawed: %v", err)
	}
}

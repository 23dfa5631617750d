package mariadb

import (
	"testing"

	"example.com/hale/internal/testnet"
)

func TestMain(m *testing.M) { testnet.Main(m) }

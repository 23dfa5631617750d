package testnet

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"example.com/hale/health/healthtest"
)

// Main is what a package's TestMain calls: it runs the tests where peers can
// be frozen, if the machine allows that at all, and fails if they leave a
// goroutine behind. It exits the process. Nothing may come before it in
// TestMain, see [healthtest.Isolate].
func Main(m *testing.M) {
	if err := healthtest.Isolate(); err != nil {
		// The tests that need it skip one by one; this line says why.
		fmt.Fprintln(os.Stderr, err)
	}
	waitTogether()
	goleak.VerifyTestMain(m)
}

// waitTogether lets parallel tests run beside each other in numbers, unless
// -parallel says otherwise: they wait for the kernel's timers, for seconds,
// and do next to nothing while they wait.
func waitTogether() {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", "64")
	}
}

// Plan prints which socket options make an operating system notice a dead
// peer, with their symbols, numbers and values, and what it cannot do. It
// plans for any system; for the one it runs on, it also sets the options on a
// real connection and shows what the kernel holds.
//
//	go run ./examples/plan
//	go run ./examples/plan -goos windows -build 14393 -within 10s
//	go run ./examples/plan -idle 1s -interval 3s -count 10 -json
//	go run ./examples/plan -within 1m -tolerate-gap 30s -path-idle-timeout 350s
package main

import (
	"context"
	"io"
	"net"
	"os"

	"example.com/hale/internal/lab/program"
	"example.com/hale/sockopt"
)

func main() {
	program.Main("plan", func(_ context.Context, args []string) error { return run(args, os.Stdout) })
}

func run(args []string, out io.Writer) error {
	o, err := parse(args, out)
	if err != nil {
		return err
	}
	plan, err := o.platform.Plan(o.keepAlive)
	if err != nil {
		return program.Failure{Err: err, Status: program.Usage}
	}
	var held *sockopt.Report
	if o.here {
		if held, err = tryOut(plan); err != nil {
			return err
		}
	}
	if o.json {
		return printJSON(out, plan, held)
	}
	printText(out, plan, held)
	return nil
}

// tryOut applies the plan to a connection of this machine with itself.
func tryOut(plan sockopt.Plan) (*sockopt.Report, error) {
	ln, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	conn, err := (&net.Dialer{KeepAlive: -1}).Dial("tcp", ln.Addr().String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return nil, err
	}
	report, err := plan.Apply(raw)
	return &report, err
}

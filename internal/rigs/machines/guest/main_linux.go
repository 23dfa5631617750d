// Guest is everything that runs in a virtual machine: the first process of one that
// has nothing else in it, and what that starts. The same program is a client beside
// the machines, and inside gVisor. It needs Linux.
package main

import (
	"fmt"
	"os"
	"time"

	"example.com/hale/internal/rigs/machines/client"
	"example.com/hale/internal/rigs/machines/server"
)

// roles are what the program can be, by its first argument.
var roles = map[string]func(args []string) error{
	"serve":  serve,
	"client": run,
	"tests":  tests,
	"hog":    hog,
	"quota":  quota,
}

func main() {
	if os.Getpid() == 1 && os.Args[0] == "/init" { // and not in a sandbox
		machine(os.Args[1], os.Args[2:])
		return
	}
	if len(os.Args) < 2 || roles[os.Args[1]] == nil {
		fmt.Println("usage: guest serve | client SERVER WITHIN [EVENT] | tests | hog | quota PID")
		os.Exit(2)
	}
	if err := roles[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Println("guest:", err)
		os.Exit(1)
	}
}

func serve([]string) error {
	if _, err := server.Serve(""); err != nil {
		return err
	}
	fmt.Println("serving")
	select {}
}

// run is a client. An event is what happens to its machine 5 s after it is ready.
func run(args []string) error {
	within, err := time.ParseDuration(args[1])
	if err != nil {
		return err
	}
	out := &announcer{}
	if len(args) > 2 {
		out.event = events[args[2]]
	}
	return client.Run(client.Options{Server: args[0], Within: within, Idle: 5, Busy: 5}, out)
}

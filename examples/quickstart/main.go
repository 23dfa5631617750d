// Quickstart replaces net.Dial by hale.Dial in a program that fetches a page
// by hand: quickstart host:port.
//
//	go run ./examples/quickstart localhost:8080
package main

import (
	"bufio"
	"fmt"
	"log"
	"os"

	"example.com/hale"
	"example.com/hale/health"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: quickstart host:port")
	}
	conn, err := hale.Dial("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.0\r\n\r\n")
	line, err := bufio.NewReader(conn).ReadString('\n')
	if health.IsDead(err) {
		log.Fatalf("the server is gone (%v): %v", health.Classify(err), err)
	}
	fmt.Print(line)
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"example.com/hale/internal/lab/program"
)

const (
	// serveEnv makes the program a server at the address that is its value.
	serveEnv = "HALE_SOAK_SERVE"
	// recordsFD is where a server writes its records.
	recordsFD = 3
)

// A record is what a server tells of a request before it replies, or the mark
// that it was ordered to make. It is as long as two numbers: what, and which.
type record uint64

const (
	ran record = iota
	garbled
	marked
)

const recordSize = 16

// An order is what a server is told to do, an answer how it went; both are
// lines of JSON.
type order struct {
	Do    verb    `json:"do"`
	Share float64 `json:"share,omitempty"`
	Most  int     `json:"most,omitempty"`
	Tell  bool    `json:"tell,omitempty"`
}

type verb string

const (
	doFreeze    verb = "freeze"
	doThaw      verb = "thaw"
	doReset     verb = "reset"
	doHalfClose verb = "half-close"
	doDropHalf  verb = "drop-half" // closes what was half-closed
	doSlow      verb = "slow"
	doGoOn      verb = "go-on"
	doEarly     verb = "early" // closes connections early
	doKeep      verb = "keep"  // does not any more
	doFull      verb = "full"  // has no more than Most, and tells the others if Tell says so
	doRoom      verb = "room"  // has room for all
	doChat      verb = "chat"  // says more than it is asked, after a share of the replies
	doHush      verb = "hush"  // does not any more
	doMark      verb = "mark"
)

type answer struct {
	Address string `json:"address,omitempty"` // in the first answer, which nobody has ordered
	Conns   int    `json:"conns"`             // how many it was done to
	Error   string `json:"error,omitempty"`
}

// serve is the program in the role of a server. It ends with its standard
// input, and returns the exit status.
func serve(address string) int {
	err := serveOrders(address, os.NewFile(recordsFD, "records"), json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout))
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak: server:", err)
		return program.Missed
	}
	return program.Held
}

func serveOrders(address string, records io.Writer, in *json.Decoder, out *json.Encoder) error {
	s, err := newServer(address, records)
	if err != nil {
		return out.Encode(answer{Error: err.Error()})
	}
	defer s.close()
	if err := out.Encode(answer{Address: s.listener.Addr().String()}); err != nil {
		return err
	}
	for {
		var o order
		if err := in.Decode(&o); err != nil {
			return nil // the other end is done with us
		}
		a := answer{}
		a.Conns, err = s.obey(o)
		if err != nil {
			a.Error = err.Error()
		}
		if err := out.Encode(a); err != nil {
			return err
		}
	}
}

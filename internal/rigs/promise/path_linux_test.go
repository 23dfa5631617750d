package promise

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"time"
)

// A path carries packets between the client's host and its peers, as late as
// its delay says, and loses some of them.
type path struct {
	delay time.Duration // each way
	loss  atomic.Uint32 // of ten thousand packets, each way
	dead  atomic.Bool   // it carries nothing
	flows [1 << 16]flow // by the last two bytes of the peer's address
}

// A flow is what passes between the client and one peer.
type flow struct {
	gone     atomic.Bool  // the peer's machine has vanished
	sent     atomic.Int64 // packets of the client's, lost ones too
	answered atomic.Int64 // packets of the peer's
}

const (
	headerLen = 20 // of IPv4, without options
	maxPacket = 1 << 16
	// lineLen is how many packets may be under way.
	lineLen = 1 << 14
)

// flowOf returns the flow that a packet belongs to; nil if it is none of ours:
// the kernel also sends IPv6's own. at is where the peer's address is.
func (p *path) flowOf(packet []byte, at int) *flow {
	if len(packet) < headerLen || packet[0]>>4 != 4 {
		return nil
	}
	return &p.flows[binary.BigEndian.Uint16(packet[at+2:])]
}

const (
	sourceAt      = 12
	destinationAt = 16
)

// lost decides over one packet.
func (p *path) lost() bool {
	return p.dead.Load() || rand.Uint32N(10_000) < p.loss.Load()
}

// toPeers carries what the client sends until from is closed. A packet that
// comes to a peer which has vanished meanwhile is swallowed there.
func (p *path) toPeers(from, to *os.File) {
	p.carry(from, func(packet []byte) bool {
		f := p.flowOf(packet, destinationAt)
		if f == nil {
			return false
		}
		f.sent.Add(1)
		return !p.lost()
	}, func(packet []byte) {
		if !p.flowOf(packet, destinationAt).gone.Load() {
			_, _ = to.Write(packet)
		}
	})
}

// toClient carries what the peers send. What was under way when one vanished
// still arrives.
func (p *path) toClient(from, to *os.File) {
	p.carry(from, func(packet []byte) bool {
		f := p.flowOf(packet, sourceAt)
		if f == nil || f.gone.Load() {
			return false
		}
		f.answered.Add(1)
		return !p.lost()
	}, func(packet []byte) { _, _ = to.Write(packet) })
}

// carry takes packets from one end, drops those that enter refuses, and hands
// the others to leave once the delay is over.
func (p *path) carry(from *os.File, enter func([]byte) bool, leave func([]byte)) {
	if p.delay == 0 {
		readPackets(from, enter, leave)
		return
	}
	line := make(chan parcel, lineLen)
	go func() {
		defer close(line)
		readPackets(from, enter, func(packet []byte) {
			line <- parcel{time.Now().Add(p.delay), bytes.Clone(packet)}
		})
	}()
	for next := range line {
		time.Sleep(time.Until(next.due))
		leave(next.packet)
	}
}

// A parcel is a packet under way.
type parcel struct {
	due    time.Time
	packet []byte
}

// readPackets hands on the packets that enter lets pass; a packet is valid until
// pass returns.
func readPackets(from *os.File, enter func([]byte) bool, pass func([]byte)) {
	buf := make([]byte, maxPacket)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if enter(buf[:n]) {
			pass(buf[:n])
		}
	}
}

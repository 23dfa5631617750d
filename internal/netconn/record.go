package netconn

import (
	"context"
	"net"
	"sync"
)

// Lasting is a connection that tells when it has ended, and whether it has: of its
// Meter, which is there anyway.
type Lasting interface {
	net.Conn
	Metered
}

// A Recorder notes what dialers make under a context, or under one that comes
// from it. A context goes through every wrapper of a dialer; so whoever called
// a dial function learns which connection lies under what it got, where no
// method of that tells. It is safe for concurrent use.
type Recorder struct {
	mu     sync.Mutex // guards what follows
	conns  []Lasting
	sealed bool
}

type recorderKey struct{}

// Record returns a context with a new Recorder.
func Record(ctx context.Context) (context.Context, *Recorder) {
	r := new(Recorder)
	return context.WithValue(ctx, recorderKey{}, r), r
}

// Note tells ctx's Recorder of a connection that was made. Without one, or
// once it is sealed, it does nothing: a dialer that keeps the context does not
// dial for that caller any more.
func Note(ctx context.Context, c Lasting) {
	r, ok := ctx.Value(recorderKey{}).(*Recorder)
	if !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.sealed {
		r.conns = append(r.conns, c)
	}
}

// Seal ends the record and returns the last connection of it that has not
// ended, or nil: those before it were tried in vain.
func (r *Recorder) Seal() Lasting {
	r.mu.Lock()
	conns := r.conns
	r.conns, r.sealed = nil, true
	r.mu.Unlock()
	for i := range conns {
		c := conns[len(conns)-1-i]
		if !c.Meter().Ended() {
			return c
		}
	}
	return nil
}

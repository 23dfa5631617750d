package pool

// A Conn is an acquired connection, for one use. It is a small value; all
// copies of it mean the same use, and once that has ended, by Release, Close
// or Hijack of any of them, none can do anything any more. All methods may be
// called by any goroutine, more than once and in any order; they are safe to
// defer. The zero Conn has ended.
type Conn[T any] struct {
	pool *Pool[T]
	slot *slot[T]
	use  uint64
}

// Value returns what was pooled, or the zero T after the use has ended. It must
// not be used beyond that.
func (c Conn[T]) Value() T {
	value, _ := c.value()
	return value
}

// value is Value, and reports whether the use lasts.
func (c Conn[T]) value() (value T, lasts bool) {
	if !c.lasts() {
		return value, false
	}
	if !c.slot.used.Load() {
		c.slot.used.Store(true)
	}
	return c.slot.value, true
}

// Untouched reports whether not a byte of this use can have been sent, so that
// a request which failed can safely be sent on another connection. It is
// always false after the use has ended. Bytes count once the kernel has them;
// those that bypass the connection's Write, as net.Buffers does, are seen on
// Linux and Android only.
func (c Conn[T]) Untouched() bool {
	return c.lasts() && c.slot.untouched()
}

// Release gives the connection back. It is kept for the next caller unless it
// died or a read or write on it failed (see Config.Reset), or Config.AfterRelease
// says no; for unread bytes see Config.KeepUnread. Its deadlines stay as they are. Release never blocks on the network.
//
// It cannot know of a reply that is still under way: a caller who has sent a
// request and does not wait for the reply calls Close.
func (c Conn[T]) Release() {
	if c.releaseClean() || !c.end() {
		return
	}
	faulty := c.slot.faulty()
	if !faulty {
		c.slot.endWell()
	}
	c.pool.putBack(c.slot, faulty)
}

// releaseClean is Release of a connection that nothing speaks against, by its
// own account. It does nothing if there is more to be done.
func (c Conn[T]) releaseClean() bool {
	s := c.slot
	if s == nil || !s.light || s.faulty() || s.epoch != c.pool.epoch.Load() || s.vital.Err() != nil {
		return false // of one that is suspect the next Acquire finds out
	}
	if _, ours := s.do(release, c.use); !ours {
		return false
	}
	c.ended()
	s.endWell()
	defer c.pool.putUsed(s)
	c.pool.config.Observer.release()
	return true
}

// abandon is a Release of a connection on which a reply may still be under way.
func (c Conn[T]) abandon() {
	if c.end() {
		c.pool.putBack(c.slot, true)
	}
}

// broken reports whether the connection has failed; only the holder may ask.
func (c Conn[T]) broken() bool { return c.slot != nil && c.slot.broken() }

// Close takes the connection out of the pool and closes it, in the background
// and by Config.Close. It never blocks on the network.
func (c Conn[T]) Close() {
	if c.end() {
		c.pool.evict(c.slot, ReasonClosed, nil)
	}
}

// Hijack takes the connection out of the pool and returns it; it is the
// caller's to close, and none of MaxConns any more. After the use has ended it
// returns the zero T.
func (c Conn[T]) Hijack() T {
	var zero T
	if c.slot == nil {
		return zero
	}
	if _, ours := c.slot.do(hijack, c.use); !ours {
		return zero
	}
	c.ended()
	value := c.slot.value
	c.pool.detach(c.slot)
	return value
}

// lasts reports whether the use has not ended.
func (c Conn[T]) lasts() bool {
	if c.slot == nil {
		return false
	}
	now := c.slot.load()
	return now.held() && now.use() == c.use
}

// end ends the use, for the first who asks.
func (c Conn[T]) end() bool {
	if c.slot == nil {
		return false
	}
	if _, ours := c.slot.do(reclaim, c.use); !ours {
		return false
	}
	c.ended()
	return true
}

// ended ends what Acquire has kept for the use.
func (c Conn[T]) ended() {
	if c.pool.holds {
		c.slot.holder.clear() // or else an idle connection would keep its last caller's ctx
	}
	c.pool.callers.leave()
}

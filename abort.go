package hale

import "example.com/hale/health"

// Abort ends the connection for a reason that its user knows of, such as a
// heartbeat that failed. A copy of why, which must not be nil, is the connection's
// death unless it has one already, or was closed; it is told as any death. The
// socket is closed: calls under way return at once, and they and all later calls
// return the death. What is left to send is forgotten, and the peer gets a reset.
// Abort does not block.
func (c *Conn) Abort(why *health.DeadError) {
	c.endBy(news.Go, func() *health.DeadError { return c.described(*why) })
	_ = c.SetLinger(0) // fails on a socket that is over, or closed
	_ = c.Close()
}

package health

import "example.com/hale/internal/errno"

// errnoCauses is what each kind of error says of a connection that stood. What
// is left out ends none.
var errnoCauses = [errno.Kinds]Cause{
	errno.TimedOut:     KeepAliveTimeout,
	errno.SendTimedOut: SendTimeout,
	errno.Reset:        Reset,
	errno.Broken:       PeerClosed,
	errno.Ended:        PeerClosed,
	errno.Subflows:     KeepAliveTimeout, // nobody knows which silence it was
	errno.Unreachable:  Unreachable,
	errno.Aborted:      Aborted,
}

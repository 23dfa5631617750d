package otelhale

import (
	"context"
	"errors"
	"net"
	"os"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"example.com/hale/health"
	"example.com/hale/internal/errno"
	"example.com/hale/pool"
	"example.com/hale/sockopt"
)

// The values of error.type beyond the causes of package health.
const (
	errCanceled    = "canceled"
	errTimeout     = "timeout"
	errDNS         = "dns"
	errRefused     = "connection_refused"
	errNoAddress   = "address_not_available" // of this machine; as a rule the ephemeral ports are used up
	errNoFiles     = "too_many_open_files"
	errPermission  = "permission_denied"
	errUnsupported = "unsupported"
	errKeepAlive   = "invalid_keepalive"
	errUnavailable = "unavailable" // the endpoint, says the pool
	errPoolClosed  = "pool_closed"
	errWaiters     = "too_many_waiters" // in the pool's queue
)

var errOther = semconv.ErrorTypeOther.Value.AsString()

var errorTypes = []string{
	errCanceled, errTimeout, errDNS, errRefused, errNoAddress, errNoFiles, errPermission,
	errUnsupported, errKeepAlive, errUnavailable, errPoolClosed, errWaiters, errOther,
}

// errnoTypes is what the operating system's word is for: of those that end a
// connection package health tells more.
var errnoTypes = [errno.Kinds]string{
	errno.Refused:   errRefused,
	errno.TimedOut:  errTimeout,
	errno.NoAddress: errNoAddress,
	errno.NoFiles:   errNoFiles,
	errno.Denied:    errPermission,
}

// errorType puts an error of a dial or an Acquire into the closed list.
func errorType(err error) string {
	var dns *net.DNSError
	var out *sockopt.RangeError
	var dead *health.DeadError
	switch {
	case errors.Is(err, pool.ErrUnavailable):
		return errUnavailable
	case errors.Is(err, pool.ErrClosed):
		return errPoolClosed
	case errors.Is(err, pool.ErrTooManyWaiters):
		return errWaiters
	case errors.As(err, &dead):
		return dead.Cause.String()
	case errors.Is(err, context.Canceled):
		return errCanceled
	case errors.As(err, &dns):
		return errDNS
	case errors.As(err, &out):
		return errKeepAlive
	case errors.Is(err, errors.ErrUnsupported):
		return errUnsupported
	}
	return socketErrorType(err)
}

// socketErrorType is errorType for what the operating system said.
func socketErrorType(err error) string {
	if e := errnoTypes[errno.Of(err)]; e != "" {
		return e
	}
	var netErr net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return errTimeout
	case errors.Is(err, os.ErrPermission):
		return errPermission
	}
	if cause := health.Classify(err); cause != health.Unknown {
		return cause.String()
	}
	return errOther
}

package otelhale

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"example.com/hale/health"
	"example.com/hale/pool"
	"example.com/hale/sockopt"
)

type errorCase struct {
	err  error
	want string
}

func errorCases() []errorCase {
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	_, outOfRange := sockopt.Current().Plan(sockopt.KeepAlive{Count: -7})
	return append(errnoCases(), []errorCase{
		{dial(os.ErrDeadlineExceeded), "timeout"},
		{dial(context.DeadlineExceeded), "timeout"},
		{dial(context.Canceled), "canceled"},
		{dial(&net.DNSError{Err: "no such host", Name: "x", IsTimeout: true}), "dns"},
		{dial(os.ErrPermission), "permission_denied"},
		{dial(outOfRange), "invalid_keepalive"},
		{dial(fmt.Errorf("no option: %w", errors.ErrUnsupported)), "unsupported"},
		{io.EOF, "peer_closed"},
		{pool.ErrUnavailable, "unavailable"},
		{pool.ErrClosed, "pool_closed"},
		{pool.ErrTooManyWaiters, "too_many_waiters"},
		{fmt.Errorf("open: %w", &health.DeadError{Cause: health.SendTimeout}), "send_timeout"},
		{errors.New("password for admin is wrong"), "_OTHER"},
	}...)
}

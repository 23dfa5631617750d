package mariadb

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"

	"example.com/hale/health"
)

// Deaths is a log for the driver that knows what a connection died of: the
// driver gives a log the error itself. It serves one handle, and what else the
// driver says it leaves out. The zero value is ready for use, by several
// goroutines at once.
type Deaths struct {
	last atomic.Pointer[health.DeadError]
}

var _ mysql.Logger = (*Deaths)(nil)

// Print is called by the driver, before a query fails.
func (d *Deaths) Print(v ...any) {
	for _, x := range v {
		err, ok := x.(error)
		var dead *health.DeadError
		if ok && errors.As(err, &dead) {
			d.last.Store(dead)
		}
	}
}

// recent is how old a death may be that explains an error.
const recent = 5 * time.Second

// Explain adds to [mysql.ErrInvalidConn] what a connection of the handle has
// just died of, which, all of them leading to one server, is the reason. Other
// errors, and nil, it returns as they are.
func (d *Deaths) Explain(err error) error {
	dead := d.last.Load()
	if !errors.Is(err, mysql.ErrInvalidConn) || dead == nil || time.Since(dead.Detected) > recent {
		return err
	}
	return fmt.Errorf("%w: %w", err, dead)
}

package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// A suite is the tests of somebody else.
type suite struct {
	name     string
	module   string // "" is the standard library, of the go command's version
	version  string
	packages []string // patterns; relative ones to the module
	timeout  time.Duration
	start    func(context.Context) (env []string, stop func() error, err error) // what it needs to run; or nil
}

// suites are all that are run if nothing is asked for.
var suites = []suite{
	{name: "nethttp", packages: []string{"net/http", "net/http/cgi", "net/http/httptest", "net/http/httputil"}, timeout: 3 * time.Minute},
	{name: "http2", module: "golang.org/x/net", version: "v0.62.0", packages: []string{"./http2/..."}, timeout: time.Minute},
	{name: "grpc", module: "google.golang.org/grpc", version: "v1.85.0", packages: []string{"./..."}, timeout: 4 * time.Minute},
	{name: "pgx", module: "github.com/jackc/pgx/v5", version: "v5.12.0", packages: []string{"./..."}, timeout: 4 * time.Minute, start: startPostgres},
}

func (s suite) String() string {
	if s.module == "" {
		return fmt.Sprintf("%s: %s of the standard library", s.name, strings.Join(s.packages, " "))
	}
	return fmt.Sprintf("%s: %s of %s %s", s.name, strings.Join(s.packages, " "), s.module, s.version)
}

// services starts what the suite needs. stop has to be called if there is no
// error.
func (s suite) services(ctx context.Context) (env []string, stop func() error, err error) {
	if s.start == nil {
		return nil, func() error { return nil }, nil
	}
	return s.start(ctx)
}

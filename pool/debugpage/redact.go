package debugpage

import (
	"fmt"
	"hash/maphash"
	"net"

	"example.com/hale/health"
)

// veil hides addresses, if it is on.
type veil struct {
	on   bool
	seed maphash.Seed
}

func newVeil(on bool) veil { return veil{on, maphash.MakeSeed()} }

// alias stands for a host in its place, the same as long as the page lives.
func (v veil) alias(host string) string {
	return fmt.Sprintf("host-%04x", maphash.String(v.seed, host)&0xffff)
}

// addr is an address, or the alias of its host.
func (v veil) addr(a net.Addr) string {
	if a == nil {
		return ""
	}
	return v.name(a.String())
}

// name is what may be an address, or the alias of its host.
func (v veil) name(s string) string {
	if !v.on || s == "" {
		return s
	}
	if host, _, err := net.SplitHostPort(s); err == nil {
		s = host
	}
	return v.alias(s)
}

// text is free text, which may have addresses in it.
func (v veil) text(s string) string {
	if v.on {
		return ""
	}
	return s
}

// err is what an error says, or of which kind it is.
func (v veil) err(err error) string {
	switch cause := health.Classify(err); {
	case err == nil:
		return ""
	case !v.on:
		return err.Error()
	case cause != health.Unknown:
		return cause.String()
	}
	return "an error that is not shown"
}

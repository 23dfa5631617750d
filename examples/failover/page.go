package main

import (
	"fmt"
	"os"

	"example.com/hale/internal/lab/livepage"
	"example.com/hale/pool"
	"example.com/hale/pool/debugpage"
)

// showPage serves the page of hale's pool, if it was asked for, and says where.
func (o options) showPage(p *halePool) error {
	if o.page == "" {
		return nil
	}
	page := &debugpage.Page{Title: "failover", Pools: []func() pool.Snapshot{p.Snapshot}}
	url, stop, err := livepage.Serve(o.page, page)
	if err != nil {
		return err
	}
	p.page, p.stopPage = url, stop
	fmt.Fprintln(os.Stderr, "the page of hale's pool is at", url)
	return nil
}

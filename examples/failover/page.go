package main

import (
	"fmt"
	"os"

	"example.com/hale/internal/lab/livepage"
	"example.com/hale/pool"
	"example.com/hale/pool/debugpage"
)

// showPage serves the page of hale's pool, if it was asked for, and says where.
func (o options) showPage(p *halePool) {
	if o.page == nil {
		return
	}
	page := &debugpage.Page{Title: "failover", Pools: []func() pool.Snapshot{p.Snapshot}}
	p.page, p.stopPage = livepage.Serve(o.page, page)
	fmt.Fprintln(os.Stderr, "the page of hale's pool is at", p.page)
}

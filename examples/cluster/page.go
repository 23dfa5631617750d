package main

import (
	"fmt"
	"os"

	"example.com/hale/internal/lab/livepage"
	"example.com/hale/pool/debugpage"
)

// showPage serves the cluster's live page, if it was asked for, and says where.
func (s *scene) showPage() {
	if s.page == nil {
		return
	}
	page := &debugpage.Page{
		Title:    "cluster",
		Clusters: []func() debugpage.Cluster{func() debugpage.Cluster { return debugpage.OfCluster(s.cluster.Snapshot()) }},
	}
	s.pageAt, s.stopPage = livepage.Serve(s.page, page)
	fmt.Fprintln(os.Stderr, "the cluster's page is at", s.pageAt)
}

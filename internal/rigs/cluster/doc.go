// Package cluster puts [example.com/hale/pool/cluster] before real servers that fail
// over: PostgreSQL with a standby, Redis with Sentinels, gRPC servers behind a name
// whose answer changes. Each is under the load of other clients as well, at the same
// time, and what all of them have gone through is a table: docs/cluster.md. All of it
// is tests.
package cluster

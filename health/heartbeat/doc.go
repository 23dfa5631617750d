// Package heartbeat asks peers, by a probe of the application's own, whether
// they still serve. It finds what no kernel can: a process that hangs or is
// stopped behind a kernel that goes on answering.
//
// A [Prober] probes any number of connections while their owners do not use
// them; each has a [Pulse], which its owner locks for every use. Package pool
// does so for the connections of a pool.
package heartbeat

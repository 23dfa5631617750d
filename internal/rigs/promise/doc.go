// Package promise holds hale to what sockopt.Within promises: that a peer which
// is gone is noticed in time, in every state of a connection, and that one which
// lives is never given up, however many packets are lost. It has no code but its
// tests, which need Linux, the ip command, /dev/net/tun and the right to make
// network namespaces. README.md has the tables of what they measure.
package promise

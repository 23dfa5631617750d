// Package network tests what hale reports on networks that break: cables,
// addresses, routes, firewalls, servers and names, each between hosts of its
// own (network namespaces, joined by veth). It has no code but its tests, which
// need Linux, the ip and nft commands, and the right to make network
// namespaces. README.md has the table of what they measure.
package network

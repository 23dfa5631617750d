// Guest is everything that runs in a virtual machine: the first process of one that
// has nothing else in it, and what that starts. The same program is a client beside
// the machines. It needs Linux.
package main

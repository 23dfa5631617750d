// Package awake tells the time that passed while this process was there to see
// it. A process that is stopped (SIGSTOP, the cgroup freezer, a paused machine)
// or gets no processor finds, when it goes on, all of its timers due, and what
// its peers said meanwhile still in the socket buffers. A time limit that ends
// then blames them for its own standstill.
//
// Nobody tells a process that it stood still. So the time is taken in steps, and
// a step that ends much later than planned has a standstill in it. One that is
// shorter than that, a tenth of a second at least, is not noticed, and counts as
// time awake.
package awake

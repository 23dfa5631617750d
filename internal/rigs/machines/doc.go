// Package machines is the experiment that hale comes from, on real machines: a
// server in a virtual machine that is paused, resumed, rebooted, switched off,
// migrated and put back to a snapshot, with hale outside; hale in a machine, or a
// process, that itself stands still; and hale's tests on other kernels and
// processors. README.md says how to run it and what it has measured.
//
// It has no code but its tests, which need Linux, root, qemu and the ip command, and
// the programs of both ends in the folders below.
package machines

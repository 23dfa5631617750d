// Package vitess has the pool of Vitess (smartconnpool) as a rival of those of
// package bench, and its tests measure all of them. It is a module of its own
// because of all that Vitess brings with it.
package vitess

// Package vitess measures the pool of Vitess (smartconnpool) beside the rivals of
// package bench. It has no code but its tests, and is a module of its own because
// of all that Vitess brings with it.
package vitess

// Package bench measures what it costs to take a connection from a pool and to
// give it back, for hale's pool and its rivals beside each other. It has the
// rivals, what is done with them, and how that is measured; README.md has the
// figures. Vitess's pool is in a module of its own, in the folder vitess.
package bench

package notify

import "sync"

// Lines run functions for keys: those of one key one after another, in the order of
// their coming, and those of others beside them, so that one that blocks holds up
// its own line only. The zero Lines are ready.
type Lines struct {
	mu      sync.Mutex // guards what follows; nothing is called under it
	lines   map[any]*line
	ready   queue[*line] // with work, and nobody at it
	workers int
	worker  func()  // work, made once
	spare   []*line // of keys that had their turn, to be used again
}

// line is one key's. It is in the map while it has work or somebody is at it.
type line struct {
	key  any
	jobs queue[func()]
}

// queue gives out what came first. It keeps its memory as long as that is small.
type queue[T any] struct {
	all  []T
	next int // in all
}

// roomKept is for how many things an empty queue has memory.
const roomKept = 64

func (q *queue[T]) add(x T) {
	if len(q.all) == cap(q.all) && q.next > len(q.all)/2 { // one that is never empty must not grow
		n := copy(q.all, q.all[q.next:])
		clear(q.all[n:])
		q.all, q.next = q.all[:n], 0
	}
	q.all = append(q.all, x)
}

func (q *queue[T]) isEmpty() bool { return q.next == len(q.all) }

func (q *queue[T]) take() (x T) {
	x = q.all[q.next]
	clear(q.all[q.next : q.next+1]) // which keeps what it refers to
	if q.next++; q.isEmpty() {
		q.all, q.next = q.all[:0], 0
		if cap(q.all) > roomKept {
			q.all = nil
		}
	}
	return x
}

// mostWorkers is how many goroutines serve the lines, at most; there is none while
// there is nothing to do. So many functions have to block before those of other
// keys wait: hooks may wait for each other, and a goroutine that blocks costs some KiB.
const mostWorkers = 1024

// Go runs f on another goroutine.
func (l *Lines) Go(key any, f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	mine, ok := l.enter(key)
	mine.jobs.add(f)
	if !ok {
		l.serve(mine)
	}
}

// Do runs f, now if the line is empty. If it is not, f takes its turn, maybe after
// Do has returned: Do may be called by a function in the same line.
func (l *Lines) Do(key any, f func()) {
	l.mu.Lock()
	mine, ok := l.enter(key)
	if ok {
		mine.jobs.add(f)
		l.mu.Unlock()
		return
	}
	l.mu.Unlock()
	defer l.leave(mine)
	f()
}

// enter returns the key's line, and whether it was there before. The caller holds
// l.mu, and serves or leaves a line that was not.
func (l *Lines) enter(key any) (mine *line, ok bool) {
	if l.lines == nil {
		l.lines, l.worker = make(map[any]*line), l.work
	}
	mine, ok = l.lines[key]
	if !ok {
		mine = l.newLine()
		mine.key = key
		l.lines[key] = mine
	}
	return mine, ok
}

// newLine is one for any key. The caller holds l.mu.
func (l *Lines) newLine() *line {
	n := len(l.spare)
	if n == 0 {
		return new(line)
	}
	mine := l.spare[n-1]
	l.spare = l.spare[:n-1]
	return mine
}

// leave ends a turn.
func (l *Lines) leave(mine *line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if mine.jobs.isEmpty() {
		delete(l.lines, mine.key)
		if mine.key = nil; len(l.spare) < roomKept { // nothing of the key's is kept
			l.spare = append(l.spare, mine)
		}
		return
	}
	l.serve(mine)
}

// serve has the next function of a line run. The caller holds l.mu.
func (l *Lines) serve(mine *line) {
	l.ready.add(mine)
	if l.workers < mostWorkers {
		l.workers++
		go l.worker()
	}
}

func (l *Lines) work() {
	defer func() { // for runtime.Goexit, too
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.workers--; !l.ready.isEmpty() {
			l.workers++
			go l.worker()
		}
	}()
	for l.next() {
	}
}

// next runs one function, if there is one.
func (l *Lines) next() bool {
	l.mu.Lock()
	if l.ready.isEmpty() {
		l.mu.Unlock()
		return false
	}
	mine := l.ready.take()
	f := mine.jobs.take()
	l.mu.Unlock()
	defer l.leave(mine)
	f()
	return true
}

package notify

import "sync"

// Lines run functions for keys: those of one key one after another, in the order of
// their coming, and those of others beside them, so that one that blocks holds up
// its own line only. The zero Lines are ready.
type Lines struct {
	mu      sync.Mutex // guards what follows; nothing is called under it
	lines   map[any]*line
	ready   []*line // with work, and nobody at it
	workers int
}

// line is one key's. It is in the map while it has work or somebody is at it.
type line struct {
	key  any
	jobs []func()
}

// mostWorkers is how many goroutines serve the lines, at most; there is none while
// there is nothing to do. So many functions have to block before those of other
// keys wait.
const mostWorkers = 64

// Go runs f on another goroutine.
func (l *Lines) Go(key any, f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	mine, ok := l.enter(key)
	mine.jobs = append(mine.jobs, f)
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
		mine.jobs = append(mine.jobs, f)
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
		l.lines = make(map[any]*line)
	}
	mine, ok = l.lines[key]
	if !ok {
		mine = &line{key: key}
		l.lines[key] = mine
	}
	return mine, ok
}

// leave ends a turn.
func (l *Lines) leave(mine *line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(mine.jobs) == 0 {
		delete(l.lines, mine.key)
		return
	}
	l.serve(mine)
}

// serve has the next function of a line run. The caller holds l.mu.
func (l *Lines) serve(mine *line) {
	l.ready = append(l.ready, mine)
	if l.workers < mostWorkers {
		l.workers++
		go l.work()
	}
}

func (l *Lines) work() {
	defer func() { // for runtime.Goexit, too
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.workers--; len(l.ready) > 0 {
			l.workers++
			go l.work()
		}
	}()
	for l.next() {
	}
}

// next runs one function, if there is one.
func (l *Lines) next() bool {
	l.mu.Lock()
	if len(l.ready) == 0 {
		l.mu.Unlock()
		return false
	}
	mine := l.ready[0]
	l.ready = l.ready[1:]
	f := mine.jobs[0]
	mine.jobs = mine.jobs[1:]
	l.mu.Unlock()
	defer l.leave(mine)
	f()
	return true
}

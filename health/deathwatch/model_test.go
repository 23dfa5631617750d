package deathwatch

import (
	"math/rand/v2"
	"testing"
	"time"
)

// The model is a kernel, a path and a peer, as far as TCP_INFO shows them, and
// a process that looks by the detector's own plan. Against it the detector is
// held to the two rules: gone is noticed, alive is left alone.

// world is one connection, from its making to its end.
type world struct {
	random *rand.Rand
	limits Limits
	rtt    time.Duration
	jitter time.Duration // how much longer than rtt an answer takes at most
	loss   float64       // of each packet, each way
	gone   time.Duration // when the peer vanishes; never if it does not
	gap    time.Duration // nothing passes for so long, at the end of each gapEvery

	stopped, still time.Duration // when the process is stopped, and for how long; nothing passes meanwhile
	silent         time.Duration // nor for so long before

	pace time.Duration // the longest pause between two retransmissions or window probes

	other    Limits // those that a setter changes to, and back
	settable bool   // it does

	now      time.Duration
	heard    time.Duration
	idle     time.Duration   // TCP_KEEPIDLE, as it stands
	answers  []time.Duration // under way, with their arrival
	probes   int
	timeouts int
	rto      time.Duration
	timer    time.Duration // the next retransmission or probe of the kernel; never if there is none
	limited  time.Duration // until when the peer answers no other probe
	inFlight bool
	stalled  bool
	sent     time.Duration // the latest data in flight
	resent   int
	tail     bool            // the timer is that of a tail loss probe (RFC 8985)
	asked    []time.Duration // when what is unanswered was sent
}

const tick = 4 * time.Millisecond

// exchange sends a packet and lets its answer come back, if the path and the
// peer are so kind. A kernel answers no more than one probe in half a second
// (tcp_invalid_ratelimit).
func (w *world) exchange(probe bool) {
	w.asked = append(w.asked, w.now)
	if w.now >= w.gone || w.isGap(w.now) || w.random.Float64() < w.loss || probe && w.now < w.limited {
		return
	}
	if probe {
		w.limited = w.now + 500*time.Millisecond
	}
	if w.random.Float64() >= w.loss {
		w.answers = append(w.answers, w.now+max(w.rtt, tick)+w.upTo(w.jitter))
	}
}

// advance runs the kernel up to a time.
func (w *world) advance(to time.Duration) {
	for w.now < to {
		next := min(to, w.timer)
		for _, a := range w.answers {
			next = min(next, a)
		}
		w.now = max(w.now, next)
		w.receive()
		if w.now >= w.timer {
			w.fire()
		}
	}
}

// receive takes the answers that have come.
func (w *world) receive() {
	var later []time.Duration
	for _, a := range w.answers {
		if a > w.now {
			later = append(later, a)
			continue
		}
		w.heard, w.probes, w.asked = w.now, 0, nil
		if w.inFlight {
			w.inFlight, w.timeouts = false, 0
		}
		w.arm()
	}
	w.answers = later
}

// gapEvery is long enough for what has come of one gap to be over in the next.
const gapEvery = 3 * time.Minute

func (w *world) isGap(at time.Duration) bool {
	return at%gapEvery >= gapEvery-w.gap || at >= w.stopped-w.silent && at < w.stopped+w.still
}

// upTo is a random time below d.
func (w *world) upTo(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(w.random.Int64N(int64(d)))
}

// arm sets the kernel's timer by the state.
func (w *world) arm() {
	w.tail = false
	switch {
	case w.inFlight || w.stalled:
		w.rto = w.baseRTO()
		w.timer = w.now + w.rto
		if pto := 2*w.rtt + leastRTO; w.inFlight && pto < w.rto {
			w.timer, w.tail = w.now+pto, true
		}
	case w.limits.Idle > 0:
		w.timer = max(w.now+tick, w.heard+w.idle)
	default:
		w.timer = never
	}
}

func (w *world) baseRTO() time.Duration { return w.rtt + max(w.rtt/4, leastRTO) }

// fire is the kernel's timer.
func (w *world) fire() {
	w.exchange(!w.inFlight)
	if w.inFlight {
		w.sent, w.resent = w.now, w.resent+1
	}
	switch {
	case w.tail:
		w.tail, w.timer = false, w.now+w.rto
		return
	case w.inFlight:
		w.timeouts++
	default:
		w.probes++
	}
	if w.inFlight || w.stalled {
		w.rto = min(2*w.rto, max(w.pace, 2*w.baseRTO()))
		w.timer = w.now + w.rto
		return
	}
	w.timer = w.now + time.Hour // keepalive's own interval is too long to matter
}

// write sends data.
func (w *world) write() {
	if w.inFlight || w.stalled {
		return
	}
	w.inFlight, w.sent = true, w.now
	w.exchange(false)
	w.arm()
}

// stall shuts the peer's window, or opens it.
func (w *world) stall(shut bool) {
	if w.inFlight || w.stalled == shut || w.now >= w.gone {
		return
	}
	w.stalled = shut
	w.heard, w.probes, w.asked = w.now, 0, nil // the peer has said so
	w.arm()
}

// ask is what setting TCP_KEEPIDLE to a second does.
func (w *world) ask() {
	w.idle = time.Second
	if !w.inFlight && !w.stalled {
		w.timer = max(w.now+tick, w.heard+w.idle)
	}
}

func (w *world) sample() sample {
	return sample{
		probes: w.probes, timeouts: w.timeouts, resent: w.resent, sent: w.now - w.sent,
		inFlight: w.inFlight, pending: w.inFlight || w.stalled,
		silence: w.now - w.heard, rtt: w.rtt, rttVar: w.rtt / 16,
	}
}

// trace is one world from its beginning to the verdict, or until enough is seen.
// It returns when the verdict came, never if it did not, and how many packets in a
// row could have been answered by then, and were not.
func (w *world) trace(length time.Duration) (verdict time.Duration, unanswered int) {
	d := newDetector()
	w.idle, w.timer = w.limits.Idle, never
	w.arm()
	for w.now < length {
		a := d.assess(w.sample(), w.limits, w.now)
		switch {
		case a.silent:
			return w.now, w.unanswered()
		case a.ask:
			w.ask()
			d.asked(w.now)
		case a.answers:
			w.idle = w.limits.Idle
			w.arm()
		}
		w.advance(w.now + w.live(a.pause))
	}
	return never, 0
}

// unanswered is how many of what was sent since the peer was heard could have been
// answered by now.
func (w *world) unanswered() (n int) {
	for _, at := range w.asked {
		if at+w.sample().answerTime() <= w.now {
			n++
		}
	}
	return n
}

// live lets the application do something, now and then, in a pause, and the
// process stand still at its end, rarely, or be busy.
func (w *world) live(pause time.Duration) time.Duration {
	if pause >= shortestPause {
		pause = pause.Round(shortestPause)
	}
	if w.now < w.stopped && w.now+pause >= w.stopped {
		pause += w.still
	}
	switch p := w.random.Float64(); {
	case p < 0.1:
		w.write()
	case p < 0.12:
		w.stall(!w.stalled)
	case p < 0.13:
		pause += w.upTo(20 * time.Second) // stopped
	case p < 0.15:
		pause += w.upTo(time.Second)
	case p < 0.16 && w.settable: // by a setter
		w.limits, w.other = w.other, w.limits
	}
	return pause
}

// newWorld makes a world of a seed.
func newWorld(seed uint64) *world {
	r := rand.New(rand.NewPCG(seed, 1))
	pick := func(from ...time.Duration) time.Duration { return from[r.IntN(len(from))] }
	limits := func() Limits {
		budget := pick(2*time.Second, 3*time.Second, 5*time.Second, 7300*time.Millisecond, 10*time.Second, 30*time.Second, time.Minute)
		return Limits{
			Idle:    max(time.Second, budget*4/9/time.Second*time.Second),
			Silence: budget - 200*time.Millisecond,
			Pace:    pick(time.Second, max(time.Second, budget/10)),
			Ask:     true,
		}
	}
	w := &world{
		random: r,
		limits: limits(),
		other:  limits(),
		rtt:    pick(0, 0, 0, 20*time.Millisecond, 200*time.Millisecond, 2*time.Second),
		gone:   never,
	}
	w.pace = w.limits.Pace
	w.jitter = pick(0, w.sample().answerTime()-w.rtt-2*tick) // as the estimate has it
	switch r.IntN(8) {
	case 0:
		w.other.Idle = 0
	case 1:
		w.other.Ask = false
	case 2:
		w.other.Silence = 0
	}
	return w
}

// allowed is the latest that the watch may notice: the budget, one more look,
// and on a long path or a shut window the time of the askings that it needs.
func (w *world) allowed() time.Duration {
	answer := w.sample().answerTime()
	flight := fewestAskings * max(w.pace, 2*w.baseRTO()) // at the longest pause
	doubt := w.limits.Idle + time.Duration(w.limits.verdictAskings(sample{rtt: w.rtt, rttVar: w.rtt / 16}, 0)+1)*(max(answer, doubtPause)+doubtPause)
	return max(w.limits.Silence, flight, doubt) + answer + 2*doubtPause
}

func TestAModelOfTheGoneIsNoticed(t *testing.T) {
	t.Parallel()
	noticed := 0
	for seed := range uint64(3000) {
		w := newWorld(seed)
		w.gone = time.Duration(w.random.Int64N(int64(2 * time.Minute)))
		// It has to be awake to notice: no standing still here.
		w.random = rand.New(rand.NewPCG(seed, 2))
		verdict, _ := w.awake().trace(w.gone + 10*time.Minute)
		if verdict < w.gone {
			t.Errorf("seed %d: at %v, and the peer was there until %v", seed, verdict, w.gone)
		}
		if after := verdict - w.gone; after > w.allowed() {
			t.Errorf("seed %d: noticed after %v, allowed %v: limits %v, RTT %v, pace %v", seed, after, w.allowed(), w.limits, w.rtt, w.pace)
		}
		noticed++
	}
	t.Logf("%d noticed", noticed)
}

// awake has the process never stand still.
func (w *world) awake() *world {
	w.random = rand.New(&steady{w.random})
	return w
}

// steady leaves out the numbers that make the process stand still.
type steady struct{ *rand.Rand }

func (s *steady) Uint64() uint64 {
	for {
		n := s.Rand.Uint64()
		if p := float64(n<<11>>11) / (1 << 53); p < 0.12 || p >= 0.15 {
			return n
		}
	}
}

func TestAModelOfTheLivingIsLeftAlone(t *testing.T) {
	t.Parallel()
	for _, loss := range []float64{0, 0.02, 0.1} {
		steps, deaths, hasty := 0, 0, 0
		for seed := range uint64(1000) {
			w := newWorld(seed)
			w.loss, w.settable = loss, true
			verdict, unanswered := w.trace(30 * time.Minute)
			steps += int(w.now / time.Second)
			if verdict == never {
				continue
			}
			deaths++
			least := fewestAskings
			if w.limits.Silence < fewestAskings*time.Second {
				hasty++
				if w.stalled {
					least--
				}
			}
			if unanswered < least || loss == 0 {
				t.Errorf("seed %d, loss %v: given up at %v after %d unanswered askings", seed, loss, verdict, unanswered)
			}
		}
		t.Logf("loss of %.0f %% each way: %d false deaths in %d connection-hours, %d of them with a budget below 4 s", 100*loss, deaths, steps/3600, hasty)
		if loss <= 0.02 && deaths > hasty {
			t.Errorf("%d false deaths", deaths)
		}
	}
}

// A gap may begin when a probe was due, and its answer be lost; what is written into it
// may be sent again only a pace after its end, and both timers be late by an eighth.
func TestAModelOfGapsIsLeftAlone(t *testing.T) {
	t.Parallel()
	tried := 0
	for seed := range uint64(1000) {
		w := newWorld(seed)
		w.gap = w.limits.Silence - (w.limits.Idle+w.pace)*9/8 - 600*time.Millisecond
		if w.gap <= 0 || w.rtt > 100*time.Millisecond {
			continue
		}
		tried++
		if verdict, unanswered := w.trace(20 * time.Minute); verdict != never {
			t.Errorf("seed %d: given up at %v, %d unanswered, by %+v, RTT %v, gap %v", seed, verdict, unanswered, w.limits, w.rtt, w.gap)
		}
	}
	t.Logf("%d tried", tried)
}

// A process that is stopped in a silence finds a peer that is there again when it goes
// on, and has to wait for one more asking.
func TestAModelOfAPeerThatComesBackDuringAStandstillIsLeftAlone(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3000) {
		w := newWorld(seed)
		w.stopped = time.Minute + w.upTo(time.Minute)
		w.still = standstill + 2*w.limits.Silence + w.upTo(20*time.Second)
		w.silent = w.upTo(w.limits.Silence - w.limits.Idle*9/8 - 300*time.Millisecond)
		random := w.random
		w.random = rand.New(&steady{random})
		if verdict, _ := w.trace(w.stopped + w.still + time.Minute); verdict != never {
			t.Errorf("seed %d: given up at %v, and stopped at %v for %v after a silence of %v, by %+v, RTT %v", seed, verdict, w.stopped, w.still, w.silent, w.limits, w.rtt)
		}
	}
}

// FuzzDetector looks for worlds in which a living peer is given up without a
// packet lost, or a detector that plans no next look.
func FuzzDetector(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) {
		w := newWorld(seed)
		w.settable = true
		if verdict, _ := w.trace(10 * time.Minute); verdict != never {
			t.Errorf("given up at %v", verdict)
		}
	})
}

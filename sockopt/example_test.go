package sockopt_test

import (
	"errors"
	"fmt"
	"log"
	"net"
	"time"

	"example.com/hale/sockopt"
)

func ExampleWithin() {
	for _, d := range []time.Duration{5 * time.Second, 30 * time.Second, 5 * time.Minute} {
		fmt.Println(d, "is", sockopt.Within(d))
	}
	// Output:
	// 5s is within 5s: idle 2s, interval 1s, count 2, user timeout 4s
	// 30s is within 30s: idle 13s, interval 4s, count 3, user timeout 25s
	// 5m0s is within 300s: idle 60s, interval 60s, count 3, user timeout 240s
}

func ExampleKeepAlive_Window() {
	k := sockopt.KeepAlive{Idle: 20 * time.Second, Interval: 50 * time.Second, Count: 1}
	earliest, latest := k.Window()
	fmt.Println("noticed", earliest, "to", latest, "after the peer has vanished")
	// Output:
	// noticed 50s to 1m10s after the peer has vanished
}

func ExampleKeepAlive_stallTimeout() {
	k := sockopt.Within(10 * time.Second)
	k.StallTimeout = time.Minute
	plan, err := sockopt.Platform{GOOS: "linux"}.Plan(k)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(plan.Asked)
	fmt.Println(plan.Effective)
	fmt.Println(plan.Unsupported[0])
	// Output:
	// within 10s: idle 4s, interval 1s, count 3, user timeout 7s, stall timeout 60s, pace 1s
	// idle 4s, interval 1s, count 56, user timeout 60s, stall timeout 60s, pace 1s
	// user_timeout: no option of its own, because TCP_USER_TIMEOUT ends a live peer that does not read, too; the pace and the watch of a hale.Conn keep to it
}

// A load balancer in between forgets what has been quiet for ten seconds, and a peer
// that is gone has to be noticed within half a minute: the shorter Idle wins.
func ExampleKeepAlive_pathIdleTimeout() {
	k := sockopt.Within(30 * time.Second)
	k.PathIdleTimeout = 10 * time.Second // sockopt.PathIdleAWS and others have names
	plan, err := sockopt.Platform{GOOS: "linux"}.Plan(k)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(plan.Asked)

	k.Idle = 20 * time.Second
	_, err = sockopt.Platform{GOOS: "linux"}.Plan(k)
	fmt.Println(err)
	// Output:
	// within 30s: idle 7s, interval 1s, count 19, user timeout 26s, pace 2.5s, path idle timeout 10s
	// sockopt: Idle 20s: too long for PathIdleTimeout 10s: if a probe is lost, the next has to follow within 8.888888888s, and comes after 21s
}

// A mobile network loses everything for twenty seconds now and then.
func ExampleKeepAlive_tolerateGap() {
	k := sockopt.KeepAlive{TolerateGap: 20 * time.Second}
	plan, err := sockopt.Platform{GOOS: "linux"}.Plan(k)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(plan.Asked)

	k.Within = 20 * time.Second
	_, err = sockopt.Platform{GOOS: "linux"}.Plan(k)
	fmt.Println(err)
	// Output:
	// within 50s: idle 20s, interval 1s, count 24, user timeout 44s, pace 4.4s, tolerates a gap of 20s
	// sockopt: TolerateGap 20s: above 14s, the longest that Within 20s leaves time for
}

func ExamplePlatform_Plan() {
	server2016 := sockopt.Platform{GOOS: "windows", Major: 10, Build: 14393}
	plan, err := server2016.Plan(sockopt.KeepAlive{Idle: time.Second, Interval: 3 * time.Second, Count: 2, UserTimeout: -1})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, op := range plan.Ops {
		fmt.Println(op)
	}
	fmt.Println(plan.Effective)
	fmt.Println(plan.Unsupported[0])
	// Output:
	// setsockopt(SOL_SOCKET 0xffff, SO_KEEPALIVE 8, 1)
	// WSAIoctl(SIO_KEEPALIVE_VALS 0x98000004, {1, 1000 ms, 600 ms})
	// idle 1s, interval 600ms, count 10, user timeout system
	// count: windows 10.0.14393 has no option for it, its count is fixed at 10: Interval 3s * Count 2 is kept as 600ms * 10
}

func ExamplePlatform_Plan_outOfRange() {
	_, err := sockopt.Platform{GOOS: "linux"}.Plan(sockopt.KeepAlive{Idle: 40000 * time.Second})
	fmt.Println(err)
	// Output:
	// sockopt: Idle 40000s: above 32767s, the largest that linux accepts
}

func ExampleControl() {
	ln, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ln.Close()

	dialer := net.Dialer{
		KeepAlive: -1, // so that package net does not overwrite ours
		Control:   sockopt.Control(sockopt.Within(10 * time.Second)),
	}
	conn, err := dialer.Dial("tcp", ln.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		fmt.Println(err)
		return
	}
	held, err := sockopt.Get(raw)
	fmt.Println(held.Idle, held.Interval, held.Count, err)
	// Output:
	// 4s 1s 3 <nil>
}

// What would be set on another system.
func ExamplePlan() {
	plan, err := sockopt.Platform{GOOS: "darwin"}.Plan(sockopt.Within(30 * time.Second))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, op := range plan.Ops {
		fmt.Println(op)
	}
	earliest, latest := plan.Window()
	fmt.Println("an idle connection is given up after", earliest, "to", latest)
	// Output:
	// setsockopt(SOL_SOCKET 0xffff, SO_KEEPALIVE 8, 1)
	// setsockopt(IPPROTO_TCP 6, TCP_KEEPALIVE 16, 13 s)
	// setsockopt(IPPROTO_TCP 6, TCP_KEEPINTVL 0x101, 4 s)
	// setsockopt(IPPROTO_TCP 6, TCP_KEEPCNT 0x102, 3)
	// setsockopt(IPPROTO_TCP 6, TCP_RXT_CONNDROPTIME 0x80, 25 s)
	// an idle connection is given up after 12s to 25s
}

// The option that sets the idle time, on each of two systems.
func ExampleOp() {
	for _, goos := range []string{"linux", "darwin"} {
		plan, err := sockopt.Platform{GOOS: goos}.Plan(sockopt.Within(30 * time.Second))
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, op := range plan.Ops {
			if op.Field == sockopt.FieldIdle {
				fmt.Println(goos, op.Name, op.Value)
			}
		}
	}
	// Output:
	// linux TCP_KEEPIDLE 13
	// darwin TCP_KEEPALIVE 13
}

// One value of a report, by field.
func ExampleField() {
	report := applied(sockopt.Within(30 * time.Second))
	for _, option := range report.Options {
		if option.Field == sockopt.FieldKeepAlive {
			fmt.Println(option.Field, "is", option.Got)
		}
	}
	// Output: keepalive is 1
}

// What became of one option.
func ExampleOptionReport() {
	report := applied(sockopt.Within(30 * time.Second))
	fmt.Println(report.Options[0])
	// Output: SO_KEEPALIVE (keepalive): asked 1, got 1: set
}

// What became of a plan on a real connection.
func ExampleReport() {
	report := applied(sockopt.Within(30 * time.Second))
	fmt.Println("asked for:", report.Asked.Within)
	fmt.Println("keepalive is on:", !report.Got.Disabled)
	// Output:
	// asked for: 30s
	// keepalive is on: true
}

// A value that the platform does not accept.
func ExampleRangeError() {
	_, err := sockopt.Platform{GOOS: "linux"}.Plan(sockopt.KeepAlive{Count: 1000})
	if wrong, ok := errors.AsType[*sockopt.RangeError](err); ok {
		fmt.Println(wrong.Field, "is", wrong.Value+",", wrong.Limit)
	}
	// Output: Count is 1000, above 127, the largest that linux accepts
}

// applied plans for this platform and applies the plan to a connection.
func applied(k sockopt.KeepAlive) sockopt.Report {
	plan, err := sockopt.Current().Plan(k)
	if err != nil {
		log.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer ln.Close()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		log.Fatal(err)
	}
	report, err := plan.Apply(raw)
	if err != nil {
		log.Fatal(err)
	}
	return report
}

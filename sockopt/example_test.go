package sockopt_test

import (
	"fmt"
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

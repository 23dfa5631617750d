package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// events are what may happen to a client's machine from inside.
var events = map[string]func() error{
	"suspend": suspend,
	"clock":   setClock,
	"hog":     startHog,
	"quota":   startQuota,
}

// An announcer prints, and has the event happen once the client is ready.
type announcer struct{ event func() error }

func (a *announcer) Write(b []byte) (int, error) {
	if a.event != nil && bytes.HasSuffix(b, []byte(" ready\n")) {
		go happen(a.event)
	}
	return os.Stdout.Write(b)
}

func happen(event func() error) {
	time.Sleep(5 * time.Second)
	fmt.Println("event begins")
	if err := event(); err != nil {
		fmt.Println("guest:", err)
		os.Exit(1)
	}
	fmt.Println("event is over")
}

// suspend has the machine sleep (S3) until it is woken from outside.
func suspend() error { return os.WriteFile("/sys/power/state", []byte("mem"), 0) }

// setClock moves the clock forward by an hour, and back by two, and so on.
func setClock() error {
	hours := time.Hour
	for range 10 {
		tv := unix.NsecToTimeval(time.Now().Add(hours).UnixNano())
		if err := unix.Settimeofday(&tv); err != nil {
			return os.NewSyscallError("settimeofday", err)
		}
		if hours > 0 {
			hours = -2 * time.Hour
		} else {
			hours = 2 * time.Hour
		}
		time.Sleep(time.Second)
	}
	return nil
}

// startHog has another process take the machine's only processor.
func startHog() error {
	// Without it, real-time processes leave a twentieth to others (sched(7)).
	if err := os.WriteFile("/proc/sys/kernel/sched_rt_runtime_us", []byte("-1"), 0); err != nil {
		return err
	}
	cmd := exec.Command("/init", "hog")
	cmd.Stdout = os.Stdout
	return cmd.Run()
}

// hog takes the processor for 3 s at a time, five times.
func hog([]string) error {
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 50}
	if err := unix.SchedSetAttr(0, &attr, 0); err != nil {
		return os.NewSyscallError("sched_setattr", err)
	}
	for range 5 {
		for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
		}
		time.Sleep(2 * time.Second)
	}
	return nil
}

// startQuota has another process take this one's time away.
func startQuota() error {
	cmd := exec.Command("/init", "quota", strconv.Itoa(os.Getpid()))
	cmd.Stdout = os.Stdout
	return cmd.Run()
}

// quota puts a process into a cgroup that gets a thousandth of a processor for 3 s at a
// time, five times, as a container gets that has spent its share (cgroups(7), and
// Documentation/admin-guide/cgroup-v2.rst of Linux).
func quota(args []string) error {
	const root = "/sys/fs/cgroup"
	if err := unix.Mount("cgroup2", root, "cgroup2", 0, ""); err != nil {
		return os.NewSyscallError("mount", err)
	}
	group := filepath.Join(root, "client")
	if err := os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+cpu"), 0); err != nil {
		return err
	}
	if err := os.Mkdir(group, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(args[0]), 0); err != nil {
		return err
	}
	for range 5 {
		for _, share := range []struct {
			microseconds string
			d            time.Duration
		}{{"1000 1000000", 3 * time.Second}, {"max 1000000", 2 * time.Second}} {
			if err := os.WriteFile(filepath.Join(group, "cpu.max"), []byte(share.microseconds), 0); err != nil {
				return err
			}
			time.Sleep(share.d)
		}
	}
	return nil
}

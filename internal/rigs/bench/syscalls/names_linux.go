package syscalls

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// schedules are the calls by which Go's runtime has goroutines wait and run, and has
// memory; how many there are differs from run to run.
var schedules = map[int]bool{
	unix.SYS_FUTEX: true, unix.SYS_NANOSLEEP: true, unix.SYS_CLOCK_NANOSLEEP: true, unix.SYS_EPOLL_PWAIT: true,
	unix.SYS_SCHED_YIELD: true, unix.SYS_MADVISE: true, unix.SYS_MMAP: true, unix.SYS_MUNMAP: true, unix.SYS_MPROTECT: true,
	unix.SYS_TGKILL: true, unix.SYS_GETPID: true, unix.SYS_GETTID: true, unix.SYS_CLONE: true, unix.SYS_CLONE3: true,
	unix.SYS_RT_SIGRETURN: true, unix.SYS_RT_SIGPROCMASK: true, unix.SYS_RT_SIGACTION: true, unix.SYS_SIGALTSTACK: true,
	unix.SYS_SET_ROBUST_LIST: true, unix.SYS_RSEQ: true, unix.SYS_PRCTL: true, unix.SYS_SCHED_GETAFFINITY: true,
	unix.SYS_RESTART_SYSCALL: true, unix.SYS_TIMER_CREATE: true, unix.SYS_TIMER_SETTIME: true, unix.SYS_TIMER_DELETE: true,
}

var callNames = map[int]string{
	unix.SYS_READ: "read", unix.SYS_WRITE: "write", unix.SYS_READV: "readv", unix.SYS_WRITEV: "writev",
	unix.SYS_SPLICE: "splice", unix.SYS_SENDFILE: "sendfile", unix.SYS_COPY_FILE_RANGE: "copy_file_range",
	unix.SYS_SENDTO: "sendto", unix.SYS_RECVFROM: "recvfrom", unix.SYS_SENDMSG: "sendmsg", unix.SYS_RECVMSG: "recvmsg",
	unix.SYS_SOCKET: "socket", unix.SYS_CONNECT: "connect", unix.SYS_BIND: "bind", unix.SYS_CLOSE: "close", unix.SYS_SHUTDOWN: "shutdown",
	unix.SYS_GETSOCKNAME: "getsockname", unix.SYS_GETPEERNAME: "getpeername",
	unix.SYS_SETSOCKOPT: "setsockopt", unix.SYS_GETSOCKOPT: "getsockopt",
	unix.SYS_FCNTL: "fcntl", unix.SYS_IOCTL: "ioctl", unix.SYS_LSEEK: "lseek", unix.SYS_FSTAT: "fstat", unix.SYS_OPENAT: "openat",
	unix.SYS_EPOLL_CTL: "epoll_ctl", unix.SYS_EPOLL_CREATE1: "epoll_create1", unix.SYS_EVENTFD2: "eventfd2", unix.SYS_PIPE2: "pipe2",
	unix.SYS_UNAME: "uname",
}

var optionNames = map[[2]uint64]string{
	{unix.SOL_SOCKET, unix.SO_KEEPALIVE}:      "SO_KEEPALIVE",
	{unix.SOL_SOCKET, unix.SO_ERROR}:          "SO_ERROR",
	{unix.SOL_SOCKET, unix.SO_BROADCAST}:      "SO_BROADCAST",
	{unix.SOL_SOCKET, unix.SO_PROTOCOL}:       "SO_PROTOCOL",
	{unix.SOL_SOCKET, unix.SO_NETNS_COOKIE}:   "SO_NETNS_COOKIE",
	{unix.IPPROTO_TCP, unix.TCP_NODELAY}:      "TCP_NODELAY",
	{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE}:     "TCP_KEEPIDLE",
	{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL}:    "TCP_KEEPINTVL",
	{unix.IPPROTO_TCP, unix.TCP_KEEPCNT}:      "TCP_KEEPCNT",
	{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT}: "TCP_USER_TIMEOUT",
	{unix.IPPROTO_TCP, unix.TCP_INFO}:         "TCP_INFO",
	{unix.IPPROTO_TCP, 44}:                    "TCP_RTO_MAX_MS",
}

// nameOf is the name of a call, with its option if it has one.
func nameOf(number int, args [6]uint64) string {
	name, known := callNames[number]
	if !known {
		return fmt.Sprint("call ", number)
	}
	if number != unix.SYS_SETSOCKOPT && number != unix.SYS_GETSOCKOPT {
		return name
	}
	option, known := optionNames[[2]uint64{args[1], args[2]}]
	if !known {
		option = fmt.Sprintf("%d/%d", args[1], args[2])
	}
	return name + " " + option
}

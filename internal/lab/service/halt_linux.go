package service

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// Halt stops the server's program, as by SIGSTOP: the process that was started and
// its descendants. Their kernel goes on, acknowledges what they are sent, and sets up
// connections for them. It returns when all stand still.
func (s *Server) Halt() error {
	if s.pid == os.Getpid() {
		return s.unsupported()
	}
	for before, end := 0, time.Now().Add(grace); ; time.Sleep(settle) {
		pids, err := family(s.pid) // those that it starts before it stands still, too
		if err != nil {
			return err
		}
		if err := signal(pids, syscall.SIGSTOP); err != nil {
			return err
		}
		moving := moving(pids)
		switch {
		case len(moving) == 0 && len(pids) == before:
			return nil
		case time.Now().After(end):
			return fmt.Errorf("service: %s: %v cannot be stopped", s.Name, moving)
		}
		before = len(pids)
	}
}

// Resume has everything go on that [Server.Halt] has stopped.
func (s *Server) Resume() error {
	if s.pid == os.Getpid() {
		return s.unsupported()
	}
	pids, err := family(s.pid)
	if err != nil {
		return err
	}
	return signal(pids, syscall.SIGCONT)
}

// Kill ends the server's program and its descendants at once, as by SIGKILL: their
// kernel resets or closes the connections. [Server.Close] is still to be called, for
// the files.
func (s *Server) Kill() error {
	if err := s.Halt(); err != nil { // so that none is started meanwhile
		return err
	}
	pids, err := family(s.pid)
	if err != nil {
		return err
	}
	s.killed.Store(true)
	return signal(pids, syscall.SIGKILL)
}

func signal(pids []int, sig syscall.Signal) error {
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) { // it has ended
			return os.NewSyscallError("kill", err)
		}
	}
	return nil
}

// moving returns those that do not stand still.
func moving(pids []int) (moving []int) {
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, state, _ := strings.Cut(string(stat), ") ")
		if err == nil && !strings.HasPrefix(state, "T") && !strings.HasPrefix(state, "Z") {
			moving = append(moving, pid)
		}
	}
	return moving
}

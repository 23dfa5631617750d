package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"time"
)

var serverNames = [2]string{"A", "B"}

// hosts are addresses of the loopback interface, one for each server.
var hosts = [2]string{"127.0.0.2", "127.0.0.3"}

// serverAt is the server at an address, or -1.
func serverAt(address net.Addr) int {
	if address == nil {
		return -1
	}
	host, _, _ := net.SplitHostPort(address.String())
	return slices.Index(hosts[:], host)
}

const (
	// orderTimeout is for a server's answer, which may be that it has started.
	orderTimeout = 20 * time.Second
	// exitTimeout is for a server that has been told to end.
	exitTimeout = 5 * time.Second
)

// A process is a server in a process of its own. All its methods are for one
// goroutine.
type process struct {
	name    string
	address string
	account *account
	*running
}

// running is one life of a process.
type running struct {
	cmd     *exec.Cmd
	in, out *os.File // orders and answers
	answers *json.Decoder
	marks   chan struct{}
	over    chan struct{} // closed when the records have ended
}

// start starts the server, at its address. It is of no use if that fails.
func (p *process) start() error {
	r, err := launch(p.address)
	if err != nil {
		return err
	}
	p.running = r.running
	go r.enter(p.name, p.account)
	a, err := p.answer()
	if err != nil {
		p.kill()
		return err
	}
	p.address = a.Address
	return nil
}

// A launched process has not been listened to yet.
type launched struct {
	*running
	records *os.File
}

// launch starts this program in the role of a server.
func launch(address string) (l launched, err error) {
	program, err := os.Executable()
	if err != nil {
		return l, err
	}
	var pipes [3][2]*os.File // orders, answers, records; each to read and to write
	defer func() {
		closeAll(pipes[0][0], pipes[1][1], pipes[2][1]) // the server's ends
		if err != nil {
			closeAll(pipes[0][1], pipes[1][0], pipes[2][0])
		}
	}()
	for i := range pipes {
		if pipes[i][0], pipes[i][1], err = os.Pipe(); err != nil {
			return l, err
		}
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), serveEnv+"="+address)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = pipes[0][0], pipes[1][1], os.Stderr
	cmd.ExtraFiles = []*os.File{pipes[2][1]}
	cmd.SysProcAttr = bound()
	if err := cmd.Start(); err != nil {
		return l, err
	}
	return launched{records: pipes[2][0], running: &running{
		cmd: cmd, in: pipes[0][1], out: pipes[1][0], answers: json.NewDecoder(pipes[1][0]),
		marks: make(chan struct{}, 1), over: make(chan struct{}),
	}}, nil
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

// enter enters what the server records, until it ends.
func (r launched) enter(name string, a *account) {
	defer close(r.over)
	defer r.records.Close()
	for b := make([]byte, recordSize); ; {
		if _, err := io.ReadFull(r.records, b); err != nil {
			return
		}
		which := binary.BigEndian.Uint64(b[8:])
		switch record(binary.BigEndian.Uint64(b)) {
		case ran:
			a.run(which, name)
		case garbled:
			a.findings.add(checkMatched, "%v reached %s mixed with another", number(which), name)
		case marked:
			r.marks <- struct{}{}
		}
	}
}

// order has the server do something, and waits until it is done.
func (p *process) order(o order) (answer, error) {
	if err := json.NewEncoder(p.in).Encode(o); err != nil {
		return answer{}, fmt.Errorf("server %s: %w", p.name, err)
	}
	return p.answer()
}

func (p *process) answer() (a answer, err error) {
	if err = p.out.SetReadDeadline(time.Now().Add(orderTimeout)); err == nil {
		err = p.answers.Decode(&a)
	}
	if err == nil && a.Error != "" {
		err = errors.New(a.Error)
	}
	if err != nil {
		err = fmt.Errorf("server %s: %w", p.name, err)
	}
	return a, err
}

// settle waits until everything that the server has run so far is in the
// account.
func (p *process) settle() error {
	if _, err := p.order(order{Do: doMark}); err != nil {
		return err
	}
	timer := time.NewTimer(orderTimeout)
	defer timer.Stop()
	select {
	case <-p.marks:
		return nil
	case <-timer.C:
		return fmt.Errorf("server %s: its records do not come", p.name)
	}
}

// kill ends the server at once, and waits until its records are in the account.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	p.wait()
}

// close ends the server in good order, or at once if it takes its time.
func (p *process) close() {
	p.in.Close()
	late := time.AfterFunc(exitTimeout, func() { _ = p.cmd.Process.Kill() })
	p.wait()
	late.Stop()
}

func (p *process) wait() {
	_ = p.cmd.Wait() // killed, as likely as not
	<-p.over
	closeAll(p.in, p.out)
}

// startAll starts the servers, at one and the same port of their hosts, so
// that a name can lead to either.
func startAll(a *account) (servers [2]*process, err error) {
	for range 20 {
		if servers, err = startAt(a); err == nil {
			return servers, nil
		}
	}
	return servers, err
}

func startAt(a *account) (servers [2]*process, err error) {
	port := "0"
	for i := range servers {
		servers[i] = &process{name: serverNames[i], address: hosts[i] + ":" + port, account: a}
		if err := servers[i].start(); err != nil {
			if i > 0 {
				servers[0].close()
			}
			return servers, err
		}
		port = portOf(servers[i].address)
	}
	return servers, nil
}

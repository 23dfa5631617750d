package main

import (
	"bufio"
	"fmt"
	"log"
	"net"
	"sync"
)

// A server answers every line with another.
type server struct {
	listener net.Listener
	wg       sync.WaitGroup // what accepts and what answers

	mu    sync.Mutex // guards what follows
	conns []net.Conn // every one that was accepted
}

func startServer() *server {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	s := &server{listener: l}
	s.wg.Go(s.accept)
	return s
}

func (s *server) addr() string { return s.listener.Addr().String() }

func (s *server) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns = append(s.conns, c)
		s.mu.Unlock()
		s.wg.Go(func() { answer(c) })
	}
}

// answer says something to each line, until c is closed.
func answer(c net.Conn) {
	for lines := bufio.NewScanner(c); lines.Scan(); {
		fmt.Fprintf(c, "%s? I do not know\r\n", lines.Text())
	}
}

// hangUp closes all connections.
func (s *server) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.Close()
	}
	s.conns = nil
}

func (s *server) close() {
	s.listener.Close()
	s.hangUp()
	s.wg.Wait()
}

package fake

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
)

// Silent reads and says nothing.
func Silent(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// Echo sends back what it reads, byte by byte if it comes so.
func Echo(c net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}

// Redis answers PING, says OK to most else, and knows no HELLO, as servers before
// Redis 6.
func Redis(c net.Conn) {
	in := bufio.NewReader(c)
	for {
		words, err := redisCommand(in)
		if err != nil {
			return
		}
		answer := "+OK\r\n"
		switch strings.ToUpper(words[0]) {
		case "PING":
			answer = "+PONG\r\n"
		case "HELLO":
			answer = "-ERR unknown command 'HELLO'\r\n"
		}
		if _, err := io.WriteString(c, answer); err != nil {
			return
		}
	}
}

// redisCommand reads an array of bulk strings.
func redisCommand(in *bufio.Reader) (words []string, err error) {
	n, err := redisLength(in, '*')
	if err != nil {
		return nil, err
	}
	if n < 1 {
		return nil, fmt.Errorf("fake: a command of %d words", n)
	}
	for range n {
		length, err := redisLength(in, '$')
		if err != nil {
			return nil, err
		}
		word := make([]byte, length+2)
		if _, err := io.ReadFull(in, word); err != nil {
			return nil, err
		}
		words = append(words, string(word[:length]))
	}
	return words, nil
}

// redisLength reads a line of a sign and a number.
func redisLength(in *bufio.Reader, sign byte) (int, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return 0, err
	}
	if line[0] != sign {
		return 0, fmt.Errorf("fake: %q where %q was due", line, sign)
	}
	n, err := strconv.Atoi(strings.TrimSpace(line[1:]))
	if err == nil && (n < 0 || n > 1<<20) {
		err = fmt.Errorf("fake: a length of %d", n)
	}
	return n, err
}

// The codes of a first message (PostgreSQL's protocol, "Message Formats").
const (
	postgresStartup = 3 << 16
	postgresTLS     = 1234<<16 | 5679
)

// Postgres lets everybody in, and answers each simple query as an empty one, which
// a ping is.
func Postgres(c net.Conn) {
	in := bufio.NewReader(c)
	if postgresLogin(in, c) != nil {
		return
	}
	for {
		kind, err := in.ReadByte()
		if err != nil {
			return
		}
		if _, err := postgresBody(in); err != nil {
			return
		}
		if kind == 'X' {
			return
		}
		if kind != 'Q' {
			continue
		}
		if _, err := c.Write(append(postgresMessage('I'), postgresReady()...)); err != nil {
			return
		}
	}
}

func postgresLogin(in *bufio.Reader, out io.Writer) error {
	for {
		body, err := postgresBody(in)
		if err != nil {
			return err
		}
		if len(body) < 4 {
			return io.ErrUnexpectedEOF
		}
		switch code := binary.BigEndian.Uint32(body); code {
		case postgresTLS:
			_, err = out.Write([]byte{'N'})
		case postgresStartup:
			_, err = out.Write(slicesOf(
				postgresMessage('R', 0, 0, 0, 0),
				postgresMessage('S', []byte("client_encoding\x00UTF8\x00")...),
				postgresMessage('S', []byte("standard_conforming_strings\x00on\x00")...),
				postgresReady()))
			return err
		default: // a request to cancel something
			return fmt.Errorf("fake: first message %d", code)
		}
		if err != nil {
			return err
		}
	}
}

func slicesOf(messages ...[]byte) []byte { return bytes.Join(messages, nil) }

// postgresBody reads a length, which counts itself, and what follows.
func postgresBody(in *bufio.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(in, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n < 4 || n > 1<<20 {
		return nil, fmt.Errorf("fake: a message of %d bytes", n)
	}
	body := make([]byte, n-4)
	_, err := io.ReadFull(in, body)
	return body, err
}

func postgresMessage(kind byte, body ...byte) []byte {
	message := binary.BigEndian.AppendUint32([]byte{kind}, uint32(4+len(body)))
	return append(message, body...)
}

func postgresReady() []byte { return postgresMessage('Z', 'I') }

// HTTP answers each request, which may have no body, with a body of one byte.
func HTTP(c net.Conn) {
	in := bufio.NewReader(c)
	for {
		for { // the head
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			if strings.TrimSpace(line) == "" {
				break
			}
		}
		if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n."); err != nil {
			return
		}
	}
}

package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

// A request and its reply are frames of the same form: a header, and a body
// that is the number of the request over and over, so that one pieced
// together of two does not pass.
type frame struct {
	number uint64
	size   uint32 // of the body in bytes, a multiple of 8
	want   uint32 // in a request, the size of the reply's body
}

const (
	headerSize = 16
	chunkSize  = 4096 // bodies are written and read in pieces
	mostSize   = 1 << 20
)

// Bits of the numbers that stand for no request.
const (
	// ping is that of a frame whose reply only says that the server serves.
	ping = 1 << 63
	// notice is that of what the server says unasked; the rest is when, in
	// microseconds of Unix time.
	notice = 1 << 62
	// refusal is that of the reply of a server that is full.
	refusal = 1 << 61
)

// noticeNow is the number of a notice that goes out now.
func noticeNow() uint64 { return notice | uint64(time.Now().UnixMicro()) }

// said is when a notice was.
func said(number uint64) time.Time { return time.UnixMicro(int64(number &^ notice)) }

// A wrongFrame is one that no fault explains: it belongs to another request, or
// to two.
type wrongFrame struct{ what string }

func (e *wrongFrame) Error() string { return e.what }

func wrong(format string, args ...any) error { return &wrongFrame{fmt.Sprintf(format, args...)} }

// number prints as worker-sequence.
type number uint64

const sequenceBits = 40

func (n number) String() string {
	switch {
	case n&ping != 0:
		return fmt.Sprintf("ping %d", uint64(n&^ping))
	case n&notice != 0:
		return "what was said unasked at " + said(uint64(n)).Format("15:04:05.000")
	case n&refusal != 0:
		return "a refusal"
	}
	return fmt.Sprintf("%d-%d", uint64(n>>sequenceBits), uint64(n&(1<<sequenceBits-1)))
}

// writeFrame writes header and first piece as one.
func writeFrame(w io.Writer, f frame) error {
	var b [headerSize + chunkSize]byte
	binary.BigEndian.PutUint64(b[0:], f.number)
	binary.BigEndian.PutUint32(b[8:], f.size)
	binary.BigEndian.PutUint32(b[12:], f.want)
	body := b[headerSize:]
	for i := 0; i < min(len(body), int(f.size)); i += 8 {
		binary.BigEndian.PutUint64(body[i:], f.number)
	}
	first := min(len(body), int(f.size))
	if _, err := w.Write(b[:headerSize+first]); err != nil {
		return err
	}
	for left := int(f.size) - first; left > 0; left -= len(body) {
		if _, err := w.Write(body[:min(len(body), left)]); err != nil {
			return err
		}
	}
	return nil
}

// readHeader reads the header of the next frame. Its error and that of readBody
// is r's, or a *[wrongFrame].
func readHeader(r io.Reader) (f frame, err error) {
	var b [headerSize]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return f, err
	}
	f.number = binary.BigEndian.Uint64(b[0:])
	f.size = binary.BigEndian.Uint32(b[8:])
	f.want = binary.BigEndian.Uint32(b[12:])
	if f.size%8 != 0 || f.size > mostSize || f.want > mostSize {
		return f, wrong("a header that says %+v", f)
	}
	return f, nil
}

// readBody reads the body that belongs to f.
func readBody(r io.Reader, f frame) error {
	var b [chunkSize]byte
	for left := int(f.size); left > 0; {
		piece := b[:min(len(b), left)]
		if _, err := io.ReadFull(r, piece); err != nil {
			return err
		}
		for i := 0; i < len(piece); i += 8 {
			if got := binary.BigEndian.Uint64(piece[i:]); got != f.number {
				return wrong("in a frame of %v there is one of %v", number(f.number), number(got))
			}
		}
		left -= len(piece)
	}
	return nil
}

package grpchale

import (
	"cmp"
	"context"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"example.com/hale/internal/lab/trial"
)

// maxConns is enough for the workers of a trial.
const maxConns = 8

var plaintext = grpc.WithTransportCredentials(insecure.NewCredentials())

// Clients are the clients of the server that Server starts.
func Clients() []trial.Client {
	return []trial.Client{
		{Name: "grpc-go, unary calls", Open: openUnary},
		{Name: "grpc-go, streams", Open: openStreams},
		{Name: "hale/pool, grpc-go", Open: openPool},
	}
}

func openUnary(_ context.Context, address string, dial trial.Dial) (trial.Session, error) {
	cc, err := NewClient(address, dial, plaintext)
	if err != nil {
		return trial.Session{}, err
	}
	return trial.Session{
		Request: func(ctx context.Context) error { return call(ctx, cc) },
		Close:   cc.Close,
	}, nil
}

func call(ctx context.Context, cc *grpc.ClientConn) error {
	_, err := healthpb.NewHealthClient(cc).Check(ctx, &healthpb.HealthCheckRequest{})
	return err
}

func openPool(_ context.Context, address string, dial trial.Dial) (trial.Session, error) {
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	p, err := NewPool(address, dial, maxConns, plaintext)
	if err != nil {
		return trial.Session{}, err
	}
	return trial.Session{
		Request: func(ctx context.Context) error { return p.Do(ctx, call) },
		Close:   func() error { p.Close(); return nil },
	}, nil
}

func openStreams(_ context.Context, address string, dial trial.Dial) (trial.Session, error) {
	cc, err := NewClient(address, dial, plaintext)
	if err != nil {
		return trial.Session{}, err
	}
	life, end := context.WithCancel(context.Background())
	s := &streams{life: life, cc: cc, idle: trial.NewSpares((*line).alive, (*line).end)}
	return trial.Session{
		Request: s.request,
		Close: func() error {
			end()
			return cc.Close()
		},
	}, nil
}

// streams keeps streams open.
type streams struct {
	life context.Context
	cc   *grpc.ClientConn
	idle trial.Spares[*line]
}

// line is a stream, and what ends it.
type line struct {
	*Stream
	hangUp context.CancelFunc
}

func (s *streams) request(ctx context.Context) error {
	l, err := s.take(ctx)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, l.hangUp)
	err = l.exchange("ping")
	if !stop() {
		return err // it has been hung up
	}
	s.idle.Put(l, err)
	return err
}

// alive is not known: gRPC says of a stream that it has ended when it is used.
func (l *line) alive() bool { return true }

func (l *line) end() { l.hangUp() }

// take returns a stream that nobody uses, or a new one.
func (s *streams) take(ctx context.Context) (*line, error) {
	if l, ok := s.idle.Take(); ok {
		return l, nil
	}
	life, hangUp := context.WithCancel(s.life)
	stop := context.AfterFunc(ctx, hangUp)
	stream, err := OpenStream(life, s.cc)
	if !stop() || err != nil {
		hangUp()
		return nil, cmp.Or(err, ctx.Err())
	}
	return &line{Stream: stream, hangUp: hangUp}, nil
}

func (l *line) exchange(text string) error {
	// Send says no more than io.EOF of a stream that has ended; Recv says why.
	_ = l.Send(wrapperspb.String(text))
	got, err := l.Recv()
	if err == nil && got.GetValue() != text {
		return fmt.Errorf("grpc: %q came back as %q", text, got.GetValue())
	}
	return err
}

package grpchale

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Stream is a bidirectional stream of texts.
type Stream = grpc.GenericClientStream[wrapperspb.StringValue, wrapperspb.StringValue]

// OpenStream opens a stream on which the server answers each text with the
// same text. If the server vanishes, Recv ends with codes.Unavailable and a
// text that names the cause, although nothing is sent: a stream that waits for
// news must not wait for ever. The stream ends with ctx.
func OpenStream(ctx context.Context, cc *grpc.ClientConn) (*Stream, error) {
	s, err := cc.NewStream(ctx, &echoDesc.Streams[0], "/"+echoDesc.ServiceName+"/"+echoDesc.Streams[0].StreamName)
	if err != nil {
		return nil, err
	}
	return &Stream{ClientStream: s}, nil
}

// echoDesc describes the service as protoc-gen-go-grpc would.
var echoDesc = grpc.ServiceDesc{
	ServiceName: "hale.Echo",
	HandlerType: (*any)(nil),
	Streams: []grpc.StreamDesc{{
		StreamName: "Echo", Handler: echo, ServerStreams: true, ClientStreams: true,
	}},
}

func echo(_ any, ss grpc.ServerStream) error {
	s := &grpc.GenericServerStream[wrapperspb.StringValue, wrapperspb.StringValue]{ServerStream: ss}
	for {
		text, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = s.Send(text)
		}
		if err != nil {
			return err
		}
	}
}

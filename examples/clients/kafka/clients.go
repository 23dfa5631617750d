package kafkahale

import (
	"context"
	"errors"
	"net"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"example.com/hale/internal/lab/service"
	"example.com/hale/internal/lab/trial"
)

const topic = "orders"

// Clients are the clients of the broker that Server starts.
func Clients() []trial.Client {
	return []trial.Client{{Name: "franz-go", Open: open}}
}

func open(_ context.Context, address string, dial trial.Dial) (trial.Session, error) {
	c, err := NewClient(address, dial, kgo.DefaultProduceTopic(topic))
	if err != nil {
		return trial.Session{}, err
	}
	return trial.Session{
		Request: func(ctx context.Context) error {
			return c.ProduceSync(ctx, kgo.StringRecord("hello")).FirstErr()
		},
		Close: func() error { c.CloseAllowingRebalance(); return nil },
	}, nil
}

// Server starts a Kafka in this process, of one broker and one topic.
func Server(context.Context) (*service.Server, error) {
	l, err := service.Listen()
	if err != nil {
		return nil, err
	}
	given := false
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic),
		kfake.ListenFn(func(_, _ string) (net.Listener, error) {
			if given {
				return nil, errors.New("kafka: one broker has one listener")
			}
			given = true
			return l, nil
		}))
	if err != nil {
		l.Close()
		return nil, err
	}
	return service.NewLocal("kafka", l, func() error { cluster.Close(); return nil })
}

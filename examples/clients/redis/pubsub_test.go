package redishale

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"example.com/hale/health"
	"example.com/hale/internal/lab/service"
	"example.com/hale/internal/lab/trial/dialled"
	"example.com/hale/internal/lab/trial/trialtest"
)

// A subscriber only reads. go-redis pings the server every three seconds of
// silence, but does not wait for the reply: without the kernel's verdict it
// would wait for messages that cannot come.
func TestASubscriberNoticesAndSubscribesAgain(t *testing.T) {
	t.Parallel()
	s := trialtest.Serve(t, service.Redis)
	var conns dialled.Conns
	subscriber := open(t, options(s.Addr, conns.Dial))
	subscription := subscriber.Subscribe(dialled.Context(t), "news")
	defer subscription.Close()
	messages := subscription.Channel()
	publisher := open(t, options(s.Addr, trialtest.Dialer().DialContext))
	delivered(t, publisher, messages, "before")
	first := conns.All()
	trialtest.Vanish(t, s)
	gone := time.Now()
	if err := s.Replace(); err != nil {
		t.Fatal(err)
	}
	dialled.Until(t, "the subscriber dials again", func() bool { return len(conns.All()) > len(first) })
	if took := time.Since(gone); took > trialtest.Longest {
		t.Errorf("dialled again after %v, want at most %v", took, trialtest.Longest)
	}
	if err := first[0].Err(); !health.Classify(err).Silent() {
		t.Errorf("died of %v, which is no silence", err)
	}
	delivered(t, publisher, messages, "after")
}

// delivered publishes a message until the subscriber gets it.
func delivered(t *testing.T, publisher *redis.Client, messages <-chan *redis.Message, text string) {
	t.Helper()
	ctx := dialled.Context(t)
	dialled.Until(t, "the message arrives", func() bool {
		if err := publisher.Publish(ctx, "news", text).Err(); err != nil {
			t.Fatal(err)
		}
		for {
			select {
			case m := <-messages:
				if m.Payload == text {
					return true
				}
			default:
				return false
			}
		}
	})
}

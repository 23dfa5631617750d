package otelhale

import (
	"context"

	"example.com/hale"
)

// sampled records what the watch has seen of a living connection. A round trip is news
// only if something was acknowledged: the kernel measures it then.
func (d *dials) sampled(info hale.SampledInfo) {
	i, ctx, labels := d.t.instruments, context.Background(), d.labelsAt(d.labels.plain, info.Conn)
	if info.Acked > 0 && info.Info.RTT > 0 {
		i.rtt.Record(ctx, info.Info.RTT.Seconds(), labels.record...)
	}
	i.probes.Record(ctx, int64(info.Info.Probes), labels.record...)
	i.inFlight.Record(ctx, int64(info.Info.Unacked), labels.record...)
	if info.Sent > 0 {
		i.sent.Add(ctx, int64(info.Sent), labels.add...)
	}
	if info.Retransmitted > 0 {
		i.retransmitted.Add(ctx, int64(info.Retransmitted), labels.add...)
	}
}

package sockopt

// Undo returns calls, for [Plan.Set], that undo what another plan has set on a socket
// before and p leaves alone: a user timeout or a stall timeout on systems where one
// option is both (Linux, FreeBSD), and the Pace, for which it has the kernel's own
// default (TCP_RTO_MAX). So p then leaves the socket as a dial with it would, but for
// what is -1 in it. before is the report of the other plan.
func (p Plan) Undo(before Report) Plan {
	sys := p.Platform.system()
	undo := Plan{Platform: p.Platform, Path: p.Path, Watched: p.Watched}
	for _, r := range sys.rows {
		isTimeout := sys.shares() && (r.field == FieldUserTimeout || r.field == FieldStallTimeout)
		if before.Effective.value(r.field) <= 0 || !isTimeout && r.field != FieldPace || p.sets(r.op()) {
			continue
		}
		o := r.op()
		if r.field == FieldPace {
			o.Value = int(r.raw(int64(maxPace)))
		}
		undo.Ops = append(undo.Ops, o)
	}
	return undo
}

// sets reports whether one of p's calls is for the option of o.
func (p Plan) sets(o Op) bool {
	for _, own := range p.Ops {
		if own.Level == o.Level && own.Number == o.Number {
			return true
		}
	}
	return false
}

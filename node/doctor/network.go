package doctor

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/health"
	"github.com/murmurnet/murmur/node/policy"
)

func (f Facts) daemon() Finding {
	switch {
	case f.DirErr != nil: // it could not be asked
		return Finding{}
	case f.State != nil:
		return ok("daemon", "it runs, since %s: %s", f.State.Started.Local().Format("Mon 2 Jan 15:04"), f.State.Why)
	case errors.Is(f.DaemonErr, errStuck):
		return problem("daemon", "restart it; under systemd that happens by itself (murmur install-service)", "%v", f.DaemonErr)
	case errors.Is(f.DaemonErr, api.ErrNoDaemon):
		return warning("daemon", "murmur up, and then murmur doctor again; or murmur install-service, to have it started by itself", "no daemon runs here, so what others see of this machine is not known")
	default:
		return problem("daemon", "restart it", "%v", f.DaemonErr)
	}
}

func (f Facts) port() Finding {
	if f.PortErrs == nil && f.State == nil { // it is held by a daemon that does not say which it is
		return Finding{}
	}
	if f.PortErrs == nil {
		return ok("port", "the daemon listens on port %d", f.Port)
	}
	for _, p := range []string{"UDP", "TCP"} {
		if err := f.PortErrs[p]; err != nil {
			return problem("port", "stop the other program, perhaps a second murmur, or choose another port with murmur up --port", "%s port %d cannot be had: %v", p, f.Port, err)
		}
	}
	return ok("port", "port %d is free, UDP and TCP", f.Port)
}

func reach(r api.Reach, port uint16) Finding {
	open := fmt.Sprintf("forward port %d, UDP and TCP, to this machine at the router, or turn on UPnP there", port)
	switch {
	case r.Verdict == "public":
		return ok("reach", "others can dial this node")
	case len(r.Dialled) > 0:
		return ok("reach", "others have dialled this node at %s", r.Dialled[0])
	case len(r.Relays) > 0:
		return warning("reach", open, "others come to this node through a relay, which arranges a direct way where routers let it%s", router(r))
	case r.Verdict == "private":
		return warning("reach", open+"; or have the swarm run a murmur seed", "nobody can dial this node, and no relay is there; it dials others%s", router(r))
	default:
		return ok("reach", "not known yet whether others can dial this node; peers are asked for a minute or two")
	}
}

// router says how the router maps ports, where that is known.
func router(r api.Reach) string {
	for _, transport := range []string{"udp", "tcp"} {
		if how := r.Router[transport]; how != "" {
			return "; the router gives " + how
		}
	}
	return ""
}

func peers(s api.State) Finding {
	n := 0
	for _, p := range s.Peers {
		if p.Connected {
			n++
		}
	}
	var tried []string
	for _, a := range s.Reach.Tried[:min(3, len(s.Reach.Tried))] {
		tried = append(tried, a.Addr+": "+a.Why)
	}
	failed := strings.Join(tried, "; ")
	switch {
	case s.Reach.Refusal != "":
		return problem("peers", "ask a member for an invite, and join by it", "the swarm does not let this node in: %s", s.Reach.Refusal)
	case n > 0:
		return ok("peers", "%d connected", n)
	case policy.Reason(s.Reason) == policy.NetworkHours, policy.Reason(s.Reason) == policy.Quota:
		return ok("peers", "none, as wanted: %s", s.Why)
	case failed == "":
		return problem("peers", "give one with murmur up --bootstrap ADDR, or wait for others to join by the link", "none, and no address of one is known")
	default:
		return problem("peers", "ask the one who gave you the link whether a node runs there; if so, look at this machine's firewall: murmur dials UDP and TCP", "none; tried: %s", failed)
	}
}

// dht tells whether the swarm's own DHT, by which newcomers find this node, answers.
func dht(s api.State) Finding {
	var bytes uint64
	for name, b := range s.Traffic.Protocols {
		if strings.Contains(name, "/kad/") {
			bytes += b.In
		}
	}
	switch {
	case bytes > 0:
		return ok("dht", "the swarm's members answer when they are asked for others")
	case slices.ContainsFunc(s.Peers, func(p api.Peer) bool { return p.Connected }):
		return warning("dht", "none: it goes on by itself; nodes that know each other do not need it", "no member has answered yet when it was asked for others, so newcomers may not find this node")
	}
	return Finding{}
}

func trainer(s api.State) Finding {
	t := s.Trainer
	switch {
	case t.Restarts > 0:
		return warning("trainer", "murmur events tells why; murmur xla tells which backends work here", "it was started again %d times since %s", t.Restarts, s.Started.Local().Format("Mon 2 Jan 15:04"))
	case t.Up:
		return ok("trainer", "%s, %s: %.0f tokens/s", t.Backend, t.Device, t.TokensPerSec)
	case policy.Reason(s.Reason) == policy.NoTrainer:
		return warning("trainer", "wait a minute, and look again; murmur xla tells which backends work here", "it is not up: %s", s.Why)
	default:
		return ok("trainer", "not loaded: %s", s.Why)
	}
}

// conditions are what the daemon finds wrong with itself, but for what stands above.
func conditions(cs []health.Condition) (out []Finding) {
	for _, c := range cs {
		if !slices.Contains([]string{"refused", "alone", "relayed", "unreachable"}, c.ID) {
			out = append(out, Finding{
				ID: c.ID, Verdict: Verdict(c.Severity), Do: c.Do,
				Text: c.Text + ", since " + c.Since.Local().Format("Mon 2 Jan 15:04"),
			})
		}
	}
	return out
}

// Package policy says whether this machine may train now, and if not, why not.
//
// It is a pure function of facts that others gather: the same facts give the
// same decision. It must not look at the machine, the clock or the network.
package policy

// Reason is why a node does or does not train.
type Reason string

// The reasons, in the order in which they are asked.
const (
	Leaving   Reason = "leaving"
	Done      Reason = "done"
	Seed      Reason = "seed"
	Paused    Reason = "paused"
	Quota     Reason = "quota"
	Damaged   Reason = "damaged"
	NoTrainer Reason = "no-trainer"
	DiskFull  Reason = "disk"
	Training  Reason = "training"
)

// Facts are what a decision depends on.
type Facts struct {
	Leaving    bool   // the daemon is going down
	Done       bool   // the schedule's last token is committed
	Seed       bool   // this node is there for others
	Paused     bool   // a person said so
	QuotaWhy   string // why it may not use the line any more, in words
	Damaged    bool   // the disk lost a state that peers may give back
	TrainerUp  bool   // the trainer process is ready
	TrainerWhy string // why it is not, in words
	DiskWhy    string // why the disk could not be written last, in words; empty when it could
}

// Decision is a reason with its sentence.
type Decision struct {
	Train  bool
	Reason Reason
	Why    string
}

// Public is the reason in words that say nothing about the machine, for peers.
func (d Decision) Public() string {
	switch d.Reason {
	case NoTrainer:
		return "its trainer is not up"
	case DiskFull:
		return "training, but its disk cannot be written"
	case Quota:
		return "resting until the next month"
	case Damaged:
		return "fetching the shared model"
	default:
		return d.Why
	}
}

// Decide returns the first reason not to train, or that the node trains.
func Decide(f Facts) Decision {
	switch {
	case f.Leaving:
		return Decision{Reason: Leaving, Why: "the daemon is shutting down"}
	case f.Done:
		return Decision{Reason: Done, Why: "the schedule's last token is committed; serving the finished model"}
	case f.Seed:
		return Decision{Reason: Seed, Why: "a seed: it serves others and does not train"}
	case f.Paused:
		return Decision{Reason: Paused, Why: "paused by hand"}
	case f.QuotaWhy != "":
		return Decision{Reason: Quota, Why: f.QuotaWhy}
	case f.Damaged:
		return Decision{Reason: Damaged, Why: "the shared model on this disk is damaged; waiting for a peer to fetch it from"}
	case !f.TrainerUp:
		why := f.TrainerWhy
		if why == "" {
			why = "the trainer is starting"
		}
		return Decision{Reason: NoTrainer, Why: why}
	}
	if f.DiskWhy != "" {
		// What is learned stays in the local model until the disk has room for it.
		return Decision{Train: true, Reason: DiskFull, Why: "training, but cannot publish: " + f.DiskWhy}
	}
	return Decision{Train: true, Reason: Training, Why: "training"}
}

package worker

import (
	"encoding/json"

	"github.com/murmurnet/murmur/trainer/data"
)

// MaxLine bounds one control line in bytes, either way. The longest is a prompt.
const MaxLine = 1 << 20

// maxOutstanding bounds the requests that wait for an answer. The daemon keeps to it, the child insists on it: so neither
// ever blocks on the other's queue, and the child's reader is always free to see that stdin has ended.
const maxOutstanding = 32

// The operations of a request.
const (
	opInit     = "init"
	opLoad     = "load"
	opRun      = "run"
	opPause    = "pause"
	opCapture  = "capture"
	opAdd      = "add"
	opSet      = "set"
	opHeldout  = "heldout"
	opGenerate = "generate"
	opCancel   = "cancel"
	opStop     = "stop"
)

// The kinds of an unasked line.
const (
	eventProgress = "progress"
	eventText     = "text"
	eventFailed   = "failed"
)

// request is a line from the daemon.
type request struct {
	ID   uint64          `json:"id"`
	Op   string          `json:"op"`
	Args json.RawMessage `json:"args,omitempty"`
}

// message is a line from the child: the answer to request ID, or an event.
type message struct {
	ID       uint64          `json:"id,omitempty"`
	Error    string          `json:"error,omitempty"`
	Result   json.RawMessage `json:"result,omitempty"`
	Event    string          `json:"event,omitempty"`
	Progress *Progress       `json:"progress,omitempty"`
	Text     string          `json:"text,omitempty"`
}

// initArgs open the device and the exchange file.
type initArgs struct {
	Spec     Spec   `json:"spec"`
	Exchange string `json:"exchange"`
}

// Ready is what a child says about itself once its device is open.
type Ready struct {
	Backend  string   `json:"backend"`            // the configuration that opened, such as xla:cpu
	Device   string   `json:"device"`             // in words
	Refusals []string `json:"refusals,omitempty"` // why better backends were not taken, a sentence each
	Params   int      `json:"params"`
}

// loadArgs tell how to take the state in the exchange file.
type loadArgs struct {
	Step    int64 `json:"step"`
	Moments bool  `json:"moments"`
}

// Run says what to train on. A running child changes over between two steps; one whose Assignment stays equal goes on in
// its lane, so peers coming and going disturb nothing.
type Run struct {
	Assignment data.Assignment `json:"assignment"`
	Committed  uint64          `json:"committed"`        // tokens committed up to the assignment's parent, for the schedule
	Active     int             `json:"active"`           // active peers, this one included, at least 1
	Paused     bool            `json:"paused,omitempty"` // keep the assignment, do not step
	Until      uint64          `json:"until,omitempty"`  // positions from here on have no data yet; 0: all have
	Most       uint64          `json:"most,omitempty"`   // steps in this assignment, after which to wait for the next; 0: no bound
	Epochs     uint64          `json:"epochs,omitempty"` // the same in passes over the data set
}

// Capture says how to take the state.
type Capture struct {
	Moments  bool `json:"moments,omitempty"`  // m and v too
	Reset    bool `json:"reset,omitempty"`    // count steps, tokens and loss anew from here
	Gradient bool `json:"gradient,omitempty"` // in place of θ, the mean gradient since the last one that was taken so
}

// Captured is the state that the exchange file holds after a capture.
type Captured struct {
	Steps    int64   `json:"steps"`    // since the last capture with Reset
	Tokens   uint64  `json:"tokens"`   // trained on in those steps
	Position uint64  `json:"position"` // one past the highest sample position taken in this assignment
	Loss     float64 `json:"loss"`     // mean over those steps, nats per token; 0 without steps
	Step     int64   `json:"step"`     // total, of the inner optimizer
}

// Progress is how far the child has come. Counts are as in Captured.
type Progress struct {
	Steps        int64   `json:"steps"`
	Tokens       uint64  `json:"tokens"`
	Loss         float64 `json:"loss"`         // mean since the progress before
	TokensPerSec float64 `json:"tokens_per_s"` // moving mean; 0 until two steps are done
	Position     uint64  `json:"position"`
	Step         int64   `json:"step"`
	Waited       float64 `json:"waited,omitempty"` // seconds that steps waited for their batches, since the child started
	Idle         bool    `json:"idle,omitempty"`   // the assignment has no samples left, or no data yet: waiting for the next Run
	Absent       string  `json:"absent,omitempty"` // the token shard that cannot be read
}

// cancelArgs name the generation to break off.
type cancelArgs struct {
	ID uint64 `json:"id"`
}

// heldout is the answer to opHeldout.
type heldout struct {
	Loss float64 `json:"loss"`
}

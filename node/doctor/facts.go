package doctor

import (
	"io/fs"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/fits"
	"github.com/murmurnet/murmur/xla"
)

// Facts are what a Report follows from. A nil error is good news; what is not known is zero.
type Facts struct {
	Version  string // of this program
	Platform string

	Dir         string      // of the swarm
	DirErr      error       // why it cannot be used
	VersionErr  error       // why its layout cannot be read
	ManifestErr error       // why its manifest cannot be read, or this program cannot take part
	Swarm       string      // its name; empty while the manifest is not here
	Params      uint64      // of its model
	Fit         fits.Report // what its model takes of this machine
	Secrets     []Secret
	Settings    []error // of files that a person's wishes lie in
	Disk        Disk

	DaemonErr error      // why State is nil
	State     *api.State // of the running daemon

	Port     uint16           // that it listens on, or would
	PortErrs map[string]error // by "UDP" and "TCP", where no daemon runs: why it is not free

	Backends   []xla.Status // best first
	BackendErr error

	Clock  Clock
	Memory uint64 // bytes that programs may still take
}

// Secret is a file that no other account may read.
type Secret struct {
	Name string
	Mode fs.FileMode
	Err  error
}

// Disk is where the swarm's directory lies.
type Disk struct {
	Free uint64 // bytes for this account; 0 with Known false
	Kind string // a file system that directories of swarms should not lie on, in words
	// Known tells that the machine said so.
	Known bool
}

// Clock is what the kernel thinks of its clock.
type Clock int

// What a kernel may think.
const (
	ClockUnknown Clock = iota
	ClockSteered       // somebody keeps it right
	ClockFree          // nobody does
)

//go:build !linux

package worker

// available is how many bytes a training step may take on this machine; 0 is unknown.
func available() uint64 { return 0 }

// memoryKills is how many processes the system has killed because memory ran out; 0 is unknown.
func memoryKills() uint64 { return 0 }

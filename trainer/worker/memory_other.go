//go:build !linux

package worker

// Free is how many bytes programs may still take on this machine; 0 is unknown.
func Free() uint64 { return 0 }

// memoryKills is how many processes the system has killed because memory ran out; 0 is unknown.
func memoryKills() uint64 { return 0 }

// Package service is what murmur owes to the manager of the machine's services: it writes the unit that starts the
// daemon, and tells the manager that the daemon works, what it does, and that it is alive.
//
// It guarantees that a unit is written whole or not at all, that it holds nothing but what Params say, and that the
// manager is told nothing where there is none. It must not know of rounds, peers or models.
package service

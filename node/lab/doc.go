// Package lab starts real murmur daemons on this machine, breaks them, and
// measures: it is behind murmur demo and murmur bench.
//
// It knows daemons as a user does, by their command line and their API, and
// reaches into none of their parts. It ends every process that it started.
package lab

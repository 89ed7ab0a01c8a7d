// Package xla chooses, installs and explains the backends that GoMLX trains on.
//
// A backend is either one of XLA's plugins (a PJRT shared object for NVIDIA, AMD or plain CPUs) or GoMLX's pure-Go
// backend, which is always there and about 15 times slower on a CPU. [Open] takes the first that works, in the order
// of [Order], and keeps a sentence for each one that refused; [Survey] tells the same for people; [Install] fetches
// a plugin that murmur pins, with the libraries of NVIDIA's that it needs, and [Offer] asks whether to.
//
// Guarantees. No plugin file, however broken, ends the process: its ELF structure is checked first, then a process of
// its own loads it and multiplies two matrices ([RunProbe]), and only a file that came through is ever loaded here.
// Nothing is written to standard output. Nothing downloaded is unpacked before its size and SHA-256 are those pinned.
// No call waits without a bound. XLA needs cgo; a build without it has the pure-Go backend alone and says so.
//
// The CUDA and ROCm plugins were installed, and CUDA's loaded with their libraries, but none was run on a GPU so far.
//
// The package knows nothing of models, rounds or peers.
package xla

// Package speed measures what murmur costs over the bare machine: tokens/s of a training step through the worker
// process, against the same step in a plain GoMLX loop in this process.
//
// Both sides do the same work on the same backend: forward, backward and an AdamW update of all parameters, in float32,
// and both read the loss of every step. The bare side is written as one writes it with GoMLX alone: variables, its own
// AdamW, prepared inputs. They take turns, and the side that waits uses no processor time, so each has the machine to
// itself and both see the same weather.
package speed

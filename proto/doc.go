// Package proto is murmur's wire format: the generated messages, ids, hashes,
// signatures and size limits.
//
// It guarantees that what is signed is bytes: an id is the BLAKE3 hash of the
// bytes that travelled, and nothing is re-encoded to check it. It must not know
// of networks, disks or models; everything else may import it.
package proto

//go:generate protoc --go_out=.. --go_opt=module=github.com/murmurnet/murmur --proto_path=.. ../proto/murmur/v1/murmur.proto

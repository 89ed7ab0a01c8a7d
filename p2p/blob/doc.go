// Package blob fetches blobs from peers and serves them: files that are named by the
// root of their hash tree.
//
// It guarantees that a fetched file has the bytes that its name promises, whole or
// not at all, that a source which lies, stalls or dies costs only the leaves it was
// asked for, that as many peers are served at once as the line carries, and that
// fetches, sources and remembered hashes are bounded; the host bounds the streams that
// are served. It must not know how peers are found and admitted, nor what the bytes mean.
package blob

// Package support packs what others need to help into one file.
//
// It guarantees that the file holds no key, invite, token or text of this machine: what is packed is written without
// addresses, paths and whole names of peers (Clean), and a file that would hold a secret all the same is not written
// (Secrets). It sends nothing anywhere.
package support

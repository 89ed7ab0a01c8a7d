// Package murmurv1 holds murmur's messages, generated from murmur.proto. Package
// proto encodes, signs and bounds them.
package murmurv1

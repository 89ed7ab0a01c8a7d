// Package heap has glibc use what an aligned array left for the next one of its size.
//
// XLA's plugin for CPUs takes each array from posix_memalign, aligned to 64 bytes. glibc up to 2.37 looks for as much and 64 bytes more, so that the hole which such
// an array left never serves another: at 124M parameters a trainer held 29 bytes a parameter of which 18 suffice. The plugin finds the function of this
// name here, for the program's own come before the C library's. The package is imported for that alone, and must not know what arrays are for.
package heap

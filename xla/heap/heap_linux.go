//go:build cgo

package heap

/*
#include <errno.h>
#include <features.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>

#ifdef __GLIBC__
// A large array's chunk, 16 bytes of it glibc's own, is a multiple of 64 bytes: so the chunk behind it begins where an array may, and so does its hole.
int posix_memalign(void **out, size_t align, size_t size) {
	const size_t large = 1 << 16, line = 64;
	if (align == 0 || align % sizeof(void *) != 0 || (align & (align - 1)) != 0)
		return EINVAL;
	if (align <= line && size >= large && size <= SIZE_MAX - 2 * line) {
		size = (size + line - 1) / line * line + line - 16;
		void *p = malloc(size);
		if (p != NULL && (uintptr_t)p % line == 0) {
			*out = p;
			return 0;
		}
		free(p);
	}
	void *p = memalign(align, size);
	if (p == NULL)
		return ENOMEM;
	*out = p;
	return 0;
}
#endif

static uintptr_t take(size_t size) {
	void *p = NULL;
	return posix_memalign(&p, 64, size) == 0 ? (uintptr_t)p : 0;
}

static void give(uintptr_t p) { free((void *)p); }
*/
import "C"

// take is an array as XLA takes one; 0 where there is no memory.
func take(size int) uintptr { return uintptr(C.take(C.size_t(size))) }

func give(p uintptr) { C.give(C.uintptr_t(p)) }

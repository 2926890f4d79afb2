/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Small vocabulary used everywhere: cleanup attributes, array sizes, ownership. No dependency but libc. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

/* _cleanup_(f): calls f(&variable) when the variable leaves its scope */
#define _cleanup_(f) __attribute__((cleanup(f)))
#define _cleanup_free_ _cleanup_(cleanup_free)
#define _cleanup_close_ _cleanup_(cleanup_close)

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* hands an owned pointer or descriptor on: the variable gives up ownership */
#define TAKE_PTR(p)                         \
	({                                  \
		__typeof__(p) taken_ = (p); \
		(p) = NULL;                 \
		taken_;                     \
	})
#define TAKE_FD(fd)                \
	({                         \
		int taken_ = (fd); \
		(fd) = -1;         \
		taken_;            \
	})

/* Borrowed bytes; never owns. */
struct span {
	const uint8_t *data;
	size_t len;
};
#define SPAN(p, n) ((struct span){(const uint8_t *)(p), (n)})
#define SPAN_FMT(s) (int)(s).len, (const char *)(s).data /* for "%.*s" */

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Bytes that are read once, from front to back: an image file, a member of an OVA, a medium that is made on the way. */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct source {
	uint64_t size; /* in all */
	void *data;
	/* at most n bytes; 0 at the end; -errno */
	ssize_t (*read)(struct source *source, void *buffer, size_t n);
	/* called after each part; an error ends the transfer; may be NULL */
	int (*progress)(struct source *source, uint64_t done);
	void *progress_data;
	void (*close)(struct source *source);
};

static inline void source_close(struct source *source)
{
	if (source->close)
		source->close(source);
	source->close = NULL;
}

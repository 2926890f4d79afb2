/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Bytes that are wiped when their owner lets go of them. */
#include "base/common.h"

struct secret {
	uint8_t *data;
	size_t len;
};
#define _cleanup_secret_ _cleanup_(secret_free)

/* -ENOMEM; the bytes are uninitialized */
int secret_new(struct secret *secret, size_t len);
void secret_free(struct secret *secret);
/* The whole of a file, memfd or pipe, from its start. -EFBIG beyond max. */
int secret_read(struct secret *secret, int fd, size_t max);

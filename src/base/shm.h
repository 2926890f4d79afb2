/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Anonymous shared memory passed between processes as a descriptor. */
#include <stddef.h>

/* a zeroed memfd of that size, growing and shrinking sealed; the descriptor is the caller's */
int shm_create(const char *name, size_t size, int *out_fd);
/* a sealed read-only memfd with a copy of data */
int shm_create_sealed(const char *name, const void *data, size_t size, int *out_fd);
/* maps all of fd shared; -EINVAL if it is smaller than min_size. *out_size may be NULL */
int shm_map(int fd, int writable, size_t min_size, void **out, size_t *out_size);
void shm_unmap(void *map, size_t size);

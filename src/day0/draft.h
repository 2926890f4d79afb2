/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Inside day0/: a file that is put together in memory, wiped there, and then written as a whole. */
#include <stdio.h>
#include <sys/types.h>

struct draft {
	FILE *file;
	char *text;
	size_t len;
};

int draft_open(struct draft *draft);
/* ends the draft, whatever the result */
int draft_write(struct draft *draft, const char *path, mode_t mode);
void draft_clear(struct draft *draft);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The host's kernel as preflight sees it: files below a root (sysfs, /proc), and two programs for what the kernel tells
 * over netlink only. A test gives a root of its own and answers for the programs. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct host {
	const char *root; /* "": this host */
	/* standard output of a program, the caller's; NULL when it failed. NULL: really run it */
	char *(*run)(const struct host *host, const char *const *argv);
};

/* paths are relative to the root; fmt as printf's. A file's first line without its end; -errno */
int host_read(const struct host *host, char *out, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* a number; -errno */
int64_t host_number(const struct host *host, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool host_exists(const struct host *host, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* last part of a symbolic link's target; "" when there is none */
void host_link(const struct host *host, char *out, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* entries of a folder; 0 when there is none */
unsigned int host_count(const struct host *host, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *host_run(const struct host *host, const char *const *argv);
/* is the word among the processor's flags (/proc/cpuinfo)? */
bool host_cpu_has(const struct host *host, const char *flag);

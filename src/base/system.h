/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Files and programs of the operating system, with errors logged. Paths that begin with "/" are taken below
 * system_root(), which a test sets. */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

void system_set_root(const char *root);
/* `path` below the root, in a static buffer of its own per call depth of two */
const char *system_path(const char *path);

int system_make_directory(const char *path, mode_t mode);
/* whole, or an error; *out is malloc'ed and NUL-terminated, the caller's */
int system_read_file(const char *path, size_t max, char **out, size_t *len);
/* replaced as a whole; a crash leaves the old or the new one */
int system_write_file(const char *path, mode_t mode, const char *text, size_t len);
/* in place, for a file that something is mounted on */
int system_overwrite_file(const char *path, const char *text, size_t len);
/* as the owner of another file is */
void system_own_like(const char *path, const char *like);

/* exit status of a program (argv[0] is looked up in PATH), or -errno; standard output goes to ours */
int system_run(const char *const *argv);
int system_output(const char *const *argv, size_t max, char **out, size_t *len);
/* the same with a line (short: at most a pipe's buffer) on standard input */
int system_filter(const char *const *argv, const char *line, size_t max, char **out, size_t *len);
bool system_is_vmware(void);

/* A stream connection to a Unix socket (the path as it is), non-blocking; the descriptor or -errno. It never waits when
 * it need not: a full backlog is an error. */
int system_connect(const char *path);

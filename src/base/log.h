/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Diagnostics of a process for its operator, on standard error: "sluice-proxy[2]: error: text". Security records go
 * through events/, never through here. Errors are 0 or -errno; log_err_r() logs and returns in one line:
 *     return log_err_r(-errno, "cannot open %s", path);   prints "...: cannot open X: No such file or directory" */
enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* who is speaking, e.g. "sluice-proxy[0]"; copied, at most 31 bytes */
void log_set_name(const char *name);
void log_set_level(enum log_level max);

void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* err: 0 or -errno, returned unchanged */
int log_write_r(enum log_level level, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#define log_err(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_dbg(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_err_r(err, ...) log_write_r(LOG_LEVEL_ERROR, (err), __VA_ARGS__)

/* the text of the last error logged by this process, without name and level; "" when there was none. For an answer that
 * must say what a lower layer has only logged. Valid until the next error. */
const char *log_last_error(void);

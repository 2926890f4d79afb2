/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char log_name[32] = "sluice";
static char log_error[512];
static enum log_level log_max = LOG_LEVEL_INFO;
static const char *const level_names[] = {"error", "warning", "info", "debug"};

void log_set_name(const char *name)
{
	snprintf(log_name, sizeof(log_name), "%s", name);
}

void log_set_level(enum log_level max)
{
	log_max = max;
}

/* one write(2) per line, so that lines of several processes never mix */
static void log_line(enum log_level level, int err, const char *fmt, va_list args)
{
	char line[1024];
	int n, head, room = sizeof(line) - 1;

	if (level > log_max)
		return;
	n = head = snprintf(line, room, "%s: %s: ", log_name, level_names[level]);
	n += vsnprintf(line + n, room - n, fmt, args);
	if (n > room)
		n = room;
	if (err)
		n += snprintf(line + n, room - n, ": %s", strerror(-err));
	if (n > room)
		n = room;
	if (level == LOG_LEVEL_ERROR)
		snprintf(log_error, sizeof(log_error), "%.*s", n - head, line + head);
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0)
		return;
}

void log_write(enum log_level level, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_line(level, 0, fmt, args);
	va_end(args);
}

int log_write_r(enum log_level level, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_line(level, err, fmt, args);
	va_end(args);
	return err;
}

const char *log_last_error(void)
{
	return log_error;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* In place of src/base/fault.c in sluiced-fault. $SLUICE_FAULT names a file that says what happens: "NAME fail" or
 * "NAME kill"; each step that is passed is noted in FILE.passed. */
#include "base/fault.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static const char *const names[] = {
#define FAULT_POINT(id, name, end, text) [FAULT_##id] = (name),
#include "base/fault_points.def"
#include "base/fault_points_keys.def"
#undef FAULT_POINT
};

static void note_passed(const char *file, const char *name)
{
	char path[4096];
	FILE *out;

	snprintf(path, sizeof(path), "%s.passed", file);
	out = fopen(path, "ae");
	if (!out)
		return;
	fprintf(out, "%s\n", name);
	fclose(out);
}

int fault_at(enum fault_point point)
{
	const char *file = getenv("SLUICE_FAULT");
	char name[64] = "", what[16] = "";
	FILE *in = file ? fopen(file, "re") : NULL;
	int n = 0;

	if (!in)
		return 0;
	n = fscanf(in, "%63s %15s", name, what);
	fclose(in);
	note_passed(file, names[point]);
	if (n != 2 || strcmp(name, names[point]))
		return 0;
	if (!strcmp(what, "kill"))
		raise(SIGKILL);
	return log_err_r(-EIO, "fault injected at %s", name);
}

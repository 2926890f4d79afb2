/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A folder of the whole test program's: cmocka_run_group_tests(tests, temporary_make, temporary_remove). */
#include <stdio.h>
#include <stdlib.h>

static char directory[] = "/tmp/sluice-test-XXXXXX";

static int temporary_make(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int temporary_remove(void **state)
{
	char command[sizeof(directory) + 8];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command);
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What is put in force when the supervisor starts (F4): the newest stored version that can be, else the next older one,
 * and so on; of the very first start the configuration file. */
#include <jansson.h>
#include <stdint.h>

#include "base/loop.h"

struct supervisor;

struct boot {
	struct loop_timer next;
	uint32_t version; /* being tried; 0: none */
	json_t *problem;  /* {version, error} of the newest stored one when it could not be used; NULL: none */
	json_t *missing;  /* rule files that the configuration file of the first start needs; NULL: none */
};

/* config_path NULL: no file. 0 or -errno; the commit itself goes on after this returns */
int boot_begin(struct supervisor *supervisor, const char *config_path);
/* a newer version is in force now */
void boot_clear_problem(struct supervisor *supervisor);
void boot_free(struct supervisor *supervisor);

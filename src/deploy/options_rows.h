/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Inside deploy/: the tables of options.c, for the parser and for what documents them. */
#include <stddef.h>

#include "deploy/options.h"

enum options_commands {
	OPTIONS_PREFLIGHT = 1,
	OPTIONS_DEPLOY = 2,
	OPTIONS_STATUS = 4,
	OPTIONS_UPGRADE = 8,
	OPTIONS_REMOVE = 16,
};

struct options_command {
	const char *name;
	enum options_commands bit;
	const char *positions; /* "NAME UPDATE" */
	const char *help;
	const char *detail; /* may be NULL */
};

enum options_kind { OPTIONS_TEXT, OPTIONS_NUMBER, OPTIONS_FLAG };

struct options_row {
	const char *name, *metavar;
	unsigned int commands;
	enum options_kind kind;
	size_t offset; /* in struct options */
	unsigned int low, high;
	const char *help;
};

extern const struct options_command options_commands[];
extern const size_t options_n_commands;
extern const struct options_row options_rows[];
extern const size_t options_n_rows;

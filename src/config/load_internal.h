/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Between load.c (keys and objects) and load_value.c (their values). */
#include <stdbool.h>
#include <stddef.h>

#include "config/load.h"
#include "config/problems.h"
#include "config/schema.h"

#define LOAD_KEYS_MAX 64 /* of one section; a unit test holds the schema to it */

struct load {
	struct config *config;
	struct config_problems *problems;
	char path[160]; /* of the value at hand: "ssl_servers[2].detection_ports" */
	unsigned int next_id[SCHEMA_SECTION_N];
	bool quiet; /* what is inherited was told where it stands */
};

/* appends to the path; what it returns is given to load_leave() */
size_t load_enter(struct load *load, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void load_leave(struct load *load, size_t len);

void load_problem(struct load *load, enum config_severity severity, const struct tree_node *at, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
#define load_error(load, at, ...) load_problem(load, CONFIG_ERROR, at, __VA_ARGS__)

const char *load_kind_name(const struct tree_node *node);
/* true when the node is there, is of that kind, and has not been reported already */
bool load_is(struct load *load, const struct schema_row *row, const struct tree_node *node, enum tree_kind kind);
bool load_list_size(struct load *load, const struct schema_row *row, const struct tree_node *node);
/* every object's first member is its name */
const char *load_object_name(const void *object);

/* any row but those of objects and sections: into the object's field */
void load_value(struct load *load, const struct schema_row *row, const struct tree_node *node, void *object);

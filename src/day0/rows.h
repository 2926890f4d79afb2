/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Inside day0/: the one definition of the day-0 settings. */
#include <stdbool.h>

#define DAY0_ITEMS_MAX 64

enum day0_section {
	DAY0_ROOT,
	DAY0_MANAGEMENT,
	DAY0_SNMP_USER,
	DAY0_SNMP_TRAP,
	DAY0_LOG_HOST,
	DAY0_LOG_TARGET,
	DAY0_LOG_CREDENTIALS,
	DAY0_PORTS,
	DAY0_CERTIFICATE,
	DAY0_RULE_FILE,
	DAY0_SECTION_N
};

enum day0_kind {
	DAY0_SCALAR,
	DAY0_LIST,    /* of scalars */
	DAY0_MAPPING, /* of section_of_items */
	DAY0_OBJECTS, /* a list of mappings of section_of_items */
};

struct day0_row {
	enum day0_section section;
	const char *key; /* "": any key that good_key accepts */
	enum day0_kind kind;
	enum day0_section section_of_items;
	bool required, secret;
	bool block; /* a block of lines is accepted as well */
	bool (*good)(const char *text);
	bool (*good_key)(const char *text);
	const char *allowed; /* the mend in a message */
	const char *example;
	const char *help;
};

extern const struct day0_row day0_rows[]; /* ends with a NULL key */
extern const char *const day0_section_headings[DAY0_SECTION_N];

bool day0_is_port_name(const char *text);
bool day0_is_mac(const char *text);

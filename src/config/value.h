/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Inside config/: one scalar of the document as a value. A parser returns NULL with *out filled, or what is wrong
 * with the text, to be followed by value_allowed(): `"99999" is not a port` `allowed are 1 to 65535 or ...`. */
#include <stdbool.h>
#include <stddef.h>

#include "config/schema.h"

#define VALUE_QUOTE_MAX 64
#define VALUE_TEXT_MAX 320

struct value_type {
	const char *name;    /* in the documentation */
	size_t item_size;    /* of a list's item; 0: a single value */
	const char *allowed; /* NULL: follows from the row */
	const char *(*parse)(const struct schema_row *row, const char *text, void *out);
	bool (*covers)(const void *wide, const void *narrow); /* list items: the second adds nothing to the first */
};

/* types SCHEMA_TYPE_REFERENCE, _WORDS, _PROTOCOLS, _KEYS and _OBJECTS have no parser here */
extern const struct value_type value_types[SCHEMA_TYPE_N];

/* what a row accepts: "allowed are 1 to 300 seconds" */
void value_allowed(const struct schema_row *row, char out[VALUE_TEXT_MAX]);
/* text in double quotes, cut at a character boundary */
void value_quote(const char *text, char out[VALUE_QUOTE_MAX]);
/* -1 when the word is unknown */
int value_word(const struct schema_word *words, const char *text);

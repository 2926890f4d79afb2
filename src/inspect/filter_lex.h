/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The outer form of a filter's text: "action protocol source ports direction destination ports (options)". Pure
 * functions over hostile text. */
#include <stdbool.h>
#include <stddef.h>

#include "base/common.h"

#define FILTER_TEXT_MAX 32768 /* one filter, continued lines joined */
#define FILTER_VALUE_MAX 8192 /* one option's value */
#define FILTER_WORD_MAX 2048  /* one item of the head */

enum filter_word {
	WORD_ACTION,
	WORD_PROTOCOL,
	WORD_SOURCE,
	WORD_SOURCE_PORT,
	WORD_DIRECTION,
	WORD_DESTINATION,
	WORD_DESTINATION_PORT,
	WORD_N
};

/* takes the next item of the head, a bracketed list with its spaces being one; false at the end or if too long */
bool filter_lex_word(struct span *text, char *word, size_t size);
/* moves past "(" */
bool filter_lex_open(struct span *text);

struct filter_option {
	char name[48];
	bool has_value;
	char value[FILTER_VALUE_MAX]; /* trimmed, NUL-terminated; escapes still in place */
};
enum filter_lex_result { LEX_OPTION, LEX_END, LEX_MALFORMED };
/* the next "name;" or "name:value;", or ")" with nothing but spaces after it */
enum filter_lex_result filter_lex_option(struct span *text, struct filter_option *out);

/* Takes the quotes off: value is !"..." or "..."; *negated tells of the "!". false unless quoted. */
bool filter_lex_quoted(const char *value, bool *negated, struct span *out);
/* content text to bytes: |41 42| and the escapes \; \" \\ \: ; -1 when malformed or longer than size */
ssize_t filter_lex_content(struct span text, uint8_t *out, size_t size);
/* splits at the next comma, trims; false when nothing is left. Changes the text. */
bool filter_lex_item(char **text, char **item);

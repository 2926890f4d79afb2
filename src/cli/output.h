/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Inside cli/: everything that is printed passes here. Text may come from the wire (SNI, URI): whatever a terminal
 * could take for a command, or that turns the direction of writing, is shown as '?'. */
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

#include "cli/cli.h"

void output_text(FILE *out, const char *text);
/* the one writer of JSON: indented on a terminal, one line otherwise */
void output_json(const struct cli *cli, const json_t *value);

enum output_format {
	OUTPUT_TEXT,       /* strings and numbers as they are, lists joined by ", ", booleans as yes and no */
	OUTPUT_NUMBER,     /* to the right */
	OUTPUT_BYTES,      /* "1.2 MiB", to the right */
	OUTPUT_HUNDREDTHS, /* 50 as "0.50", to the right */
	OUTPUT_TIME,       /* RFC 3339 text, or seconds or microseconds since 1970, as local time */
	OUTPUT_AGE,        /* how long ago that was, to the right */
	OUTPUT_ENDPOINT,   /* key and key_port: "10.0.0.1:443" */
	OUTPUT_TLS,        /* a protocol version, as text or as its number */
};

struct output_column {
	const char *title, *key;
	enum output_format format;
};

/* an aligned table with one line per object of rows; a column without any value is left
 * out; the empty text when there is no row */
void output_table(FILE *out, const json_t *rows, const struct output_column *columns, size_t n, const char *empty);
/* the cells that there are, without alignment: for rows that come one by one */
void output_line(FILE *out, const json_t *row, const struct output_column *columns, size_t n);
/* one cell of an object, NUL-terminated, cut to size */
void output_cell(const json_t *row, const struct output_column *column, char *text, size_t size);

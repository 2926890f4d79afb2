/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/output.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/common.h"

#define OUTPUT_CELL_MAX 512
#define OUTPUT_COLUMNS_MAX 16
#define OUTPUT_SECONDS_MAX 100000000000ll /* the year 5138; a larger number is one of microseconds */

/* bytes of the character at text (1 to 4) in valid UTF-8; NUL-terminated, so it never runs over the end */
static size_t output_char_len(const char *text)
{
	unsigned char c = text[0];
	size_t len = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

	for (size_t i = 1; i < len; i++)
		if (((unsigned char)text[i] & 0xc0) != 0x80)
			return i;
	return len;
}

static bool output_is_safe(const char *text, size_t len)
{
	const unsigned char *c = (const unsigned char *)text;

	if (len == 1)
		return c[0] >= 0x20 && c[0] < 0x7f;
	if (len == 2)
		return c[0] != 0xc2 || c[1] >= 0xa0; /* C1 controls */
	if (len == 3 && c[0] == 0xe2) /* U+200B-200F, U+2028-202E, U+2060-206F: invisible, or turn the direction */
		return !((c[1] == 0x80 && ((c[2] >= 0x8b && c[2] <= 0x8f) || (c[2] >= 0xa8 && c[2] <= 0xae))) ||
			 (c[1] == 0x81 && c[2] >= 0xa0 && c[2] <= 0xaf));
	return true;
}

void output_text(FILE *out, const char *text)
{
	for (size_t len; *text; text += len) {
		len = output_char_len(text);
		if (output_is_safe(text, len))
			fwrite(text, 1, len, out);
		else
			fputc('?', out);
	}
}

static size_t output_width(const char *text)
{
	size_t n = 0;

	for (; *text; text += output_char_len(text))
		n++;
	return n;
}

void output_json(const struct cli *cli, const json_t *value)
{
	json_dumpf(value, cli->out, cli->out_terminal ? JSON_INDENT(2) | JSON_ENSURE_ASCII : JSON_COMPACT);
	fputc('\n', cli->out);
}

static void cell_bytes(uint64_t bytes, char *text, size_t size)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	double v = bytes;
	size_t i = 0;

	for (; v >= 1024 && i + 1 < ARRAY_SIZE(units); i++)
		v /= 1024;
	snprintf(text, size, i ? "%.1f %s" : "%.0f %s", v, units[i]);
}

/* "2026-11-23T12:00:00.123456+0000", or seconds or microseconds since 1970; false when it is neither */
static bool cell_parse_time(const json_t *value, time_t *out)
{
	struct tm tm = {0};

	if (json_is_integer(value)) {
		json_int_t v = json_integer_value(value);

		*out = v > OUTPUT_SECONDS_MAX ? v / 1000000 : v;
		return true;
	}
	if (!json_is_string(value) || !strptime(json_string_value(value), "%Y-%m-%dT%H:%M:%S", &tm))
		return false;
	*out = timegm(&tm);
	return true;
}

static void cell_time(time_t when, char *text, size_t size)
{
	struct tm tm;

	if (!localtime_r(&when, &tm) || !strftime(text, size, "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(text, size, "?");
}

static void cell_age(time_t when, char *text, size_t size)
{
	int64_t s = MAX((int64_t)(clock_wall_us() / 1000000) - (int64_t)when, 0);

	if (s < 60)
		snprintf(text, size, "%d s", (int)s);
	else if (s < 3600)
		snprintf(text, size, "%d min %d s", (int)(s / 60), (int)(s % 60));
	else if (s < 86400)
		snprintf(text, size, "%d h %d min", (int)(s / 3600), (int)(s / 60 % 60));
	else
		snprintf(text, size, "%lld d %d h", (long long)(s / 86400), (int)(s / 3600 % 24));
}

static void cell_tls(json_int_t version, char *text, size_t size)
{
	if (version >= 0x0301 && version <= 0x0304)
		snprintf(text, size, "TLS 1.%d", (int)(version - 0x0301));
	else if (version)
		snprintf(text, size, "0x%04x", (unsigned int)version);
}

static void cell_list(const json_t *list, char *text, size_t size);

static void cell_plain(const json_t *value, char *text, size_t size)
{
	if (json_is_string(value))
		snprintf(text, size, "%s", json_string_value(value));
	else if (json_is_integer(value))
		snprintf(text, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_real(value))
		snprintf(text, size, "%g", json_real_value(value));
	else if (json_is_boolean(value))
		snprintf(text, size, "%s", json_is_true(value) ? "yes" : "no");
	else if (json_is_array(value))
		cell_list(value, text, size);
}

static void cell_list(const json_t *list, char *text, size_t size)
{
	char item[OUTPUT_CELL_MAX];
	size_t i, used = 0;
	json_t *value;

	json_array_foreach(list, i, value)
	{
		item[0] = '\0';
		if (!json_is_array(value))
			cell_plain(value, item, sizeof(item));
		used += snprintf(text + used, size - used, "%s%s", i ? ", " : "", item);
		if (used >= size)
			return;
	}
}

static void cell_endpoint(const json_t *row, const struct output_column *column, char *text, size_t size)
{
	char key[64];
	const json_t *port;

	cell_plain(json_object_get(row, column->key), text, size);
	/* session rows say client and client_port, log records src_ip and src_port */
	snprintf(key, sizeof(key), "%.*s_port", (int)(strstr(column->key, "_ip") ? strcspn(column->key, "_") : 50),
		column->key);
	port = json_object_get(row, key);
	if (json_is_integer(port))
		snprintf(text + strlen(text), size - strlen(text), ":%d", (int)json_integer_value(port));
}

void output_cell(const json_t *row, const struct output_column *column, char *text, size_t size)
{
	const json_t *value = json_object_get(row, column->key);
	time_t when;

	text[0] = '\0';
	if (column->format == OUTPUT_ENDPOINT)
		cell_endpoint(row, column, text, size);
	else if (column->format == OUTPUT_BYTES && json_is_integer(value))
		cell_bytes(json_integer_value(value), text, size);
	else if (column->format == OUTPUT_HUNDREDTHS && json_is_integer(value))
		snprintf(text, size, "%" JSON_INTEGER_FORMAT ".%02d", json_integer_value(value) / 100,
			(int)(json_integer_value(value) % 100));
	else if (column->format == OUTPUT_TIME && cell_parse_time(value, &when))
		cell_time(when, text, size);
	else if (column->format == OUTPUT_AGE && cell_parse_time(value, &when))
		cell_age(when, text, size);
	else if (column->format == OUTPUT_TLS && json_is_integer(value))
		cell_tls(json_integer_value(value), text, size);
	else
		cell_plain(value, text, size);
}

static void table_put_cell(FILE *out, const struct output_column *column, const char *text, size_t width, bool last)
{
	bool right = column->format == OUTPUT_NUMBER || column->format == OUTPUT_BYTES ||
		     column->format == OUTPUT_HUNDREDTHS || column->format == OUTPUT_AGE;
	int pad = (int)(width - output_width(text));

	if (right)
		fprintf(out, "%*s", pad, "");
	output_text(out, text);
	if (!last)
		fprintf(out, "%*s  ", right ? 0 : pad, "");
}

/* 0: no row has a value for the column, it is left out */
static size_t table_width(const json_t *rows, const struct output_column *column)
{
	char text[OUTPUT_CELL_MAX];
	size_t r, width = 0;
	const json_t *row;

	json_array_foreach(rows, r, row)
	{
		output_cell(row, column, text, sizeof(text));
		width = MAX(width, output_width(text));
	}
	return width ? MAX(width, output_width(column->title)) : 0;
}

void output_table(FILE *out, const json_t *rows, const struct output_column *columns, size_t n, const char *empty)
{
	size_t widths[OUTPUT_COLUMNS_MAX], r, last = 0;
	char text[OUTPUT_CELL_MAX];
	const json_t *row;

	if (!json_array_size(rows)) {
		fprintf(out, "%s\n", empty);
		return;
	}
	for (size_t c = 0; c < n; c++) {
		widths[c] = table_width(rows, &columns[c]);
		last = widths[c] ? c : last;
	}
	for (size_t c = 0; c < n; c++)
		if (widths[c])
			table_put_cell(out, &columns[c], columns[c].title, widths[c], c == last);
	fputc('\n', out);
	json_array_foreach(rows, r, row)
	{
		for (size_t c = 0; c < n; c++) {
			if (!widths[c])
				continue;
			output_cell(row, &columns[c], text, sizeof(text));
			table_put_cell(out, &columns[c], *text ? text : "-", widths[c], c == last);
		}
		fputc('\n', out);
	}
}

void output_line(FILE *out, const json_t *row, const struct output_column *columns, size_t n)
{
	char text[OUTPUT_CELL_MAX];

	for (size_t c = 0; c < n; c++) {
		output_cell(row, &columns[c], text, sizeof(text));
		if (c)
			fputs("  ", out);
		output_text(out, *text ? text : "-");
	}
	fputc('\n', out);
}

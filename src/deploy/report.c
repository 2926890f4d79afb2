/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/report.h"

#include <stdarg.h>
#include <string.h>

/* how many bytes of a character that a terminal obeys are here; 0: none. C0 but newline and tab, DEL; in UTF-8 C1 and
 * the controls of direction (U+202A to U+202E, U+2066 to U+2069) */
static size_t unsafe_len(const unsigned char *c)
{
	if ((c[0] < 0x20 && c[0] != '\n' && c[0] != '\t') || c[0] == 0x7f)
		return 1;
	if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
		return 2;
	if (c[0] == 0xe2 &&
		((c[1] == 0x80 && c[2] >= 0xaa && c[2] <= 0xae) || (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9)))
		return 3;
	return 0;
}

void report_clean(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++) {
		size_t len = unsafe_len(c);

		if (len)
			memset(c, '?', len);
	}
}

static void write_text(FILE *out, const char *before, const char *fmt, va_list args, const char *after)
{
	char text[1024];

	vsnprintf(text, sizeof(text), fmt, args);
	report_clean(text);
	fprintf(out, "%s%s%s", before, text, after);
}

void report_print(struct report *report, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	write_text(report->out, "", fmt, args, "\n");
	va_end(args);
}

void report_begin(struct report *report, bool json)
{
	memset(report, 0, sizeof(*report));
	report->out = stdout;
	report->err = stderr;
	report->json = json;
	report->result = json_object();
	report->left = json_array();
}

static void report_end_json(struct report *report)
{
	if (*report->what)
		json_object_set_new(
			report->result, "error", json_pack("{s:s, s:s}", "what", report->what, "mend", report->mend));
	if (json_array_size(report->left))
		json_object_set(report->result, "left_to_do", report->left);
	json_dumpf(report->result, report->out, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_ENSURE_ASCII);
	fputc('\n', report->out);
}

void report_end(struct report *report)
{
	size_t i;
	json_t *text;

	if (report->json)
		report_end_json(report);
	json_array_foreach(report->left, i, text) if (!report->json)
		fprintf(report->out, "left to do: %s\n", json_string_value(text));
	fflush(report->out);
	json_decref(report->result);
	json_decref(report->left);
	report->result = report->left = NULL;
}

void report_step(struct report *report, const char *fmt, ...)
{
	va_list args;

	report->percent = 0;
	if (report->quiet)
		return;
	va_start(args, fmt);
	write_text(report->err, "", fmt, args, "\n");
	va_end(args);
}

void report_progress(struct report *report, uint64_t done, uint64_t total)
{
	int percent = total ? (int)(done * 10 / total) * 10 : 100;

	if (report->quiet || percent <= report->percent)
		return;
	report->percent = percent;
	fprintf(report->err, "  %3d %%\n", percent);
}

void report_warn(struct report *report, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	write_text(report->err, "sluice-deploy: warning: ", fmt, args, "\n");
	va_end(args);
}

void report_left(struct report *report, const char *fmt, ...)
{
	char text[768];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	report_clean(text);
	json_array_append_new(report->left, json_string(text));
}

int report_fail(struct report *report, int err, const char *mend, const char *fmt, ...)
{
	va_list args;

	if (*report->what)
		return err;
	va_start(args, fmt);
	vsnprintf(report->what, sizeof(report->what), fmt, args);
	va_end(args);
	report_clean(report->what);
	snprintf(report->mend, sizeof(report->mend), "%s", mend);
	fprintf(report->err, "sluice-deploy: error: %s\n  mend: %s\n", report->what, report->mend);
	return err;
}

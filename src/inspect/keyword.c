/* SPDX-License-Identifier: Apache-2.0 */
/* The keyword table: a new keyword is one row. Names of buffers are in buffers.def, of transforms in transform.c. */
#include "inspect/keyword_meta.h"
#include "inspect/parser.h"

#include <stdio.h>
#include <string.h>

static const struct keyword keywords[] = {
	{"content", keyword_content, VALUE_REQUIRED,
		"bytes, with `\\|41 42\\|` and `\\;` `\\\"` `\\\\` `\\:` escapes; `!` negates"},
	{"uricontent", keyword_uricontent, VALUE_REQUIRED, "old spelling of `http.uri; content`"},
	{"nocase", keyword_nocase, VALUE_NONE, "of the content before it"},
	{"depth", keyword_depth, VALUE_REQUIRED, "of the content before it; number or variable"},
	{"offset", keyword_offset, VALUE_REQUIRED, "of the content before it; number or variable"},
	{"distance", keyword_distance, VALUE_REQUIRED, "from the end of the match before; number or variable"},
	{"within", keyword_within, VALUE_REQUIRED, "of the end of the match before; number or variable"},
	{"startswith", keyword_startswith, VALUE_NONE, "at the beginning of the buffer"},
	{"endswith", keyword_endswith, VALUE_NONE, "at the end of the buffer: judged when it is known"},
	{"rawbytes", keyword_rawbytes, VALUE_NONE, "accepted, changes nothing, as in Suricata"},
	{"fast_pattern", keyword_fast_pattern, VALUE_OPTIONAL, "a hint, `only` and `offset,length` included"},
	{"pcre", keyword_pcre, VALUE_REQUIRED, "PCRE2 with limits; flags `i s m x A E G R O B` and those of buffers"},
	{"isdataat", keyword_isdataat, VALUE_REQUIRED, "`!`, `relative`, variables"},
	{"bsize", keyword_bsize, VALUE_REQUIRED, "size of a buffer, not of the raw stream"},
	{"dsize", keyword_dsize, VALUE_REQUIRED,
		"bytes that one side sends before the other speaks, or of an HTTP message: judged at their end"},
	{"flags", keyword_flags, VALUE_REQUIRED,
		"`S`, `SA`: the session begins, alone or with addresses and ports; `A`, `P`: change nothing; others "
		"are refused"},
	{"tls.version", keyword_tls_version, VALUE_REQUIRED, "of the client's handshake: `1.0` to `1.3`"},
	{"urilen", keyword_urilen, VALUE_REQUIRED, "`raw` or `norm` (default)"},
	{"byte_test", keyword_byte_test, VALUE_REQUIRED,
		"binary to 8 bytes, or `string` with `hex`, `dec`, `oct`; `bitmask`"},
	{"byte_jump", keyword_byte_jump, VALUE_REQUIRED,
		"with `align`, `multiplier`, `post_offset`, `bitmask`, `from_beginning`, `from_end`"},
	{"byte_extract", keyword_byte_extract, VALUE_REQUIRED, "with `align`, `multiplier`; 8 variables in a filter"},
	{"byte_math", keyword_byte_math, VALUE_REQUIRED, "`+ - * / << >>` with a number or a variable; `bitmask`"},
	{"base64_decode", keyword_base64_decode, VALUE_OPTIONAL,
		"`bytes`, `offset`, `relative`; stops at the first foreign byte"},
	{"flow", keyword_flow, VALUE_REQUIRED,
		"direction; `established`, `stateless`, `only_stream`, `no_frag` change nothing"},
	{"flowbits", keyword_flowbits, VALUE_REQUIRED, "of one session; `a\\|b` in `isset`"},
	{"xbits", keyword_xbits, VALUE_REQUIRED,
		"of hosts: `track ip_src`, `ip_dst`, `ip_pair`; `expire` (default 30 seconds)"},
	{"threshold", keyword_threshold, VALUE_REQUIRED,
		"`type limit`, `threshold`, `both`; `track by_src`, `by_dst`, `by_both`, `by_rule`"},
	{"detection_filter", keyword_detection_filter, VALUE_REQUIRED, "`track`, `count`, `seconds`"},
	{"noalert", keyword_noalert, VALUE_NONE, "no record; the action stays"},
	{"msg", keyword_msg, VALUE_REQUIRED, "name of the filter in records"},
	{"sid", keyword_sid, VALUE_REQUIRED, "number of the filter, unique with `gid`"},
	{"rev", keyword_rev, VALUE_REQUIRED, "revision"},
	{"gid", keyword_gid, VALUE_REQUIRED, "generator (default 1)"},
	{"classtype", keyword_classtype, VALUE_REQUIRED, "category, and the severity from the table below"},
	{"priority", keyword_priority, VALUE_REQUIRED, "severity, over that of the classtype"},
	{"metadata", keyword_metadata, VALUE_OPTIONAL,
		"`signature_severity` is the severity where neither `priority` nor a known classtype gives one: "
		"Critical and "
		"Major 1, Minor 2, Informational 3; the rest is ignored"},
	/* say something to the reader of a filter, nothing to the engine */
	{"reference", NULL, VALUE_IGNORED, "ignored"},
	{"target", NULL, VALUE_IGNORED, "ignored"},
	{"tag", NULL, VALUE_IGNORED, "ignored: it asks for more to be logged after a match"},
};

const struct keyword *keyword_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(keywords); i++)
		if (!strcmp(name, keywords[i].name))
			return &keywords[i];
	return NULL;
}

static void write_keywords(FILE *out)
{
	fputs("| keyword | |\n|---|---|\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(keywords); i++)
		fprintf(out, "| `%s` | %s |\n", keywords[i].name, keywords[i].help);
}

static void write_buffers(FILE *out)
{
	static const char *const directions[] = {
		[DIR_SERVER] = "request", [DIR_CLIENT] = "response", [DIR_BOTH] = "both"};

	fputs("| buffer | old spelling | pcre flag | direction |\n|---|---|---|---|\n", out);
	for (unsigned int i = 0; i < BUFFER_N; i++) {
		const struct buffer_info *info = &buffer_info[i];
		bool old = strcmp(info->name, info->old_name) != 0;

		fprintf(out, "| `%s` | %s%s | %.1s | %s |\n", info->name, old ? info->old_name : "",
			old && info->old_kind == BUFFER_OLD_MODIFIER ? " after a content" : "", &info->pcre_flag,
			directions[info->dirs]);
	}
}

static void write_transforms(FILE *out)
{
	for (unsigned int i = TRANSFORM_NONE + 1; i < TRANSFORM_N; i++)
		fprintf(out, "%s`%s`", i > TRANSFORM_NONE + 1 ? ", " : "", transform_names[i]);
}

void keyword_write_document(FILE *out)
{
	fputs("<!-- written by sluice-filters-doc from the sources: do not edit -->\n# Keywords of signature "
	      "filters\n\n"
	      "What `docs/filters.md` explains, as tables. A filter with any other keyword is refused and "
	      "reported.\n\n",
		out);
	write_keywords(out);
	fputs("\n## Buffers\n\n", out);
	write_buffers(out);
	fputs("\n## Transforms\n\nOf the buffers that come with the head of a message: ", out);
	write_transforms(out);
	fputs(".\n\n## Classes and their severity\n\n1 is high, 4 low; a class that is not listed has 3.\n\n"
	      "| classtype | severity |\n|---|---|\n",
		out);
	for (size_t i = 0; i < classifications_n; i++)
		fprintf(out, "| `%s` | %u |\n", classifications[i].name, classifications[i].priority);
}

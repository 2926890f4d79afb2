/* SPDX-License-Identifier: Apache-2.0 */
/* The keyword table: a new keyword is one row. Names of buffers are in buffers.def. */
#include "inspect/keyword_meta.h"
#include "inspect/parser.h"

#include <string.h>

static const struct keyword keywords[] = {
	{"content", keyword_content, VALUE_REQUIRED}, {"uricontent", keyword_uricontent, VALUE_REQUIRED},
	{"nocase", keyword_nocase, VALUE_NONE}, {"depth", keyword_depth, VALUE_REQUIRED},
	{"offset", keyword_offset, VALUE_REQUIRED}, {"distance", keyword_distance, VALUE_REQUIRED},
	{"within", keyword_within, VALUE_REQUIRED}, {"startswith", keyword_startswith, VALUE_NONE},
	{"endswith", keyword_endswith, VALUE_NONE}, {"rawbytes", keyword_rawbytes, VALUE_NONE},
	{"fast_pattern", keyword_fast_pattern, VALUE_OPTIONAL}, {"pcre", keyword_pcre, VALUE_REQUIRED},
	{"isdataat", keyword_isdataat, VALUE_REQUIRED}, {"bsize", keyword_bsize, VALUE_REQUIRED},
	{"urilen", keyword_urilen, VALUE_REQUIRED}, {"byte_test", keyword_byte_test, VALUE_REQUIRED},
	{"byte_jump", keyword_byte_jump, VALUE_REQUIRED}, {"byte_extract", keyword_byte_extract, VALUE_REQUIRED},
	{"base64_decode", keyword_base64_decode, VALUE_OPTIONAL}, {"flow", keyword_flow, VALUE_REQUIRED},
	{"flowbits", keyword_flowbits, VALUE_REQUIRED}, {"xbits", keyword_xbits, VALUE_REQUIRED},
	{"threshold", keyword_threshold, VALUE_REQUIRED},
	{"detection_filter", keyword_detection_filter, VALUE_REQUIRED}, {"noalert", keyword_noalert, VALUE_NONE},
	{"msg", keyword_msg, VALUE_REQUIRED}, {"sid", keyword_sid, VALUE_REQUIRED},
	{"rev", keyword_rev, VALUE_REQUIRED}, {"gid", keyword_gid, VALUE_REQUIRED},
	{"classtype", keyword_classtype, VALUE_REQUIRED}, {"priority", keyword_priority, VALUE_REQUIRED},
	/* say something to the reader of a filter, nothing to the engine */
	{"reference", NULL, VALUE_IGNORED}, {"metadata", NULL, VALUE_IGNORED}, {"target", NULL, VALUE_IGNORED},
	{"tag", NULL, VALUE_IGNORED}, /* asks for more to be logged after a match; changes no verdict */
};

const struct keyword *keyword_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(keywords); i++)
		if (!strcmp(name, keywords[i].name))
			return &keywords[i];
	return NULL;
}

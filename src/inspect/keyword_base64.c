/* SPDX-License-Identifier: Apache-2.0 */
/* base64_decode: what its bytes decode to becomes the buffer base64_data. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "inspect/parser.h"

static int base64_item(struct parser *p, struct condition *condition, const char *item)
{
	uint64_t n = 0;
	int r = 0;

	if (!strcmp(item, "relative"))
		condition->relative = true;
	else if (!strncmp(item, "bytes ", 6))
		r = parser_unsigned(p, item + 6, BASE64_BYTES_MAX, &n);
	else if (!strncmp(item, "offset ", 7))
		r = parser_unsigned(p, item + 7, BASE64_BYTES_MAX, &n);
	else
		return parser_fail(p, "base64_decode: unknown option %.30s", item);
	if (item[0] == 'b')
		condition->base64.bytes = (uint32_t)n;
	else if (item[0] == 'o')
		condition->base64.offset = (uint32_t)n;
	return r;
}

int keyword_base64_decode(struct parser *p, char *value)
{
	struct condition *condition = parser_add(p, CONDITION_BASE64);
	char *item, *rest = *value ? value : NULL;
	int r = 0;

	if (!condition)
		return -EINVAL;
	if (condition->buffer == BUFFER_BASE64)
		return parser_fail(p, "base64_decode of base64_data");
	condition->base64.bytes = BASE64_BYTES_MAX;
	while (r == 0 && filter_lex_item(&rest, &item))
		r = base64_item(p, condition, item);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/buffer.h"

#include <string.h>

const struct buffer_info buffer_info[BUFFER_N] = {
#define BUFFER(id, name, old, old_kind, pcre, dirs, kind) \
	{name, old, BUFFER_OLD_##old_kind, pcre, dirs, BUFFER_KIND_##kind},
#include "inspect/buffers.def"
#undef BUFFER
};

uint64_t buffers_of_kind(enum buffer_kind kind)
{
	uint64_t bits = 0;

	for (unsigned int i = 0; i < BUFFER_N; i++)
		bits |= (uint64_t)(buffer_info[i].kind == kind) << i;
	return bits;
}

enum buffer_id buffer_find_sticky(const char *keyword)
{
	for (unsigned int i = 0; i < BUFFER_N; i++)
		if (!strcmp(keyword, buffer_info[i].name) ||
			(buffer_info[i].old_kind == BUFFER_OLD_STICKY && !strcmp(keyword, buffer_info[i].old_name)))
			return i;
	return BUFFER_N;
}

enum buffer_id buffer_find_modifier(const char *keyword)
{
	for (unsigned int i = 0; i < BUFFER_N; i++)
		if (buffer_info[i].old_kind == BUFFER_OLD_MODIFIER && !strcmp(keyword, buffer_info[i].old_name))
			return i;
	return BUFFER_N;
}

enum buffer_id buffer_find_pcre_flag(char flag)
{
	for (unsigned int i = 0; i < BUFFER_N; i++)
		if (flag && buffer_info[i].pcre_flag == flag)
			return i;
	return BUFFER_N;
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The table of inspection buffers (buffers.def). */
#include <stdbool.h>
#include <stdint.h>

#include "inspect/inspect.h"

enum dir_mask {
	DIR_SERVER = 1 << INSPECT_TO_SERVER,
	DIR_CLIENT = 1 << INSPECT_TO_CLIENT,
	DIR_BOTH = DIR_SERVER | DIR_CLIENT,
};

enum buffer_id {
#define BUFFER(id, name, old, old_kind, pcre, dirs, kind) BUFFER_##id,
#include "inspect/buffers.def"
#undef BUFFER
	BUFFER_N
};

enum buffer_old_kind { BUFFER_OLD_MODIFIER, BUFFER_OLD_STICKY };
enum buffer_kind { BUFFER_KIND_SESSION, BUFFER_KIND_HEAD, BUFFER_KIND_STREAM };

struct buffer_info {
	const char *name, *old_name;
	enum buffer_old_kind old_kind;
	char pcre_flag; /* 0: none */
	uint8_t dirs;
	enum buffer_kind kind;
};
extern const struct buffer_info buffer_info[BUFFER_N];

/* the buffer of a sticky keyword, or BUFFER_N */
enum buffer_id buffer_find_sticky(const char *keyword);
/* the buffer of an old modifier keyword, or BUFFER_N */
enum buffer_id buffer_find_modifier(const char *keyword);
enum buffer_id buffer_find_pcre_flag(char flag);

/* bits of all buffers of a kind */
uint64_t buffers_of_kind(enum buffer_kind kind);

static inline enum buffer_id body_buffer(enum inspect_dir dir)
{
	return dir == INSPECT_TO_SERVER ? BUFFER_REQUEST_BODY : BUFFER_RESPONSE_BODY;
}

static inline bool buffer_is_stream(enum buffer_id id)
{
	return buffer_info[id].kind == BUFFER_KIND_STREAM;
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What is decoded out of raw payload on its way into the body's window: parts of mail messages, messages of WebSockets.
 * A match in it still ends at the byte of the stream that completed it. */
#include "inspect/stream.h"

struct parts { /* in the bytes of a call */
	struct walk walk;
	size_t n; /* decoded bytes in the scratch that are yet to be searched */
};

/* what the byte at that place decodes to, at least one byte; judges where no more could be told apart */
void parts_add(struct parts *parts, const uint8_t *at, struct span bytes);
/* the decoded bytes so far are searched, and stand in the window */
void parts_search(struct parts *parts);
/* the same, and the stream's bytes up to there are taken and judged */
void parts_judge(struct parts *parts, const uint8_t *end, const struct judgement *judgement);

/* SPDX-License-Identifier: Apache-2.0 */
/* A candidate stays one while its window lasts, and a peer may send a byte at a time: so that this does not cost an
 * evaluation of every candidate per byte, a candidate is left alone until bytes come that can change its verdict. */
#include <string.h>

#include "inspect/stream.h"

#define WAIT_TAIL_MAX 2048 /* of more new bytes than this the search costs as much as the evaluation */

static bool is_content(const struct condition *condition)
{
	return condition->type == CONDITION_CONTENT && !condition->negated && buffer_is_stream(condition->buffer);
}

static bool occurs(const struct condition *condition, const struct view *view, size_t from)
{
	return bytes_find(view->bytes.data, from, view->bytes.len, condition->content.bytes, condition->content.len,
		       condition->content.nocase) >= 0;
}

/* a content that is nowhere in the window, or -1 */
static int missing_content(const struct filter *filter, const struct views *views)
{
	for (size_t i = 0; i < filter->n_conditions; i++)
		if (is_content(&filter->conditions[i]) &&
			!occurs(&filter->conditions[i], &views->view[filter->conditions[i].buffer], 0))
			return (int)i;
	return -1;
}

/* Can nothing but a new occurrence of one of its contents make the filter match? */
static bool needs_content(const struct filter *filter)
{
	for (size_t i = 0; i < filter->n_conditions; i++) {
		const struct condition *condition = &filter->conditions[i];

		if (buffer_is_stream(condition->buffer) && (!is_content(condition) || condition->content.ends))
			return false;
	}
	return true;
}

void waits_note(struct inspect_scratch *scratch, const struct filter *filter, uint32_t index, const struct views *views)
{
	int missing = missing_content(filter, views);

	if (scratch->n_waits == SCRATCH_WAITS || (missing < 0 && !needs_content(filter)))
		return;
	scratch->waits[scratch->n_waits++] = (struct wait){index, missing < 0 ? WAIT_ANY : (int16_t)missing};
}

/* bytes of the buffer that the last judgement saw */
static uint64_t seen_of(const struct half *half, enum buffer_id buffer)
{
	uint64_t skip = stream_turn_skip(half);

	uint64_t raw = half->websocket ? half->judged_body : half->judged_raw;

	if (buffer == BUFFER_TURN)
		return raw > skip ? raw - skip : 0;
	return buffer == BUFFER_RAW ? raw : half->judged_body;
}

/* does the content end in bytes that the last judgement did not see? */
static bool occurs_anew(const struct condition *condition, const struct half *half, const struct views *views)
{
	const struct view *view = &views->view[condition->buffer];
	uint64_t seen = seen_of(half, condition->buffer);
	uint64_t from = seen > view->base ? seen - view->base : 0;

	from = from >= condition->content.len ? from - (condition->content.len - 1) : 0;
	return occurs(condition, view, MIN(from, view->bytes.len));
}

bool wait_is_over(
	const struct wait *wait, const struct filter *filter, const struct half *half, const struct views *views)
{
	if (wait->condition != WAIT_ANY)
		return occurs_anew(&filter->conditions[wait->condition], half, views);
	if (half->offset - half->judged > WAIT_TAIL_MAX)
		return true;
	for (size_t i = 0; i < filter->n_conditions; i++)
		if (is_content(&filter->conditions[i]) && occurs_anew(&filter->conditions[i], half, views))
			return true;
	return false;
}

void waits_keep(struct inspect_scratch *scratch, struct half *half)
{
	free(half->waits);
	half->waits = scratch->n_waits ? calloc(scratch->n_waits, sizeof(*half->waits)) : NULL;
	half->n_waits = half->waits ? scratch->n_waits : 0;
	if (half->waits)
		memcpy(half->waits, scratch->waits, half->n_waits * sizeof(*half->waits));
	scratch->n_waits = 0;
	half->judged_raw = half->raw.base + half->raw.len;
	half->judged_body = stream_body_seen(half);
}

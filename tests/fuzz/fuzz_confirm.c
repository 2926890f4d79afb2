/* SPDX-License-Identifier: Apache-2.0 */
/* The confirm stage: options of a filter up to the first line feed, then a body. Whatever they are, an evaluation ends
 * within its effort and in bounded time, and what an incomplete buffer matches, the complete one does as well. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/confirm.h"
#include "inspect/ruleset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NS_MAX 1000000000ull /* CPU time, far above what the limits allow: sanitizers slow everything down */

static enum confirm_result confirm(
	const struct filter *filter, struct span body, bool complete, struct regex_memory *memory)
{
	const struct view view = {.bytes = body, .present = true, .complete = complete};
	uint64_t effort = CONFIRM_EFFORT, started = regex_clock();
	enum confirm_result result;
	struct views views;

	for (unsigned int i = 0; i < BUFFER_N; i++)
		views.view[i] = view;
	result = confirm_filter(filter, &views, memory, &effort);
	if (effort > CONFIRM_EFFORT || regex_clock() - started > NS_MAX)
		abort();
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct regex_memory *memory;
	const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
	char text[4096];
	struct inspect_source source = {"fuzz", SPAN(text, 0)};
	struct inspect_report report = {0};
	struct ruleset set = {0};
	struct span body;

	if (!end || end - data > 2048 || (!memory && regex_memory_new(&memory) < 0))
		return 0;
	source.text.len = (size_t)snprintf(text, sizeof(text),
		"alert http any any -> any any (flow:to_server; %.*s sid:1;)\n", (int)(end - data), (const char *)data);
	body = SPAN(end + 1, size - (size_t)(end + 1 - data));
	if (ruleset_read(&set, RULESET_NEW, &source, 1, NULL, &report) == 0 && set.n == 1) {
		bool before = confirm(set.filters[0], body, false, memory) == CONFIRM_MATCH;

		if (before && confirm(set.filters[0], body, true, memory) == CONFIRM_NO_MATCH)
			abort();
	}
	ruleset_clear(&set);
	inspect_report_clear(&report);
	return 0;
}

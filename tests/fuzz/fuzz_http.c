/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1 heads, bodies and head buffers from arbitrary bytes. */
#include "inspect/http_views.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk_body(struct http_body *body, struct span in)
{
	struct span piece;

	while (http_body_take(body, &in, &piece) == HTTP_BODY_PIECE)
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t memory[4096];
	struct arena arena = {memory, 0, sizeof(memory)};
	struct span text = SPAN(data, size);
	struct http_head head = {0};
	struct http_body body;
	struct views views = {0};
	size_t scanned = 0, len = http_head_length(text, &scanned);

	if (http_request_parse(SPAN(data, len), &head) == 0) {
		http_request_views(&head, &arena, &views);
		http_request_body(&head, &body);
		walk_body(&body, SPAN(data + len, size - len));
	}
	if (http_response_parse(SPAN(data, len), &head) == 0) {
		http_response_views(&head, &arena, &views);
		http_response_body(&head, SPAN("GET", 3), &body);
		walk_body(&body, SPAN(data + len, size - len));
	}
	return 0;
}

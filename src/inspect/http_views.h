/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The head buffers of buffers.def, from a parsed head. Views borrow from the head and from the arena. */
#include "inspect/confirm.h"
#include "inspect/http.h"

struct arena { /* what does not fit is cut */
	uint8_t *data;
	size_t used, size;
};

void http_request_views(const struct http_head *head, struct arena *arena, struct views *out);
void http_response_views(const struct http_head *head, struct arena *arena, struct views *out);
/* the host a request names, as http.host.raw shows it */
struct span http_request_host(const struct http_head *head);

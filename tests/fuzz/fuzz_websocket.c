/* SPDX-License-Identifier: Apache-2.0 */
/* The frames of a WebSocket, whole and byte by byte: the same payload and the same end. The first byte says whose they
 * are. */
#include <stdlib.h>

#include "base/span.h"
#include "inspect/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t walk(uint8_t kind, struct span in, size_t cut)
{
	struct websocket ws = {.client = kind & 1, .may_compress = kind & 2};
	uint64_t seen = 0;

	while (in.len) {
		struct span some = SPAN(in.data, MIN(in.len, cut)), piece = {0};
		size_t n = some.len;
		enum websocket_result result;

		do {
			result = websocket_take(&ws, &some, &piece);
			if (result == WEBSOCKET_BROKEN)
				return seen * 31 + in.len - (n - some.len);
			if (result == WEBSOCKET_END)
				seen = seen * 37 + 1;
			for (size_t i = 0; result == WEBSOCKET_PAYLOAD && i < piece.len; i++) {
				uint8_t c;

				websocket_unmask(&ws, SPAN(piece.data + i, 1), &c);
				seen = seen * 41 + c + 2;
			}
		} while (result != WEBSOCKET_MORE);
		if (some.len)
			abort();
		span_skip(&in, n);
	}
	return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size && walk(data[0], SPAN(data + 1, size - 1), SIZE_MAX) != walk(data[0], SPAN(data + 1, size - 1), 1))
		abort();
	return 0;
}

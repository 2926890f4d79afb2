/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/websocket.h"

#include "base/span.h"

#define FIN 0x80
#define COMPRESSED 0x40
#define RESERVED 0x30
#define OPCODE 0x0f
#define MASKED 0x80
#define LENGTH 0x7f
#define CONTROL_MAX 125
enum { CONTINUATION, TEXT, BINARY, CLOSE = 8, PING, PONG };

static uint8_t length_bytes(const struct websocket *ws)
{
	uint8_t length = ws->head[1] & LENGTH;

	return length < 126 ? 0 : length == 126 ? 2 : 8;
}

/* how long the head is, as far as is known */
static uint8_t head_size(const struct websocket *ws)
{
	if (ws->head_len < 2)
		return 2;
	return (uint8_t)(2 + length_bytes(ws) + (ws->head[1] & MASKED ? 4 : 0));
}

static uint64_t payload_length(const struct websocket *ws)
{
	uint8_t n = length_bytes(ws);
	uint64_t length = n ? 0 : ws->head[1] & LENGTH;

	for (uint8_t i = 0; i < n; i++)
		length = length << 8 | ws->head[2 + i];
	return length;
}

/* sections 5.1, 5.2, 5.4 and 5.5; of a length's shortest form, too, so that all readers see the same */
static bool is_allowed(const struct websocket *ws)
{
	uint8_t opcode = ws->head[0] & OPCODE;
	bool fin = ws->head[0] & FIN, compressed = ws->head[0] & COMPRESSED, control = opcode >= CLOSE;
	uint64_t length = payload_length(ws), least = length_bytes(ws) == 8 ? 65536 : length_bytes(ws) ? 126 : 0;

	if (ws->head[0] & RESERVED || opcode > PONG || (opcode > BINARY && !control))
		return false;
	if (!(ws->head[1] & MASKED) == ws->client || length < least || length >> 63)
		return false;
	if (control)
		return fin && !compressed && length <= CONTROL_MAX;
	return (opcode == CONTINUATION) == ws->in_message &&
	       !(compressed && (!ws->may_compress || opcode == CONTINUATION));
}

static void begin_payload(struct websocket *ws)
{
	uint8_t opcode = ws->head[0] & OPCODE;

	ws->control = opcode >= CLOSE;
	ws->last = ws->head[0] & FIN;
	ws->left = payload_length(ws);
	for (uint8_t i = 0; i < 4; i++)
		ws->mask[i] = ws->client ? ws->head[ws->head_len - 4 + i] : 0;
	ws->mask_at = ws->head_len = 0;
	ws->in_payload = true;
	if (ws->control || opcode == CONTINUATION)
		return;
	ws->in_message = true;
	ws->compressed = ws->head[0] & COMPRESSED;
}

/* false: at the byte that completes a head that is not allowed, which is not taken */
static bool take_head(struct websocket *ws, struct span *in)
{
	while (in->len && !ws->in_payload) {
		ws->head[ws->head_len++] = in->data[0];
		if (ws->head_len == head_size(ws)) {
			if (!is_allowed(ws))
				return false;
			begin_payload(ws);
		}
		span_skip(in, 1);
	}
	return true;
}

enum websocket_result websocket_take(struct websocket *ws, struct span *in, struct span *piece)
{
	for (;;) {
		if (!ws->in_payload && !take_head(ws, in))
			return WEBSOCKET_BROKEN;
		if (!ws->in_payload)
			return WEBSOCKET_MORE;
		if (!ws->left) {
			ws->in_payload = false;
			if (ws->control || !ws->last)
				continue;
			ws->in_message = false;
			return WEBSOCKET_END;
		}
		if (!in->len)
			return WEBSOCKET_MORE;
		span_take(in, (size_t)MIN(ws->left, in->len), piece);
		ws->left -= piece->len;
		if (!ws->control)
			return WEBSOCKET_PAYLOAD;
	}
}

void websocket_unmask(struct websocket *ws, struct span piece, uint8_t *out)
{
	for (size_t i = 0; i < piece.len; i++)
		out[i] = piece.data[i] ^ ws->mask[ws->mask_at++ & 3];
}

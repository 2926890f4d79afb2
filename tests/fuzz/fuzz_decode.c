/* SPDX-License-Identifier: Apache-2.0 */
/* An encoded body: what comes out must not depend on how the bytes are cut, nor exceed its limits. The first byte
 * chooses the codings, the rest is the body. */
#include <stdlib.h>
#include <string.h>

#include "base/span.h"
#include "inspect/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KEPT_MAX (1u << 20) /* of the output, for the comparison */

struct outcome {
	uint64_t bytes;
	enum decode_result result;
	size_t kept;
};

static void decode(const struct decode_codings *codings, struct span in, size_t cut, uint8_t *kept, struct outcome *out)
{
	struct decode_budget budget = {0};
	struct decoder *decoder = NULL;
	uint8_t piece[4096];

	*out = (struct outcome){.result = DECODE_TAKEN};
	if (decoder_new(&decoder, codings, &budget) < 0)
		abort();
	while (out->result == DECODE_MORE || (out->result == DECODE_TAKEN && in.len)) {
		struct span part = SPAN(in.data, MIN(cut, in.len));
		size_t before = part.len, n = 0;

		out->result = decoder_run(decoder, &part, piece, sizeof(piece), &n);
		if (n > sizeof(piece) || part.len > before)
			abort();
		if (out->kept + n <= KEPT_MAX && n) {
			memcpy(kept + out->kept, piece, n);
			out->kept += n;
		}
		out->bytes += n;
		span_skip(&in, before - part.len);
		if (out->bytes > DECODE_MESSAGE_MAX + sizeof(piece))
			abort();
	}
	decoder_free(&decoder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t kept[2][KEPT_MAX];
	struct decode_codings codings = {0};
	struct outcome whole, cut;

	if (!size)
		return 0;
	codings.n = 1 + (data[0] & 1);
	codings.coding[0] = (enum decode_coding)((data[0] >> 1) % 3);
	codings.coding[1] = (enum decode_coding)((data[0] >> 3) % 3);
	decode(&codings, SPAN(data + 1, size - 1), SIZE_MAX, kept[0], &whole);
	decode(&codings, SPAN(data + 1, size - 1), 1, kept[1], &cut);
	if (whole.result == DECODE_TAKEN && (cut.result != DECODE_TAKEN || whole.bytes != cut.bytes))
		abort();
	if (memcmp(kept[0], kept[1], MIN(whole.kept, cut.kept)))
		abort();
	return 0;
}

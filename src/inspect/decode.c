/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/decode.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

#include "base/span.h"
#include "inspect/brotli_stream.h"

#define DECODE_MIDDLE 4096
#define DECODE_RATIO_WORST 1040           /* zlib.h says 1032 */
#define DECODE_ZLIB_MEMORY (7200 + 32768) /* zlib.h: state and window of one inflate */

enum layer_state {
	LAYER_START, /* collects the first two bytes: they tell the format better than the label does */
	LAYER_NEXT,  /* the same, after a gzip member: another may follow (RFC 1952 section 2.2) */
	LAYER_INFLATE,
	LAYER_BROTLI,
	LAYER_COPY, /* the label is wrong: not encoded */
	LAYER_DONE, /* at its end: what follows is swallowed */
	LAYER_FAILED,
};

struct layer {
	enum layer_state state;
	enum decode_coding coding;
	bool opened;
	uint8_t first[2];
	unsigned int n_first, first_taken;
	z_stream z;
	struct brotli_stream *brotli;
};

struct decoder {
	unsigned int n;
	struct layer layers[DECODE_LAYERS_MAX];
	bool stopped;
	uint64_t decoded;
	struct decode_budget *budget, own_budget;
	size_t middle_at, middle_len; /* output of the first layer on its way into the second */
	uint8_t middle[DECODE_MIDDLE];
};

/* --- which codings ----------------------------------------------------------------------------------------------- */
static void add_coding(struct decode_codings *out, enum decode_coding coding)
{
	if (out->n == DECODE_LAYERS_MAX) {
		out->unknown = true;
		return;
	}
	/* listed in the order of encoding */
	memmove(out->coding + 1, out->coding, out->n * sizeof(out->coding[0]));
	out->coding[0] = coding;
	out->n++;
}

static void add_token(struct decode_codings *out, struct span token)
{
	if (span_equal_nocase(token, "gzip") || span_equal_nocase(token, "x-gzip"))
		add_coding(out, DECODE_GZIP);
	else if (span_equal_nocase(token, "deflate"))
		add_coding(out, DECODE_DEFLATE);
	else if (span_equal_nocase(token, "br"))
		add_coding(out, DECODE_BROTLI);
	else if (token.len && !span_equal_nocase(token, "identity") && !span_equal_nocase(token, "chunked"))
		out->unknown = true;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void add_list(struct decode_codings *out, struct span list)
{
	while (list.len) {
		const uint8_t *comma = memchr(list.data, ',', list.len);
		struct span token = SPAN(list.data, comma ? (size_t)(comma - list.data) : list.len);

		span_skip(&list, MIN(token.len + 1, list.len));
		while (token.len && is_blank(token.data[0]))
			span_skip(&token, 1);
		while (token.len && is_blank(token.data[token.len - 1]))
			token.len--;
		add_token(out, token);
	}
}

static inline void add_fields(struct decode_codings *out, const struct http_head *head, const char *name)
{
	for (size_t i = 0; i < head->n_fields; i++)
		if (span_equal_nocase(head->fields[i].name, name))
			add_list(out, head->fields[i].value);
}

void decode_codings_read(const struct http_head *head, struct decode_codings *out)
{
	*out = (struct decode_codings){0};
	add_fields(out, head, "Content-Encoding");
	add_fields(out, head, "Transfer-Encoding");
	if (out->unknown)
		out->n = 0;
}

/* --- one layer --------------------------------------------------------------------------------------------------- */
static int window_bits(const struct layer *layer)
{
	unsigned int head = (unsigned int)layer->first[0] << 8 | layer->first[1];

	if (layer->coding == DECODE_BARE_DEFLATE)
		return -MAX_WBITS;
	if (head == 0x1f8b)
		return MAX_WBITS + 16;
	if ((layer->first[0] & 0x0f) == Z_DEFLATED && layer->first[0] >> 4 <= 7 && head % 31 == 0)
		return MAX_WBITS;
	return layer->coding == DECODE_DEFLATE ? -MAX_WBITS : 0; /* deflate without its zlib head is common */
}

static void layer_open(struct layer *layer)
{
	int bits;

	if (layer->coding == DECODE_BROTLI) { /* has no mark by which it could be told */
		layer->state = brotli_stream_new(&layer->brotli) < 0 ? LAYER_FAILED : LAYER_BROTLI;
		return;
	}
	bits = window_bits(layer);
	if (layer->state == LAYER_NEXT) {
		layer->state = bits > MAX_WBITS && inflateReset(&layer->z) == Z_OK ? LAYER_INFLATE : LAYER_DONE;
		return;
	}
	layer->state = LAYER_COPY;
	if (!bits)
		return;
	layer->opened = inflateInit2(&layer->z, bits) == Z_OK;
	layer->state = layer->opened ? LAYER_INFLATE : LAYER_FAILED;
}

static void layer_start(struct layer *layer, struct span *in)
{
	while (layer->n_first < 2 && in->len) {
		layer->first[layer->n_first++] = in->data[0];
		span_skip(in, 1);
	}
	if (layer->n_first == 2)
		layer_open(layer);
}

static void layer_finish(struct layer *layer)
{
	bool gzip = layer->first[0] == 0x1f && layer->first[1] == 0x8b;

	layer->state = gzip ? LAYER_NEXT : LAYER_DONE;
	layer->n_first = layer->first_taken = 0;
}

static size_t layer_inflate(struct layer *layer, struct span *in, uint8_t *out, size_t size)
{
	int r;

	layer->z.next_in = (Bytef *)in->data;
	layer->z.avail_in = (uInt)MIN(in->len, UINT32_MAX);
	layer->z.next_out = out;
	layer->z.avail_out = (uInt)size;
	r = inflate(&layer->z, Z_SYNC_FLUSH);
	span_skip(in, (size_t)(layer->z.next_in - in->data));
	if (r == Z_STREAM_END && layer->coding == DECODE_BARE_DEFLATE)
		inflateReset(&layer->z); /* another may follow */
	else if (r == Z_STREAM_END)
		layer_finish(layer);
	else if (r != Z_OK && r != Z_BUF_ERROR)
		layer->state = LAYER_FAILED;
	return size - layer->z.avail_out;
}

static size_t layer_brotli(struct layer *layer, struct span *in, uint8_t *out, size_t size)
{
	static const enum layer_state states[] = {[BROTLI_STREAM_GOES_ON] = LAYER_BROTLI,
		[BROTLI_STREAM_DONE] = LAYER_DONE,
		[BROTLI_STREAM_FAILED] = LAYER_FAILED};
	size_t n;

	layer->state = states[brotli_stream_run(layer->brotli, in, out, size, &n)];
	if (layer->state != LAYER_BROTLI)
		brotli_stream_free(&layer->brotli);
	return n;
}

static size_t layer_copy(struct span *in, uint8_t *out, size_t size)
{
	size_t n = MIN(in->len, size);

	if (n)
		memcpy(out, in->data, n);
	span_skip(in, n);
	return n;
}

/* one step; the first two bytes, taken before, come before in */
static size_t layer_run(struct layer *layer, struct span *in, uint8_t *out, size_t size)
{
	struct span first = SPAN(layer->first + layer->first_taken, 2 - layer->first_taken), *from = in;
	size_t n = 0;

	if (layer->state == LAYER_START || layer->state == LAYER_NEXT) {
		layer_start(layer, in);
		return 0;
	}
	if (layer->first_taken < 2 && layer->state < LAYER_DONE)
		from = &first;
	if (layer->state == LAYER_INFLATE)
		n = layer_inflate(layer, from, out, size);
	else if (layer->state == LAYER_BROTLI)
		n = layer_brotli(layer, from, out, size);
	else if (layer->state == LAYER_COPY)
		n = layer_copy(from, out, size);
	else
		span_skip(in, in->len);
	if (from == &first && layer->state < LAYER_DONE && layer->state != LAYER_NEXT)
		layer->first_taken = 2 - (unsigned int)first.len;
	return n;
}

/* --- all layers -------------------------------------------------------------------------------------------------- */
int decoder_new(struct decoder **out, const struct decode_codings *codings, struct decode_budget *budget)
{
	struct decoder *decoder = calloc(1, sizeof(*decoder));

	if (!decoder)
		return -ENOMEM;
	decoder->n = codings->n;
	decoder->budget = budget;
	for (unsigned int i = 0; i < codings->n; i++)
		decoder->layers[i].coding = codings->coding[i];
	*out = decoder;
	return 0;
}

void decoder_free(struct decoder **decoder)
{
	if (!*decoder)
		return;
	for (unsigned int i = 0; i < (*decoder)->n; i++) {
		if ((*decoder)->layers[i].opened)
			inflateEnd(&(*decoder)->layers[i].z);
		brotli_stream_free(&(*decoder)->layers[i].brotli);
	}
	free(*decoder);
	*decoder = NULL;
}

int decoder_copy(struct decoder **out, const struct decoder *from)
{
	_cleanup_(decoder_free) struct decoder *copy = NULL;

	for (unsigned int i = 0; i < from->n; i++)
		if (from->layers[i].coding == DECODE_BROTLI)
			return -ENOTSUP;
	copy = malloc(sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	*copy = *from;
	copy->own_budget = *from->budget;
	copy->budget = &copy->own_budget;
	for (unsigned int i = 0; i < copy->n; i++)
		copy->layers[i].opened = false;
	for (unsigned int i = 0; i < copy->n; i++) {
		if (!from->layers[i].opened)
			continue;
		if (inflateCopy(&copy->layers[i].z, (z_stream *)&from->layers[i].z) != Z_OK)
			return -ENOMEM;
		copy->layers[i].opened = true;
	}
	*out = TAKE_PTR(copy);
	return 0;
}

size_t decoder_safe_input(const struct decoder *decoder)
{
	const struct decode_budget *budget = decoder->budget;
	uint64_t most = DECODE_FREE + DECODE_RATIO * budget->encoded;

	if (decoder->n != 1 || decoder->layers[0].state != LAYER_INFLATE || decoder->layers[0].first_taken < 2 ||
		decoder->stopped || budget->decoded >= most || decoder->decoded >= DECODE_MESSAGE_MAX)
		return 0;
	return (size_t)(MIN(most - budget->decoded, DECODE_MESSAGE_MAX - decoder->decoded) / DECODE_RATIO_WORST);
}

void decoder_begin_message(struct decoder *decoder)
{
	decoder->decoded = 0;
}

size_t decoder_memory(const struct decoder *decoder)
{
	size_t total = decoder ? sizeof(*decoder) : 0;

	for (unsigned int i = 0; decoder && i < decoder->n; i++)
		total += decoder->layers[i].coding == DECODE_BROTLI ? brotli_stream_memory(decoder->layers[i].brotli)
								    : DECODE_ZLIB_MEMORY;
	return total;
}

static size_t run_second(struct decoder *decoder, uint8_t *out, size_t size)
{
	struct span middle = SPAN(decoder->middle + decoder->middle_at, decoder->middle_len - decoder->middle_at);
	size_t n = layer_run(&decoder->layers[1], &middle, out, size);

	decoder->middle_at = decoder->middle_len - middle.len;
	return n;
}

/* changes with everything that a step can change but the input */
static unsigned int mark(const struct decoder *decoder)
{
	unsigned int mark = (unsigned int)(decoder->middle_at + decoder->middle_len);

	for (unsigned int i = 0; i < DECODE_LAYERS_MAX; i++)
		mark = mark << 8 ^ (decoder->layers[i].state << 4 | decoder->layers[i].first_taken << 2 |
					   decoder->layers[i].n_first);
	return mark;
}

/* one step of the innermost layer that has something to do */
static size_t step(struct decoder *decoder, struct span *in, uint8_t *out, size_t size, bool *idle)
{
	unsigned int before = mark(decoder);
	size_t n, left = in->len;

	n = decoder->n == 1 ? layer_run(&decoder->layers[0], in, out, size) : run_second(decoder, out, size);
	*idle = !n && in->len == left && mark(decoder) == before;
	if (!*idle || decoder->n == 1)
		return n;
	decoder->middle_at = 0;
	decoder->middle_len = layer_run(&decoder->layers[0], in, decoder->middle, sizeof(decoder->middle));
	*idle = !decoder->middle_len && in->len == left && mark(decoder) == before;
	return 0;
}

static bool is_over_limit(const struct decoder *decoder)
{
	const struct decode_budget *budget = decoder->budget;

	return decoder->decoded > DECODE_MESSAGE_MAX || budget->decoded > DECODE_FREE + DECODE_RATIO * budget->encoded;
}

static bool has_failed(const struct decoder *decoder)
{
	for (unsigned int i = 0; i < decoder->n; i++)
		if (decoder->layers[i].state == LAYER_FAILED)
			return true;
	return false;
}

enum decode_result decoder_run(struct decoder *decoder, struct span *in, uint8_t *out, size_t size, size_t *n)
{
	size_t before = in->len;
	bool idle = false;

	*n = 0;
	if (decoder->stopped) {
		span_skip(in, in->len);
		return DECODE_TAKEN;
	}
	while (!idle && *n < size && !has_failed(decoder))
		*n += step(decoder, in, out + *n, size - *n, &idle);
	decoder->decoded += *n;
	decoder->budget->decoded += *n;
	decoder->budget->encoded += before - in->len;
	decoder->stopped = has_failed(decoder) || is_over_limit(decoder);
	if (has_failed(decoder))
		return DECODE_FAILED;
	if (decoder->stopped)
		return DECODE_LIMIT;
	return idle ? DECODE_TAKEN : DECODE_MORE;
}

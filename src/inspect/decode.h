/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Content codings of HTTP bodies: gzip, deflate (RFC 9110 section 8.4.1) and br (RFC 7932), at most two on top of each
 * other. Exists only while such a body is in flight. The only user of zlib. */
#include "inspect/http.h"

#define DECODE_LAYERS_MAX 2
#define DECODE_MESSAGE_MAX (64ull << 20) /* decoded bytes of one body that are inspected */
#define DECODE_FREE (1ull << 20)         /* decoded bytes of a stream for which the ratio does not matter */
#define DECODE_RATIO 256                 /* decoded bytes for each that came; deflate reaches 1032 */

enum decode_coding { DECODE_GZIP, DECODE_DEFLATE, DECODE_BROTLI, DECODE_BARE_DEFLATE };
struct decode_codings {
	unsigned int n;                               /* 0: none */
	enum decode_coding coding[DECODE_LAYERS_MAX]; /* in the order of decoding */
	bool unknown; /* one is not known here, or there are too many: the body is inspected as it comes */
};
/* from Content-Encoding, and Transfer-Encoding but for chunked */
void decode_codings_read(const struct http_head *head, struct decode_codings *out);

struct decode_budget { /* of one direction of a stream */
	uint64_t encoded, decoded;
};

struct decoder;
int decoder_new(struct decoder **out, const struct decode_codings *codings, struct decode_budget *budget);
void decoder_free(struct decoder **decoder);
/* a second decoder that goes on where the first stands, with a budget of its own; -ENOTSUP where br is among its
 * codings, for which nothing is safe input */
int decoder_copy(struct decoder **out, const struct decoder *from);
/* so many bytes of input cannot meet a limit on the way, whatever they are; 0: nobody knows */
size_t decoder_safe_input(const struct decoder *decoder);
/* of many that are one stream: the limit for one begins anew */
void decoder_begin_message(struct decoder *decoder);
size_t decoder_memory(const struct decoder *decoder);

enum decode_result {
	DECODE_MORE,   /* out is full: call again */
	DECODE_TAKEN,  /* all input is taken, all output given: which is a function of the bytes so far, not of cuts */
	DECODE_LIMIT,  /* a limit was hit: nothing more comes out */
	DECODE_FAILED, /* the coding is broken: nothing more comes out */
};
/* Takes from in and writes up to size bytes to out. LIMIT and FAILED are said once, later input is swallowed. */
enum decode_result decoder_run(struct decoder *decoder, struct span *in, uint8_t *out, size_t size, size_t *n);

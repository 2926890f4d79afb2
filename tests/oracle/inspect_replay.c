/* SPDX-License-Identifier: Apache-2.0 */
/* inspect-replay SEED FILE...: conversations through the engine alone. Standard input holds for each its service (one
 * byte: h http, r raw), the 32-bit lengths of request and response in this machine's order, and the bytes; per
 * conversation one line comes out with the numbers of the filters that matched. SEED 0 gives the bytes whole, another
 * cuts them at random. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "oracle/rule_engine.h"

#define BYTES_MAX (16u << 20)

struct replay {
	struct rule_engine rules;
	uint32_t seed;
};

static void on_hit(void *owner, const struct inspect_hit *hit)
{
	printf(" %u", hit->filter->sid);
}

/* in pieces of exactly their size, for a sanitizer to see every read beyond */
static void feed(
	struct replay *replay, struct inspect_stream *stream, enum inspect_dir dir, const uint8_t *data, size_t len)
{
	struct inspect_verdict verdict;
	size_t max = replay->seed ? 1 + replay->seed % 97 : len;

	for (size_t at = 0, n; at < len; at += n) {
		uint8_t *piece;

		replay->seed = replay->seed ? (replay->seed * 1664525 + 1013904223) | 1 : 0;
		n = replay->seed ? 1 + (replay->seed >> 8) % max : len;
		if (n > len - at)
			n = len - at;
		piece = malloc(n);
		if (!piece)
			abort();
		memcpy(piece, data + at, n);
		inspect_data(stream, dir, piece, n, &verdict);
		free(piece);
	}
}

static void converse(struct replay *replay, char service, const uint8_t *bytes, size_t n_request, size_t n_response)
{
	const struct inspect_stream_options options = {
		.service = service == 'h' ? INSPECT_HTTP : INSPECT_RAW,
		.client_ip = htonl(0x0a090001),
		.server_ip = htonl(0x0a090002),
		.client_port = 40000,
		.server_port = 443,
		.inspect_response = true,
		.body_hold_bytes = 65536,
		.on_hit = on_hit,
	};
	struct inspect_stream *stream = NULL;
	struct inspect_verdict verdict;

	if (inspect_stream_new(&stream, replay->rules.engine, replay->rules.scratch, &options) < 0)
		abort();
	feed(replay, stream, INSPECT_TO_SERVER, bytes, n_request);
	feed(replay, stream, INSPECT_TO_CLIENT, bytes + n_request, n_response);
	inspect_end(stream, INSPECT_TO_SERVER, &verdict);
	inspect_end(stream, INSPECT_TO_CLIENT, &verdict);
	inspect_stream_free(&stream);
	puts("");
}

static int replay_all(struct replay *replay)
{
	uint32_t lengths[2];
	char service;

	while (fread(&service, 1, 1, stdin) == 1) {
		uint8_t *bytes;
		size_t len;

		if (fread(lengths, sizeof(lengths), 1, stdin) != 1 || lengths[0] > BYTES_MAX || lengths[1] > BYTES_MAX)
			return -EPROTO;
		len = (size_t)lengths[0] + lengths[1];
		bytes = malloc(len + 1);
		if (!bytes || fread(bytes, 1, len, stdin) != len) {
			free(bytes);
			return -EPROTO;
		}
		converse(replay, service, bytes, lengths[0], lengths[1]);
		free(bytes);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct replay replay = {0};
	int r;

	if (argc < 3 || argc - 2 > RULE_FILES_MAX) {
		fprintf(stderr, "usage: inspect-replay SEED FILE...\n");
		return 2;
	}
	replay.seed = (uint32_t)strtoul(argv[1], NULL, 10);
	r = rule_engine_load(&replay.rules, argv + 2, (size_t)argc - 2, true);
	if (r == 0)
		r = replay_all(&replay);
	if (r < 0)
		fprintf(stderr, "inspect-replay: %s\n", strerror(-r));
	rule_engine_clear(&replay.rules);
	return r < 0;
}

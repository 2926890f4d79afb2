/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Runs a conversation through an engine made from rule text, and remembers hits and releases. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <arpa/inet.h>
#include <errno.h>
#include <cmocka.h>

#include "inspect/inspect.h"

#define RIG_HITS 512

struct rig_hit {
	uint32_t sid;
	enum inspect_dir dir;
	uint64_t offset;
	char uri[64];
	unsigned int status;
};

struct rig {
	struct inspect_engine *engine;
	uint8_t *image;
	struct inspect_scratch *scratch;
	struct inspect_stream *stream;
	struct inspect_stream_options options;
	struct inspect_report report;
	size_t n_hits;
	struct rig_hit hits[RIG_HITS];
	struct inspect_verdict verdict[INSPECT_DIRS];
};

static inline void rig_on_hit(void *owner, const struct inspect_hit *hit)
{
	struct rig *rig = owner;
	struct rig_hit *to = &rig->hits[rig->n_hits++];

	assert_in_range(rig->n_hits, 1, RIG_HITS - 1);
	*to = (struct rig_hit){.sid = hit->filter->sid, .dir = hit->dir, .offset = hit->offset};
	if (hit->http) {
		snprintf(to->uri, sizeof(to->uri), "%.*s", SPAN_FMT(hit->http->uri));
		to->status = hit->http->status;
	}
}

/* a new stream; what the last one did is forgotten */
static inline void rig_stream(struct rig *rig)
{
	inspect_stream_free(&rig->stream);
	rig->n_hits = 0;
	memset(rig->verdict, 0, sizeof(rig->verdict));
	assert_int_equal(inspect_stream_new(&rig->stream, rig->engine, rig->scratch, &rig->options), 0);
}

static inline void rig_open(struct rig *rig, const char *rules)
{
	struct inspect_source source = {"test.rules", SPAN(rules, strlen(rules))};
	size_t len = 0;

	memset(rig, 0, sizeof(*rig));
	assert_int_equal(inspect_compile(&source, 1, NULL, &rig->image, &len, &rig->report), 0);
	assert_int_equal(inspect_engine_load(&rig->engine, rig->image, len), 0);
	assert_int_equal(inspect_scratch_new(&rig->scratch), 0);
	assert_int_equal(inspect_scratch_grow(rig->scratch, rig->engine), 0);
	rig->options = (struct inspect_stream_options){
		.service = INSPECT_HTTP,
		.client_ip = htonl(0x0a090001),
		.server_ip = htonl(0x0a090002),
		.client_port = 40000,
		.server_port = 8443,
		.inspect_response = true,
		.body_hold_bytes = 65536,
		.on_hit = rig_on_hit,
		.owner = rig,
	};
	rig_stream(rig);
}

static inline void rig_close(struct rig *rig)
{
	inspect_stream_free(&rig->stream);
	inspect_engine_free(&rig->engine);
	free(rig->image);
	inspect_scratch_free(&rig->scratch);
	inspect_report_clear(&rig->report);
}

static inline void rig_data(struct rig *rig, enum inspect_dir dir, const void *data, size_t len)
{
	/* a copy of exactly this size: the sanitizer sees every read past its end */
	uint8_t *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, data, len);
	inspect_data(rig->stream, dir, copy, len, &rig->verdict[dir]);
	free(copy);
}

static inline void rig_text(struct rig *rig, enum inspect_dir dir, const char *text)
{
	rig_data(rig, dir, text, strlen(text));
}

static inline void rig_end(struct rig *rig, enum inspect_dir dir)
{
	inspect_end(rig->stream, dir, &rig->verdict[dir]);
}

/* gives data in pieces of varying length, from a fixed seed */
static inline void rig_data_cut(struct rig *rig, enum inspect_dir dir, const char *data, size_t len, uint32_t seed)
{
	uint32_t max = 1 + seed % 97;

	for (size_t at = 0, n; at < len; at += n) {
		seed = seed * 1664525 + 1013904223;
		n = 1 + (seed >> 8) % max;
		if (n > len - at)
			n = len - at;
		rig_data(rig, dir, data + at, n);
	}
}

static inline bool rig_has_hit(const struct rig *rig, uint32_t sid)
{
	for (size_t i = 0; i < rig->n_hits; i++)
		if (rig->hits[i].sid == sid)
			return true;
	return false;
}

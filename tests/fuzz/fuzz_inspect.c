/* SPDX-License-Identifier: Apache-2.0 */
/* A conversation in arbitrary cuts through a fixed set of filters; given twice, cut otherwise, it must end alike.
 * Input: records of a byte (bit 7: direction, else length) and that many bytes. */
#include <stdlib.h>
#include <string.h>

#include "inspect/inspect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char rules[] =
	"alert http any any -> any any (flow:to_server; http.uri; content:\"/a\"; content:\"b\"; distance:1; sid:1;)\n"
	"alert http any any -> any any (flow:to_server; http.request_body; content:\"a\"; content:!\"b\"; within:3; "
	"sid:2;)\n"
	"alert http any any -> any any (flow:to_server; http.header; pcre:\"/^x:.*a(?=b)/mi\"; sid:3;)\n"
	"drop http any any -> any any (flow:to_server; http.method; content:\"POST\"; http.request_body; "
	"content:\"bad\"; sid:4;)\n"
	"alert http any any -> any any (flow:to_client; http.stat_code; content:\"2\"; file.data; content:\"a\"; "
	"pcre:\"/^b+c/R\"; sid:5;)\n"
	"drop http any any -> any any (flow:to_client; http.response_body; content:\"bad\"; sid:6;)\n"
	"alert http any any -> any any (flow:to_server; http.request_body; byte_extract:1,0,n; content:\"c\"; "
	"offset:n; sid:7;)\n"
	"alert tcp any any -> any any (content:\"ab\"; byte_jump:1,0,relative; content:\"c\"; distance:0; sid:8;)\n"
	"alert tcp any any -> any any (pcre:\"/(a|b)\\1c/\"; sid:9;)\n"
	"alert http any any -> any any (flow:to_server; http.request_body; content:\"=\"; base64_decode:relative; "
	"base64_data; content:\"a\"; sid:10;)\n"
	"alert http any any -> any any (flow:to_server; http.host; dotprefix; url_decode; content:\".a\"; sid:11;)\n"
	"alert tcp-pkt any any -> any any (content:\"ab\"; content:\"cd\"; distance:0; sid:12;)\n"
	"alert tcp any any -> any any (flow:to_server; dsize:3<>9; content:\"a\"; sid:13;)\n"
	"alert tcp any any -> any any (flow:to_server; content:\"b\"; depth:1; isdataat:2,relative; sid:14;)\n"
	"drop tcp any any -> any any (flow:to_server; byte_math:bytes 1,offset 0,oper -,rvalue 96,result n; "
	"content:\"zz\"; "
	"offset:n; depth:4; sid:15;)\n"
	"alert http any any -> any any (file.data; content:\"c\"; content:!\"d\"; within:2; sid:16;)\n"
	"alert tls any any -> any any (tls.sni; content:\"a.\"; sid:17;)\n"
	"alert tcp any any -> any any (flow:to_client; dsize:>20; sid:18;)\n";

struct result {
	uint64_t release[INSPECT_DIRS];
	const struct inspect_filter *block;
	uint32_t hits; /* a bit per sid */
};

static void on_hit(void *owner, const struct inspect_hit *hit)
{
	((struct result *)owner)->hits |= 1u << hit->filter->sid;
}

/* one of them trusts */
static bool treat(void *data, struct inspect_filter *filter)
{
	if (filter->sid == 11)
		filter->action = INSPECT_TRUST;
	return true;
}

static void setup(struct inspect_engine **engine, struct inspect_scratch **scratch)
{
	struct inspect_source source = {"fuzz", SPAN(rules, sizeof(rules) - 1)};
	struct inspect_report report;
	uint8_t *image;
	size_t len;

	if (inspect_compile(&source, 1, NULL, &image, &len, &report) < 0 || report.n_refused ||
		inspect_engine_load(engine, image, len) < 0 || inspect_scratch_new(scratch) < 0 ||
		inspect_scratch_grow(*scratch, *engine) < 0)
		abort(); /* the image stays for the engine's life */
	inspect_engine_treat(*engine, treat, NULL);
}

static void converse(const struct inspect_engine *engine, struct inspect_scratch *scratch, enum inspect_service service,
	struct span in, size_t cut, struct result *out)
{
	struct inspect_stream_options options = {.service = service,
		.tls = {.sni = "a.example", .version = "1.3"},
		.inspect_response = true,
		.body_hold_bytes = 64,
		.on_hit = on_hit,
		.owner = out};
	struct inspect_stream *stream;
	struct inspect_verdict verdict = {0};

	*out = (struct result){0};
	if (inspect_stream_new(&stream, engine, scratch, &options) < 0)
		abort();
	while (in.len) {
		enum inspect_dir dir = in.data[0] >> 7 ? INSPECT_TO_CLIENT : INSPECT_TO_SERVER;
		size_t n = MIN(in.data[0] & 0x7fu, in.len - 1);

		for (size_t at = 0; at < n; at += cut) {
			inspect_data(stream, dir, in.data + 1 + at, MIN(cut, n - at), &verdict);
			if (verdict.release < out->release[dir])
				abort();
			out->release[dir] = verdict.release;
		}
		in = SPAN(in.data + 1 + n, in.len - 1 - n);
	}
	out->block = verdict.block;
	inspect_stream_free(&stream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct inspect_engine *engine;
	static struct inspect_scratch *scratch;
	struct result whole, cut;

	if (!engine)
		setup(&engine, &scratch);
	for (enum inspect_service service = INSPECT_HTTP; service <= INSPECT_RAW;
		service += INSPECT_RAW - INSPECT_HTTP) {
		converse(engine, scratch, service, SPAN(data, size), SIZE_MAX / 2, &whole);
		converse(engine, scratch, service, SPAN(data, size), 1, &cut);
		if (whole.block != cut.block || memcmp(whole.release, cut.release, sizeof(cut.release)) != 0 ||
			whole.hits != cut.hits)
			abort();
	}
	return 0;
}

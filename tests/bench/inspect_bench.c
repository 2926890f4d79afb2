/* SPDX-License-Identifier: Apache-2.0 */
/* The inspection engine alone, without TLS and sockets: CPU time of one exchange (a request and its response) on a kept
 * connection, in a loop and with caches that something else has used in between, as the kernel and TLS do; and
 * megabytes of one long response per CPU second; a Markdown table. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "oracle/rule_engine.h"

#define MEASURE_S 1.0
#define SMALL_BODY 1024
#define LARGE_BODY (64u << 20)
#define TURN 1000       /* exchanges between two looks at the clock */
#define COLD_TURNS 4000 /* exchanges each after a walk through COLD_BYTES of other memory */
#define COLD_BYTES (2u << 20)
#define CACHE_LINE 64
#define PIECE (16u << 10) /* what the proxy gives at once: a TLS record */

struct bench {
	struct rule_engine rules;
	uint8_t *body;
	uint8_t *other; /* COLD_BYTES that have nothing to do with it */
	double seconds;
};

struct exchange {
	const char *name, *request;
};

static const struct exchange exchanges[] = {
	{"1 KB, short request", "GET /files/small.html HTTP/1.1\r\nHost: www.example.test\r\n\r\n"},
	{"1 KB, a browser's request",
		"GET /shop/products/list?category=garden&page=3&sort=price HTTP/1.1\r\n"
		"Host: www.example.test\r\n"
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
		"Accept-Language: en-US,en;q=0.5\r\n"
		"Accept-Encoding: gzip, deflate, br\r\n"
		"Referer: https://www.example.test/shop/products/\r\n"
		"Connection: keep-alive\r\n"
		"Cookie: session=0f3c9e7a54d14bb0a6d2; seen=1; theme=light\r\n"
		"Upgrade-Insecure-Requests: 1\r\n"
		"Sec-Fetch-Dest: document\r\n"
		"Sec-Fetch-Mode: navigate\r\n"
		"Sec-Fetch-Site: same-origin\r\n\r\n"},
};

static const char response_head[] = "HTTP/1.1 200 OK\r\n"
				    "Server: nginx/1.22.1\r\n"
				    "Date: Wed, 25 Nov 2026 21:52:11 GMT\r\n"
				    "Content-Type: text/html\r\n"
				    "Content-Length: %u\r\n"
				    "Last-Modified: Wed, 25 Nov 2026 20:12:31 GMT\r\n"
				    "Connection: keep-alive\r\n"
				    "ETag: \"67446d5b-400\"\r\n"
				    "Accept-Ranges: bytes\r\n\r\n";

static double cpu_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* made-up words in paragraphs: neither noise nor one letter */
static uint8_t *make_text(size_t len)
{
	static const char letters[] = "etaoinshrdlucmfwypvbgkjqxz";
	uint8_t *text = malloc(len);
	uint32_t seed = 1;

	for (size_t at = 0; text && at < len;) {
		size_t word;

		seed = seed * 1664525 + 1013904223;
		word = 2 + (seed >> 24) % 8;
		if ((seed >> 8) % 40 == 0 && len - at > 8) {
			memcpy(text + at, "</p>\n<p>", 8);
			at += 8;
		}
		for (size_t i = 0; i < word && at < len; i++) {
			seed = seed * 1664525 + 1013904223;
			text[at++] = (uint8_t)letters[(seed >> 16) % 26];
		}
		if (at < len)
			text[at++] = ' ';
	}
	return text;
}

static struct inspect_stream *stream_new(struct bench *bench)
{
	const struct inspect_stream_options options = {
		.service = INSPECT_HTTP,
		.client_ip = htonl(0x0a090001),
		.server_ip = htonl(0x0a090002),
		.client_port = 40000,
		.server_port = 443,
		.inspect_response = true,
		.body_hold_bytes = 65536,
	};
	struct inspect_stream *stream = NULL;

	if (inspect_stream_new(&stream, bench->rules.engine, bench->rules.scratch, &options) < 0)
		abort();
	return stream;
}

static void give(struct inspect_stream *stream, enum inspect_dir dir, const void *data, size_t len)
{
	struct inspect_verdict verdict;

	inspect_data(stream, dir, data, len, &verdict);
	if (verdict.block)
		abort();
}

struct response {
	size_t len;
	uint8_t data[sizeof(response_head) + SMALL_BODY + 16];
};

static void make_response(const struct bench *bench, struct response *out)
{
	out->len = (size_t)snprintf((char *)out->data, sizeof(out->data), response_head, SMALL_BODY);
	memcpy(out->data + out->len, bench->body, SMALL_BODY);
	out->len += SMALL_BODY;
}

static void exchange(struct inspect_stream *stream, const char *request, const struct response *response)
{
	give(stream, INSPECT_TO_SERVER, request, strlen(request));
	give(stream, INSPECT_TO_CLIENT, response->data, response->len);
}

/* seconds of CPU for one */
static double measure_exchange(struct bench *bench, const char *request)
{
	struct inspect_stream *stream = stream_new(bench);
	struct response response;
	double begin, used;
	unsigned long done = 0;

	make_response(bench, &response);
	begin = cpu_now();
	do {
		for (unsigned int i = 0; i < TURN; i++)
			exchange(stream, request, &response);
		done += TURN;
		used = cpu_now() - begin;
	} while (used < bench->seconds);
	inspect_stream_free(&stream);
	return used / (double)done;
}

static int compare_seconds(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

/* the median of single ones, each with what the others left in the caches gone */
static double measure_cold_exchange(struct bench *bench, const char *request)
{
	static double seconds[COLD_TURNS];
	struct inspect_stream *stream = stream_new(bench);
	struct response response;

	make_response(bench, &response);
	for (unsigned int i = 0; i < COLD_TURNS; i++) {
		double begin;

		for (size_t at = 0; at < COLD_BYTES; at += CACHE_LINE)
			bench->other[at]++;
		begin = cpu_now();
		exchange(stream, request, &response);
		seconds[i] = cpu_now() - begin;
	}
	inspect_stream_free(&stream);
	qsort(seconds, COLD_TURNS, sizeof(seconds[0]), compare_seconds);
	return seconds[COLD_TURNS / 2];
}

/* bytes per second of CPU */
static double measure_bulk(struct bench *bench)
{
	char head[sizeof(response_head) + 16];
	int head_len = snprintf(head, sizeof(head), response_head, LARGE_BODY);
	double begin = cpu_now(), used;
	unsigned long done = 0;

	do {
		struct inspect_stream *stream = stream_new(bench);

		give(stream, INSPECT_TO_SERVER, exchanges[0].request, strlen(exchanges[0].request));
		give(stream, INSPECT_TO_CLIENT, head, (size_t)head_len);
		for (size_t at = 0; at < LARGE_BODY; at += PIECE)
			give(stream, INSPECT_TO_CLIENT, bench->body + at % (1u << 20), PIECE);
		done += LARGE_BODY;
		used = cpu_now() - begin;
		inspect_stream_free(&stream);
	} while (used < bench->seconds);
	return (double)done / used;
}

static void measure(struct bench *bench)
{
	printf("| %zu filters, image %.1f MB | |\n| --- | --- |\n", inspect_engine_filters(bench->rules.engine),
		(double)bench->rules.image_len / 1e6);
	for (size_t i = 0; i < ARRAY_SIZE(exchanges); i++)
		printf("| %s | %.2f us |\n", exchanges[i].name, measure_exchange(bench, exchanges[i].request) * 1e6);
	for (size_t i = 0; i < ARRAY_SIZE(exchanges); i++)
		printf("| %s, cold caches | %.2f us |\n", exchanges[i].name,
			measure_cold_exchange(bench, exchanges[i].request) * 1e6);
	printf("| one long response | %.0f MB/s |\n", measure_bulk(bench) / 1e6);
}

int main(int argc, char **argv)
{
	struct bench bench = {.body = make_text(1u << 20), .other = calloc(COLD_BYTES, 1), .seconds = MEASURE_S};
	int r;

	if (argc < 2 || argc - 1 > RULE_FILES_MAX) {
		fprintf(stderr, "usage: inspect-bench FILE...   rule files\n");
		return 2;
	}
	r = bench.body && bench.other ? rule_engine_load(&bench.rules, argv + 1, (size_t)argc - 1, false) : -ENOMEM;
	if (r == 0)
		measure(&bench);
	else
		fprintf(stderr, "inspect-bench: %s\n", strerror(-r));
	rule_engine_clear(&bench.rules);
	free(bench.body);
	free(bench.other);
	return r < 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/client_hello.h"

#include "base/span.h"

#define RECORD_HEADER 5
#define RECORD_HANDSHAKE 0x16
#define RECORD_PAYLOAD_MAX 16384 /* RFC 8446 section 5.1 */
#define RECORDS_MAX 256          /* no honest hello is cut finer; bounds the walk over each arrival */
#define HANDSHAKE_HEADER 4
#define HANDSHAKE_CLIENT_HELLO 1
#define SERVER_NAME_MAX 255
#define VERSION_TLS10 0x0301
#define VERSION_TLS12 0x0303
#define VERSION_TLS13 0x0304
#define VERSION_LOWEST 0x0300

enum extension {
	EXTENSION_SERVER_NAME = 0,
	EXTENSION_STATUS_REQUEST = 5,
	EXTENSION_SUPPORTED_GROUPS = 10,
	EXTENSION_SIGNATURE_ALGORITHMS = 13,
	EXTENSION_ALPN = 16,
	EXTENSION_SESSION_TICKET = 35,
	EXTENSION_PRE_SHARED_KEY = 41,
	EXTENSION_EARLY_DATA = 42,
	EXTENSION_SUPPORTED_VERSIONS = 43,
	EXTENSION_KEY_SHARE = 51,
	EXTENSION_SEEN_MAX = 64, /* those above all fit one bit mask */
};

/* --- records -------------------------------------------------------------------------------------------------- */

/* The next record's payload, as far as it has arrived: NEED_MORE at the end of the data. */
static enum client_hello_result record_take(struct span *in, struct span *payload)
{
	struct span at = *in;
	uint32_t type, version, len;

	if (at.len && at.data[0] != RECORD_HANDSHAKE)
		return CLIENT_HELLO_MALFORMED;
	if (at.len > 1 && at.data[1] != VERSION_TLS10 >> 8)
		return CLIENT_HELLO_MALFORMED;
	if (!span_take_be(&at, 1, &type) || !span_take_be(&at, 2, &version) || !span_take_be(&at, 2, &len))
		return CLIENT_HELLO_NEED_MORE;
	if (!len || len > RECORD_PAYLOAD_MAX)
		return CLIENT_HELLO_MALFORMED;
	span_take(&at, MIN(len, at.len), payload);
	*in = at;
	return CLIENT_HELLO_COMPLETE;
}

/* handshake header of the message, once its four bytes are there; they may lie in different records */
struct message_header {
	uint8_t bytes[HANDSHAKE_HEADER];
	size_t n;
};

static enum client_hello_result message_header_add(struct message_header *header, struct span payload)
{
	size_t n = MIN(payload.len, HANDSHAKE_HEADER - header->n);

	memcpy(header->bytes + header->n, payload.data, n);
	header->n += n;
	if (header->n && header->bytes[0] != HANDSHAKE_CLIENT_HELLO)
		return CLIENT_HELLO_MALFORMED;
	return header->n == HANDSHAKE_HEADER ? CLIENT_HELLO_COMPLETE : CLIENT_HELLO_NEED_MORE;
}

static size_t message_header_total(const struct message_header *header)
{
	return HANDSHAKE_HEADER + ((size_t)header->bytes[1] << 16 | (size_t)header->bytes[2] << 8 | header->bytes[3]);
}

/* Walks the records without copying until the whole message is there; *total is its size with header. */
static enum client_hello_result message_measure(struct span in, size_t *total)
{
	struct message_header header = {.n = 0};
	enum client_hello_result result;
	size_t have = 0;

	for (unsigned int i = 0; i < RECORDS_MAX; i++) {
		struct span payload;

		result = record_take(&in, &payload);
		if (result != CLIENT_HELLO_COMPLETE)
			return result;
		have += payload.len;
		result = message_header_add(&header, payload);
		if (result == CLIENT_HELLO_MALFORMED)
			return result;
		if (result == CLIENT_HELLO_COMPLETE) {
			*total = message_header_total(&header);
			if (*total > CLIENT_HELLO_MAX)
				return CLIENT_HELLO_MALFORMED;
			if (have >= *total)
				return CLIENT_HELLO_COMPLETE;
		}
	}
	return CLIENT_HELLO_MALFORMED;
}

/* the message of total bytes, in place or gathered into message */
static struct span message_gather(struct span in, size_t total, uint8_t *message)
{
	struct span payload;
	size_t n = 0;

	record_take(&in, &payload);
	if (payload.len >= total)
		return SPAN(payload.data, total);
	while (n < total) {
		size_t take = MIN(payload.len, total - n);

		memcpy(message + n, payload.data, take);
		n += take;
		if (n < total && record_take(&in, &payload) != CLIENT_HELLO_COMPLETE)
			break;
	}
	return SPAN(message, n);
}

/* --- extensions ----------------------------------------------------------------------------------------------- */

/* RFC 8701: values reserved to keep peers tolerant, 0x?A?A */
static bool version_is_grease(uint32_t version)
{
	return (version & 0x0f0f) == 0x0a0a && version >> 8 == (version & 0xff);
}

/* RFC 8446 section 4.2.1. Versions that no TLS of ours can be (GREASE, drafts) are left out. */
static bool parse_supported_versions(struct span body, struct client_hello *out)
{
	struct span list;
	uint32_t version;

	if (!span_take_vector(&body, 1, &list) || body.len || !list.len || list.len % 2)
		return false;
	out->version_min = out->version_max = 0;
	while (span_take_be(&list, 2, &version)) {
		if (version_is_grease(version) || version < VERSION_LOWEST || version > VERSION_TLS13)
			continue;
		if (!out->version_min || version < out->version_min)
			out->version_min = version;
		out->version_max = MAX(out->version_max, version);
	}
	return true;
}

/* RFC 6066 section 3: at most one name of a type, and host_name is the only type there is. No server takes a longer one
 * than DNS has, nor a zero byte. */
static bool parse_server_name(struct span body, struct client_hello *out)
{
	struct span list, name;
	uint32_t type;

	if (!span_take_vector(&body, 2, &list) || body.len)
		return false;
	if (!span_take_be(&list, 1, &type) || type != 0 || !span_take_vector(&list, 2, &name) || list.len ||
		!name.len || name.len > SERVER_NAME_MAX || memchr(name.data, 0, name.len))
		return false;
	out->sni = name;
	return true;
}

/* RFC 7301 section 3.1: names are not empty, nor is the list */
static bool parse_alpn(struct span body, struct client_hello *out)
{
	struct span list, names, name;

	if (!span_take_vector(&body, 2, &list) || body.len || !list.len)
		return false;
	for (names = list; names.len;)
		if (!span_take_vector(&names, 1, &name) || !name.len)
			return false;
	out->alpn = list;
	return true;
}

/* a list of 16-bit code points: supported_groups, signature_algorithms */
static bool parse_code_points(struct span body, struct span *out)
{
	struct span list;

	if (!span_take_vector(&body, 2, &list) || body.len || !list.len || list.len % 2)
		return false;
	*out = list;
	return true;
}

/* may be empty: the client asks for a HelloRetryRequest (RFC 8446 section 4.2.8) */
static bool parse_key_share(struct span body, struct client_hello *out)
{
	struct span list, shares, share;
	uint32_t group;

	if (!span_take_vector(&body, 2, &list) || body.len)
		return false;
	for (shares = list; shares.len;)
		if (!span_take_be(&shares, 2, &group) || !span_take_vector(&shares, 2, &share) || !share.len)
			return false;
	out->key_shares = list;
	return true;
}

static bool parse_extension(uint32_t type, struct span body, struct client_hello *out)
{
	switch (type) {
	case EXTENSION_SERVER_NAME:
		return parse_server_name(body, out);
	case EXTENSION_SUPPORTED_GROUPS:
		return parse_code_points(body, &out->groups);
	case EXTENSION_SIGNATURE_ALGORITHMS:
		return parse_code_points(body, &out->signature_algorithms);
	case EXTENSION_ALPN:
		return parse_alpn(body, out);
	case EXTENSION_SUPPORTED_VERSIONS:
		return parse_supported_versions(body, out);
	case EXTENSION_KEY_SHARE:
		return parse_key_share(body, out);
	case EXTENSION_STATUS_REQUEST: /* RFC 6066 section 8: status_type ocsp */
		out->status_request = body.len && body.data[0] == 1;
		return true;
	case EXTENSION_SESSION_TICKET:
		out->has_ticket |= body.len > 0;
		return true;
	case EXTENSION_PRE_SHARED_KEY:
		out->has_ticket = true;
		return true;
	case EXTENSION_EARLY_DATA:
		out->early_data = true;
		return true;
	default:
		return true;
	}
}

/* RFC 8446 section 4.2: no extension twice. Only those below EXTENSION_SEEN_MAX are told apart here, which are all
 * that anyone reads from struct client_hello; the engine refuses the rest. */
static bool parse_extensions(struct span block, struct client_hello *out)
{
	uint64_t seen = 0;
	struct span body;
	uint32_t type;

	while (block.len) {
		if (!span_take_be(&block, 2, &type) || !span_take_vector(&block, 2, &body))
			return false;
		if (type < EXTENSION_SEEN_MAX) {
			if (seen & 1ull << type)
				return false;
			seen |= 1ull << type;
		}
		if (!parse_extension(type, body, out))
			return false;
	}
	return true;
}

/* --- message -------------------------------------------------------------------------------------------------- */

/* A client without supported_versions takes anything up to legacy_version, but at most TLS 1.2 (RFC 8446 section
 * 4.2.1). */
static void versions_from_legacy(struct client_hello *out)
{
	out->version_max = MIN(out->legacy_version, VERSION_TLS12);
	out->version_min = MIN(out->version_max, VERSION_LOWEST);
}

bool client_hello_parse(struct span body, struct client_hello *out)
{
	struct span compression;
	uint32_t legacy_version;

	*out = (struct client_hello){0};
	if (!span_take_be(&body, 2, &legacy_version) || !span_take(&body, 32, &out->random) ||
		!span_take_vector(&body, 1, &out->session_id) || !span_take_vector(&body, 2, &out->cipher_suites) ||
		!span_take_vector(&body, 1, &compression))
		return false;
	if (out->session_id.len > 32 || !out->cipher_suites.len || out->cipher_suites.len % 2 || !compression.len)
		return false;
	out->legacy_version = legacy_version;
	versions_from_legacy(out);
	if (!body.len)
		return true;
	if (!span_take_vector(&body, 2, &out->extensions) || body.len)
		return false;
	return parse_extensions(out->extensions, out);
}

enum client_hello_result client_hello_read(const uint8_t *data, size_t len, uint8_t *message, struct client_hello *out)
{
	struct span in = SPAN(data, len), body;
	enum client_hello_result result;
	size_t total = 0;

	if (len && data[0] != RECORD_HANDSHAKE)
		return CLIENT_HELLO_CLEARTEXT;
	result = message_measure(in, &total);
	if (result != CLIENT_HELLO_COMPLETE)
		return result;
	body = message_gather(in, total, message);
	span_skip(&body, HANDSHAKE_HEADER);
	return client_hello_parse(body, out) ? CLIENT_HELLO_COMPLETE : CLIENT_HELLO_MALFORMED;
}

bool client_hello_offers_alpn(const struct client_hello *hello, const char *protocol)
{
	struct span names = hello->alpn, name;

	while (span_take_vector(&names, 1, &name))
		if (span_is(name, protocol))
			return true;
	return false;
}

static bool sni_character_is_valid(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
	       c == '_';
}

bool client_hello_sni_is_valid(struct span sni)
{
	if (!sni.len || sni.len > 255)
		return false;
	for (size_t i = 0; i < sni.len; i++)
		if (!sni_character_is_valid(sni.data[i]))
			return false;
	return true;
}

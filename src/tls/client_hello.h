/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The held ClientHello (RFC 8446 section 4.1.2, RFC 5246 section 7.4.1.2), read before any engine sees it. Pure
 * functions over hostile bytes: no allocation, bounded time, spans borrow from the input. */
#include <stdbool.h>
#include <stdint.h>

#include "base/common.h"

#define CLIENT_HELLO_MAX 16640 /* reassembled handshake message; larger is refused as malformed */

struct client_hello {
	uint16_t legacy_version;
	/* offered, GREASE and drafts left out; from supported_versions, else 0x0300 to legacy_version; 0: none we know
	 */
	uint16_t version_min, version_max;
	struct span random, session_id, cipher_suites;
	struct span extensions; /* whole block */
	struct span sni;        /* host_name, empty when absent; not yet checked for characters */
	struct span alpn;       /* ProtocolNameList's content, wire format, empty when absent */
	struct span groups, signature_algorithms, key_shares;
	bool early_data, has_ticket, status_request;
};

enum client_hello_result {
	CLIENT_HELLO_COMPLETE,
	CLIENT_HELLO_NEED_MORE,
	CLIENT_HELLO_CLEARTEXT, /* the first byte is not a handshake record (D10) */
	CLIENT_HELLO_MALFORMED,
};

/* Reassembles the first handshake message from TLS records in data[0..len) into message (CLIENT_HELLO_MAX bytes;
 * used only when the message spans records; *out then borrows from it). data holds all bytes received so far. */
enum client_hello_result client_hello_read(const uint8_t *data, size_t len, uint8_t *message, struct client_hello *out);
/* the message's body, after the four bytes of handshake header; false: malformed */
bool client_hello_parse(struct span body, struct client_hello *out);
/* true when the wire-format list contains the protocol */
bool client_hello_offers_alpn(const struct client_hello *hello, const char *protocol);
/* host names as logged and compared: LDH characters, dots and underscores, 1 to 255 bytes */
bool client_hello_sni_is_valid(struct span sni);

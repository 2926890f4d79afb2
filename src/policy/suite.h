/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Cipher suites as policy (D2, D3, D4): one table (suites.def) and what an SSL server's options make of it. Pure: the
 * TLS engine is not asked; a unit test holds the table to it. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

enum suite_authentication { SUITE_AUTHENTICATION_ANY, SUITE_AUTHENTICATION_RSA, SUITE_AUTHENTICATION_ECDSA };

/* why this version's engine lacks a suite */
enum suite_lack { SUITE_LACK_NONE, SUITE_LACK_ECDHE_3DES, SUITE_LACK_CBC_SHA2, SUITE_LACK_DES, SUITE_LACK_N };

struct suite {
	uint16_t id; /* IANA */
	const char *iana, *openssl;
	enum config_key_exchange key_exchange;
	enum suite_authentication authentication;
	enum config_bulk bulk;
	enum config_mac mac;
	uint16_t protocol_min, protocol_max;
	enum suite_lack lack;
};

extern const struct suite suites[]; /* in the order of preference */
extern const size_t suites_n;

/* by IANA or OpenSSL name; NULL when there is none */
const struct suite *suite_find(const char *name);
/* the name that is nearest to a mistyped one, or NULL */
const char *suite_suggest(const char *name);
/* the server's options ask for it: protocols, key exchange, bulk, MAC, and it is not disabled by name */
bool suite_is_selected(const struct config_ssl_server *server, const struct suite *suite);
/* selected and in the engine, or of TLS 1.3 with that protocol on: those are all or none */
bool suite_is_offered(const struct config_ssl_server *server, const struct suite *suite);
/* The offered suites up to TLS 1.2 as OpenSSL names joined by ':', for both legs; the caller frees. NULL with 0: no
 * option restricts them, the engine's own order of the same suites holds. */
int suite_list(const struct config_ssl_server *server, char **out);

/* What commit tells about a server's selection (extended status): report is called with one sentence per finding;
 * error: the configuration cannot come into force. */
typedef void (*suite_report_fn)(void *owner, bool error, const char *text);
void suite_check(const struct config_ssl_server *server, suite_report_fn report, void *owner);

const char *suite_lack_text(enum suite_lack lack);
const char *suite_authentication_name(enum suite_authentication authentication);

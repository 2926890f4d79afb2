/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/suite.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/common.h"
#include "base/suggest.h"

#define SUITE_TEXT_MAX 1024
#define PROTOCOL_LEGACY_MAX 0x0303 /* TLS 1.2: above it suites cannot be chosen singly */

const struct suite suites[] = {
#define SUITE(id, iana, openssl, kx, auth, bulk, mac, min, max, lack)                                  \
	{id, iana, openssl, CONFIG_KEY_EXCHANGE_##kx, SUITE_AUTHENTICATION_##auth, CONFIG_BULK_##bulk, \
		CONFIG_MAC_##mac, min, max, SUITE_LACK_##lack},
#include "policy/suites.def"
#undef SUITE
};
const size_t suites_n = ARRAY_SIZE(suites);

static const char *const lack_texts[SUITE_LACK_N] = {
	[SUITE_LACK_NONE] = "",
	[SUITE_LACK_ECDHE_3DES] = "it has 3DES with RSA key exchange only",
	[SUITE_LACK_CBC_SHA2] = "it has SHA-256 and SHA-384 in AEAD suites only, not with CBC",
	[SUITE_LACK_DES] = "it has no single DES",
};

const char *suite_lack_text(enum suite_lack lack)
{
	return lack_texts[lack];
}

const char *suite_authentication_name(enum suite_authentication authentication)
{
	static const char *const names[] = {
		[SUITE_AUTHENTICATION_ANY] = "any",
		[SUITE_AUTHENTICATION_RSA] = "rsa",
		[SUITE_AUTHENTICATION_ECDSA] = "ecdsa",
	};

	return names[authentication];
}

static bool suite_has_name(const struct suite *suite, const char *name)
{
	return !strcmp(name, suite->iana) || !strcmp(name, suite->openssl);
}

const struct suite *suite_find(const char *name)
{
	for (size_t i = 0; i < suites_n; i++)
		if (suite_has_name(&suites[i], name))
			return &suites[i];
	return NULL;
}

const char *suite_suggest(const char *name)
{
	struct suggest suggest = {.word = name};

	for (size_t i = 0; i < suites_n; i++) {
		suggest_try(&suggest, suites[i].iana);
		suggest_try(&suggest, suites[i].openssl);
	}
	return suggest.best;
}

/* --- selection --------------------------------------------------------------------------------------------------- */

/* an option that is not given selects all, but neither DES nor 3DES: those must be asked for (D2, and 64-bit blocks
 * leak after some gigabytes) */
static bool suite_word_is_on(unsigned int words, unsigned int word)
{
	return words ? words & 1u << word : true;
}

static bool suite_algorithms_are_on(const struct config_ssl_server *server, const struct suite *suite)
{
	if (!server->bulk && (suite->bulk == CONFIG_BULK_DES || suite->bulk == CONFIG_BULK_3DES))
		return false;
	return suite_word_is_on(server->key_exchange, suite->key_exchange) &&
	       suite_word_is_on(server->bulk, suite->bulk) && suite_word_is_on(server->mac, suite->mac);
}

static bool suite_is_disabled(const struct config_ssl_server *server, const struct suite *suite)
{
	for (size_t i = 0; i < server->cipher_suites_disabled.n; i++)
		if (suite_has_name(suite, server->cipher_suites_disabled.items[i]))
			return true;
	return false;
}

static bool suite_fits_protocols(const struct config_ssl_server *server, const struct suite *suite)
{
	return suite->protocol_min <= server->protocol_max && suite->protocol_max >= server->protocol_min;
}

bool suite_is_selected(const struct config_ssl_server *server, const struct suite *suite)
{
	return suite_fits_protocols(server, suite) && suite_algorithms_are_on(server, suite) &&
	       !suite_is_disabled(server, suite);
}

bool suite_is_offered(const struct config_ssl_server *server, const struct suite *suite)
{
	if (suite->protocol_min > PROTOCOL_LEGACY_MAX)
		return suite_fits_protocols(server, suite);
	return suite_is_selected(server, suite) && suite->lack == SUITE_LACK_NONE;
}

static bool server_restricts_suites(const struct config_ssl_server *server)
{
	return server->key_exchange || server->bulk || server->mac || server->cipher_suites_disabled.n;
}

int suite_list(const struct config_ssl_server *server, char **out)
{
	char *list;
	size_t size = 1;

	*out = NULL;
	if (!server_restricts_suites(server))
		return 0;
	for (size_t i = 0; i < suites_n; i++)
		size += strlen(suites[i].openssl) + 1;
	list = calloc(1, size);
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < suites_n; i++) {
		if (suites[i].protocol_min > PROTOCOL_LEGACY_MAX || !suite_is_offered(server, &suites[i]))
			continue;
		if (*list)
			strcat(list, ":");
		strcat(list, suites[i].openssl);
	}
	*out = list;
	return 0;
}

/* --- extended status (D4) ---------------------------------------------------------------------------------------- */

struct report {
	const struct config_ssl_server *server;
	suite_report_fn fn;
	void *owner;
};

__attribute__((format(printf, 3, 4))) static void report_say(
	const struct report *report, bool error, const char *fmt, ...)
{
	char text[SUITE_TEXT_MAX];
	va_list args;
	int n = snprintf(text, sizeof(text), "ssl_server %s: ", report->server->name);

	va_start(args, fmt);
	vsnprintf(text + n, sizeof(text) - n, fmt, args);
	va_end(args);
	report->fn(report->owner, error, text);
}

/* the option that must stand in the configuration for the suite to count as selected by the operator */
static bool suite_was_asked_for(const struct config_ssl_server *server, const struct suite *suite)
{
	return suite->lack == SUITE_LACK_CBC_SHA2 ? server->mac : server->bulk;
}

static void check_lack(const struct report *report, enum suite_lack lack)
{
	char names[SUITE_TEXT_MAX / 2] = "";
	size_t used = 0;

	for (size_t i = 0; i < suites_n; i++) {
		const struct suite *suite = &suites[i];

		if (suite->lack != lack || !suite_is_selected(report->server, suite) ||
			!suite_was_asked_for(report->server, suite))
			continue;
		used += snprintf(names + used, sizeof(names) - used, "%s%s", used ? ", " : "", suite->openssl);
	}
	if (used)
		report_say(report, false, "selected, but not in this version's TLS engine (%s): %s: never negotiated",
			lack_texts[lack], names);
}

/* TLS 1.3 has three suites, and the engine knows no way to leave one out */
static void check_tls13(const struct report *report)
{
	for (size_t i = 0; i < suites_n; i++)
		if (suites[i].protocol_min > PROTOCOL_LEGACY_MAX && suite_fits_protocols(report->server, &suites[i]) &&
			!suite_is_selected(report->server, &suites[i]))
			report_say(report, false,
				"%s stays on although its options leave it out: this version's TLS engine has the "
				"suites of TLS 1.3 all or none; to be without it, take tls1.3 out of protocols",
				suites[i].iana);
}

static void check_disabled_names(const struct report *report)
{
	const struct config_strings *names = &report->server->cipher_suites_disabled;

	for (size_t i = 0; i < names->n; i++) {
		const char *nearest;

		if (suite_find(names->items[i]))
			continue;
		nearest = suite_suggest(names->items[i]);
		report_say(report, true,
			"cipher_suites_disabled: \"%s\" is not a cipher suite known here (sluice show ciphers)%s%s%s",
			names->items[i], nearest ? ": did you mean \"" : "", nearest ?: "", nearest ? "\"?" : "");
	}
}

/* a protocol that is on and has no suite left cannot be negotiated */
static void check_protocols(const struct report *report)
{
	const struct config_ssl_server *server = report->server;
	static const char *const names[] = {"tls1.0", "tls1.1", "tls1.2", "tls1.3"};

	for (uint16_t version = MAX(server->protocol_min, 0x0301); version <= server->protocol_max; version++) {
		size_t n = 0;

		for (size_t i = 0; i < suites_n; i++)
			n += suites[i].protocol_min <= version && suites[i].protocol_max >= version &&
			     suite_is_offered(server, &suites[i]);
		if (!n)
			report_say(report, version == PROTOCOL_LEGACY_MAX || version == server->protocol_max,
				"no cipher suite is left for %s: take it out of protocols, or select more of "
				"key_exchange, bulk and mac",
				names[version - 0x0301]);
	}
}

void suite_check(const struct config_ssl_server *server, suite_report_fn fn, void *owner)
{
	const struct report report = {server, fn, owner};

	check_disabled_names(&report);
	for (enum suite_lack lack = SUITE_LACK_NONE + 1; lack < SUITE_LACK_N; lack++)
		check_lack(&report, lack);
	check_tls13(&report);
	check_protocols(&report);
}

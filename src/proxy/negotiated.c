/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/negotiated.h"

#include "base/common.h"
#include "policy/suite.h"
#include "proxy/session.h"

#define VERSION_FIRST 0x0301 /* TLS 1.0 */

static const enum counter_id versions[][LEGS] = {
	{COUNTER_SESSIONS_TLS10, COUNTER_SESSIONS_TLS10_SERVER},
	{COUNTER_SESSIONS_TLS11, COUNTER_SESSIONS_TLS11_SERVER},
	{COUNTER_SESSIONS_TLS12, COUNTER_SESSIONS_TLS12_SERVER},
	{COUNTER_SESSIONS_TLS13, COUNTER_SESSIONS_TLS13_SERVER},
};

/* CBC: the engine has it with SHA-1 only, which no AEAD suite has */
static const struct {
	enum config_bulk bulk;
	bool cbc;
	enum counter_id counters[LEGS];
} ciphers[] = {
	{CONFIG_BULK_AES256, false, {COUNTER_SESSIONS_AES256_GCM, COUNTER_SESSIONS_AES256_GCM_SERVER}},
	{CONFIG_BULK_AES128, false, {COUNTER_SESSIONS_AES128_GCM, COUNTER_SESSIONS_AES128_GCM_SERVER}},
	{CONFIG_BULK_CHACHA20, false, {COUNTER_SESSIONS_CHACHA20, COUNTER_SESSIONS_CHACHA20_SERVER}},
	{CONFIG_BULK_AES256, true, {COUNTER_SESSIONS_AES256_CBC, COUNTER_SESSIONS_AES256_CBC_SERVER}},
	{CONFIG_BULK_AES128, true, {COUNTER_SESSIONS_AES128_CBC, COUNTER_SESSIONS_AES128_CBC_SERVER}},
	{CONFIG_BULK_3DES, true, {COUNTER_SESSIONS_3DES, COUNTER_SESSIONS_3DES_SERVER}},
};

static void count_version(struct session *session, enum session_leg leg)
{
	size_t version = session->facts.version[leg] - VERSION_FIRST;

	if (session->facts.version[leg] >= VERSION_FIRST && version < ARRAY_SIZE(versions))
		session_count(session, versions[version][leg], 1);
}

static const struct suite *suite_of_id(uint16_t id)
{
	for (size_t i = 0; i < suites_n; i++)
		if (suites[i].id == id)
			return &suites[i];
	return NULL;
}

static void count_suite(struct session *session, enum session_leg leg)
{
	static const enum counter_id rsa[LEGS] = {
		COUNTER_SESSIONS_RSA_KEY_EXCHANGE, COUNTER_SESSIONS_RSA_KEY_EXCHANGE_SERVER};
	const struct suite *suite = suite_of_id(session->facts.cipher_id[leg]);

	for (size_t i = 0; suite && i < ARRAY_SIZE(ciphers); i++)
		if (ciphers[i].bulk == suite->bulk && ciphers[i].cbc == (suite->mac == CONFIG_MAC_SHA1))
			session_count(session, ciphers[i].counters[leg], 1);
	if (suite && suite->protocol_max < VERSION_FIRST + 3 && suite->key_exchange == CONFIG_KEY_EXCHANGE_RSA)
		session_count(session, rsa[leg], 1);
}

void negotiated_count(struct session *session)
{
	for (enum session_leg leg = 0; leg < LEGS; leg++) {
		count_version(session, leg);
		count_suite(session, leg);
	}
}

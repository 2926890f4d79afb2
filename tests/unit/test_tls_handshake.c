/* SPDX-License-Identifier: Apache-2.0 */
/* An acceptor and a connector in memory: versions, suites, certificates, resumption, failures. */
#include "tls_fixture.h"

#include <errno.h>

#include <stdio.h>
#include <string.h>

static struct fake_certificate rsa, ec, ec384, other, wildcard;

static int make_certificates(void **state)
{
	fake_certificate_make(&rsa, "rsa", "rsa", "www.example.org,example.org");
	fake_certificate_make(&ec, "ec", "p256", "www.example.org");
	fake_certificate_make(&ec384, "ec384", "p384", "big.example.org");
	fake_certificate_make(&other, "other.example.net", "rsa", NULL);
	fake_certificate_make(&wildcard, "wildcard", "rsa", "*.example.org");
	return 0;
}

static int clear_certificates(void **state)
{
	fake_certificate_clear(&rsa);
	fake_certificate_clear(&ec);
	fake_certificate_clear(&ec384);
	fake_certificate_clear(&other);
	fake_certificate_clear(&wildcard);
	return 0;
}

static void assert_established(const struct pair *pair)
{
	if (pair->a.status != TLS_OK || pair->c.status != TLS_OK)
		fail_msg("acceptor %s (%s), connector %s (%s)", tls_error_name(tls_conn_error(pair->a.conn)),
			tls_conn_error_text(pair->a.conn), tls_error_name(tls_conn_error(pair->c.conn)),
			tls_conn_error_text(pair->c.conn));
}

static void assert_says(struct pair *pair, struct peer *from, struct peer *to, const char *text)
{
	uint8_t buf[256];
	size_t n = 0, got = 0;

	assert_int_equal(tls_write(from->conn, (const uint8_t *)text, strlen(text), &n), TLS_OK);
	assert_int_equal(n, strlen(text));
	while (peer_deliver(pair, from, to))
		;
	for (; got < strlen(text); got += n) /* TLS 1.0 sends the first byte in a record of its own */
		assert_int_equal(tls_read(to->conn, buf + got, sizeof(buf) - got, &n), TLS_OK);
	assert_int_equal(got, strlen(text));
	assert_memory_equal(buf, text, got);
}

static void assert_talk(struct pair *pair)
{
	assert_says(pair, &pair->a, &pair->c, "from the server");
	assert_says(pair, &pair->c, &pair->a, "from the client");
}

/* --- D1, D3: versions and suites -------------------------------------------------------------------------------- */

struct suite_case {
	uint16_t version;
	const char *list; /* of the acceptor */
	const char *cipher, *group;
	bool ecdsa;
	unsigned int n_sign, n_decrypt;
};

static const struct suite_case suite_cases[] = {
	{0x0301, "AES128-SHA", "TLS_RSA_WITH_AES_128_CBC_SHA", "", false, 0, 1},
	{0x0301, "DES-CBC3-SHA", "TLS_RSA_WITH_3DES_EDE_CBC_SHA", "", false, 0, 1},
	{0x0301, "ECDHE-RSA-AES256-SHA", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "X25519", false, 1, 0},
	{0x0301, NULL, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "X25519", true, 1, 0},
	{0x0302, NULL, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "X25519", false, 1, 0},
	{0x0302, NULL, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "X25519", true, 1, 0},
	{0x0303, NULL, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "X25519", false, 1, 0},
	{0x0303, NULL, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "X25519", true, 1, 0},
	{0x0303, "AES128-GCM-SHA256", "TLS_RSA_WITH_AES_128_GCM_SHA256", "", false, 0, 1},
	{0x0303, "AES256-GCM-SHA384", "TLS_RSA_WITH_AES_256_GCM_SHA384", "", false, 0, 1},
	{0x0303, "DES-CBC-SHA:NO-SUCH:ECDHE-RSA-CHACHA20-POLY1305:TLS_AES_128_GCM_SHA256",
		"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "X25519", false, 1, 0},
	{0x0304, NULL, NULL, "X25519", false, 1, 0},
	{0x0304, "TLS_AES_128_GCM_SHA256", NULL, "X25519", true, 1, 0},
};

static void run_suite_case(const struct suite_case *t, size_t chunk)
{
	struct tls_facts a, c;
	struct pair pair;

	pair_init(&pair, t->ecdsa ? &ec : &rsa);
	pair.accept.protocol_min = pair.accept.protocol_max = t->version;
	pair.accept.cipher_list = t->list;
	if (t->cipher && strstr(t->cipher, "3DES")) /* in neither side's default list */
		pair.connect.cipher_list = t->list;
	pair.chunk = chunk;
	pair_open(&pair);
	pair_handshake(&pair);
	assert_established(&pair);
	tls_conn_facts(pair.a.conn, &a);
	tls_conn_facts(pair.c.conn, &c);
	assert_int_equal(a.version, t->version);
	assert_int_equal(c.version, t->version);
	if (t->cipher)
		assert_string_equal(a.cipher, t->cipher);
	assert_int_equal(a.cipher_id, c.cipher_id);
	assert_string_equal(a.group, t->group);
	assert_string_equal(c.group, t->group);
	assert_string_equal(a.certificate, t->ecdsa ? "ec" : "rsa");
	assert_int_equal(a.signature_algorithm != 0, t->n_sign);
	if (t->version >= 0x0303)
		assert_int_equal(a.signature_algorithm, c.signature_algorithm);
	assert_false(a.resumed);
	assert_int_equal(pair.keeper.n_sign, t->n_sign);
	assert_int_equal(pair.keeper.n_decrypt, t->n_decrypt);
	if (t->n_decrypt) /* the client's legacy_version goes with the request (RFC 5246 section 7.4.7.1) */
		assert_int_equal(pair.keeper.last_algorithm, 0x0303);
	assert_talk(&pair);
	pair_clear(&pair);
}

static void test_d1_d3_versions_and_suites(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(suite_cases); i++)
		run_suite_case(&suite_cases[i], SIZE_MAX);
}

static void test_d1_byte_by_byte(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(suite_cases); i++)
		run_suite_case(&suite_cases[i], 1);
}

static void test_d3_every_kind_of_key(void **state)
{
	static const char *const kinds[] = {"rsa1024", "p256", "p384", "p521", "ed25519"};
	static const uint16_t tls13_signatures[] = {0x0804, 0x0403, 0x0503, 0x0603, 0x0807};

	for (size_t i = 0; i < 2 * ARRAY_SIZE(kinds); i++) {
		uint16_t version = i % 2 ? 0x0303 : 0x0304;
		struct fake_certificate cert;
		struct tls_facts facts;
		struct pair pair;

		fake_certificate_make(&cert, kinds[i / 2], kinds[i / 2], "www.example.org");
		pair_init(&pair, &cert);
		pair.accept.protocol_max = version;
		pair.connect.pin = true;
		pair.connect.n_certificates = 1;
		pair.connect.certificates = &cert.tls;
		pair_open(&pair);
		pair_handshake(&pair);
		assert_established(&pair);
		tls_conn_facts(pair.c.conn, &facts);
		assert_int_equal(facts.version, version);
		if (version == 0x0304)
			assert_int_equal(facts.signature_algorithm, tls13_signatures[i / 2]);
		pair_clear(&pair);
		fake_certificate_clear(&cert);
	}
}

static void test_d5_versions_of_the_client_are_kept_on_the_server_leg(void **state)
{
	struct tls_facts facts;
	struct pair pair;
	struct peer peer;

	pair_init(&pair, &rsa);
	pair.options.protocol_min = 0x0300;
	pair.options.protocol_max = 0x0302;
	pair_open(&pair);
	pair_handshake(&pair);
	assert_established(&pair);
	tls_conn_facts(pair.c.conn, &facts);
	assert_int_equal(facts.version, 0x0302);
	assert_string_equal(facts.version_name, "TLSv1.1");
	pair.options.protocol_max = 0x0300;
	assert_int_equal(
		tls_connect(&peer.conn, pair.connector, &pair.options, &peer_callbacks, &peer), -EPROTONOSUPPORT);
	pair_clear(&pair);
}

/* --- D8: certificate choice --------------------------------------------------------------------------------------- */

struct choice_case {
	const char *sni;
	uint16_t client_max;
	const char *cipher_list;
	const char *certificate;
};

/* held: rsa (default; www.example.org), ec (www.example.org), wildcard (*.example.org), other.example.net by its CN */
static const struct choice_case choice_cases[] = {
	{"", 0x0304, NULL, "ec"},
	{"", 0x0303, "ECDHE-RSA-AES128-GCM-SHA256", "rsa"},
	{"www.example.org", 0x0304, NULL, "ec"},
	{"WWW.Example.ORG", 0x0303, NULL, "ec"},
	{"www.example.org", 0x0303, "AES128-SHA", "rsa"},
	{"example.org", 0x0304, NULL, "rsa"},
	{"mail.example.org", 0x0304, NULL, "wildcard"},
	{"a.mail.example.org", 0x0303, "ECDHE-RSA-AES128-GCM-SHA256", "rsa"},
	{"other.example.net", 0x0304, NULL, "other.example.net"},
	{"other.example.net", 0x0301, NULL, "other.example.net"},
	{"unknown.example.com", 0x0304, NULL, "ec"},
};

static void test_d8_certificate_by_sni_and_key_type(void **state)
{
	const struct tls_certificate held[] = {rsa.tls, ec.tls, wildcard.tls, other.tls};
	struct tls_facts facts;

	for (size_t i = 0; i < ARRAY_SIZE(choice_cases); i++) {
		const struct choice_case *t = &choice_cases[i];
		struct pair pair;

		pair_init(&pair, &rsa);
		pair.keeper.certs[1] = &ec;
		pair.keeper.certs[2] = &wildcard;
		pair.keeper.certs[3] = &other;
		pair.keeper.n_certs = 4;
		pair.accept.n_certificates = ARRAY_SIZE(held);
		pair.accept.certificates = held;
		pair.accept.cipher_list = t->cipher_list;
		pair.options.sni = SPAN(t->sni, strlen(t->sni));
		pair.options.protocol_max = t->client_max;
		pair_open(&pair);
		pair_handshake(&pair);
		assert_established(&pair);
		tls_conn_facts(pair.a.conn, &facts);
		if (strcmp(facts.certificate, t->certificate))
			fail_msg("case %zu: %s instead of %s", i, facts.certificate, t->certificate);
		pair_clear(&pair);
	}
}

/* --- D5: ALPN, resumption -------------------------------------------------------------------------------------------
 */

static void test_c4_alpn_is_what_the_caller_selected(void **state)
{
	static const uint8_t offer[] = "\x02h2\x08http/1.1";
	static const struct {
		const char *select, *expect;
	} cases[] = {{"http/1.1", "http/1.1"}, {"h2", "h2"}, {"", ""}, {"imap", ""}};
	struct tls_facts a, c;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pair pair;

		pair_init(&pair, &ec);
		pair.options.alpn = SPAN(offer, sizeof(offer) - 1);
		pair_open(&pair);
		tls_conn_select_alpn(pair.a.conn, SPAN(cases[i].select, strlen(cases[i].select)));
		pair_handshake(&pair);
		assert_established(&pair);
		tls_conn_facts(pair.a.conn, &a);
		tls_conn_facts(pair.c.conn, &c);
		assert_int_equal(a.alpn.len, strlen(cases[i].expect));
		assert_memory_equal(a.alpn.data ? a.alpn.data : (const uint8_t *)"", cases[i].expect, a.alpn.len);
		assert_int_equal(c.alpn.len, a.alpn.len);
		pair_clear(&pair);
	}
}

static bool pair_resumes(struct pair *pair)
{
	struct tls_facts a, c;

	pair_open(pair);
	pair_handshake(pair);
	assert_established(pair);
	assert_talk(pair);
	tls_conn_facts(pair->a.conn, &a);
	tls_conn_facts(pair->c.conn, &c);
	assert_int_equal(a.resumed, c.resumed);
	pair_close(pair);
	return a.resumed;
}

static void test_d5_resumption_on_both_legs(void **state)
{
	for (uint16_t version = 0x0301; version <= 0x0304; version++) {
		struct pair pair;

		pair_init(&pair, &rsa);
		pair.accept.protocol_min = pair.accept.protocol_max = version;
		pair.options.session_cache_key = 42;
		assert_false(pair_resumes(&pair));
		assert_true(pair_resumes(&pair));
		assert_true(pair_resumes(&pair));
		assert_int_equal(pair.keeper.n_sign, 1);
		pair.options.session_cache_key = 43;
		assert_false(pair_resumes(&pair));
		pair.options.session_cache_key = 42;
		pair.options.sni = SPAN("www.example.org", 15); /* another name, another session */
		assert_false(pair_resumes(&pair));
		pair_clear(&pair);
	}
}

static void test_d5_ticket_keys_are_shared_and_rotated(void **state)
{
	static const struct tls_ticket_key one = {.name = "one", .aes = "a", .hmac = "h"};
	static const struct tls_ticket_key two = {.name = "two", .aes = "b", .hmac = "i"};
	static const struct tls_ticket_key three = {.name = "three", .aes = "c", .hmac = "j"};

	for (uint16_t version = 0x0303; version <= 0x0304; version++) {
		struct pair pair;

		pair_init(&pair, &ec);
		pair.accept.protocol_max = version;
		pair.options.session_cache_key = 1;
		tls_runtime_set_ticket_keys(pair.runtime, &one, NULL);
		assert_false(pair_resumes(&pair));
		tls_acceptor_unref(&pair.acceptor); /* as another worker would */
		assert_true(pair_resumes(&pair));
		tls_runtime_set_ticket_keys(pair.runtime, &two, &one);
		assert_true(pair_resumes(&pair)); /* and gets one under the new key */
		tls_runtime_set_ticket_keys(pair.runtime, &three, &two);
		assert_true(pair_resumes(&pair));
		tls_runtime_set_ticket_keys(pair.runtime, &one, NULL);
		assert_false(pair_resumes(&pair));
		pair_clear(&pair);
	}
}

static void test_e3_tickets_end_with_their_certificate(void **state)
{
	struct pair pair;

	pair_init(&pair, &rsa);
	pair.keeper.certs[pair.keeper.n_certs++] = &other;
	pair.options.session_cache_key = 1;
	assert_false(pair_resumes(&pair));
	assert_true(pair_resumes(&pair));
	tls_acceptor_unref(&pair.acceptor);
	pair.accept.certificates = &other.tls;
	assert_false(pair_resumes(&pair));
	tls_acceptor_unref(&pair.acceptor);
	pair.accept.certificates = &rsa.tls;
	pair.accept.protocol_min = 0x0303; /* other options, other context */
	assert_false(pair_resumes(&pair));
	pair_clear(&pair);
}

/* --- D9 -------------------------------------------------------------------------------------------------------------
 */

static void test_d9_pinned_leaf(void **state)
{
	const struct tls_certificate held[] = {other.tls, rsa.tls};
	struct pair pair;

	pair_init(&pair, &rsa);
	pair.connect.pin = true;
	pair.connect.n_certificates = ARRAY_SIZE(held);
	pair.connect.certificates = held;
	pair_open(&pair);
	pair_handshake(&pair);
	assert_established(&pair);
	pair_clear(&pair);
}

static void test_d9_drift(void **state)
{
	for (uint16_t version = 0x0301; version <= 0x0304; version++) {
		struct pair pair;

		pair_init(&pair, &rsa);
		pair.accept.protocol_max = version;
		pair.connect.pin = true;
		pair.connect.n_certificates = 1;
		pair.connect.certificates = &ec.tls;
		pair_open(&pair);
		pair_handshake(&pair);
		assert_int_equal(pair.c.status, TLS_FAILED);
		assert_int_equal(tls_conn_error(pair.c.conn), TLS_ERROR_CERTIFICATE_DRIFT);
		assert_int_equal(pair.a.status, TLS_FAILED);
		assert_int_equal(tls_conn_error(pair.a.conn), TLS_ERROR_ALERT);
		assert_int_equal(tls_conn_alert_received(pair.a.conn), 46);
		pair_clear(&pair);
	}
}

/* --- failures -------------------------------------------------------------------------------------------------------
 */

static void test_no_shared_version(void **state)
{
	struct pair pair;

	pair_init(&pair, &rsa);
	pair.accept.protocol_min = 0x0303;
	pair.connect.protocol_max = 0x0302;
	pair_open(&pair);
	pair_handshake(&pair);
	assert_int_equal(tls_conn_error(pair.a.conn), TLS_ERROR_NO_SHARED_VERSION);
	assert_int_equal(tls_conn_error(pair.c.conn), TLS_ERROR_NO_SHARED_VERSION);
	assert_int_equal(tls_conn_alert_received(pair.c.conn), 70);
	assert_int_equal(tls_conn_alert_received(pair.a.conn), -1);
	pair_clear(&pair);
}

static void test_no_shared_cipher(void **state)
{
	struct pair pair;

	pair_init(&pair, &rsa);
	pair.accept.protocol_max = 0x0303;
	pair.accept.cipher_list = "ECDHE-ECDSA-AES128-GCM-SHA256";
	pair_open(&pair);
	pair_handshake(&pair);
	assert_int_equal(tls_conn_error(pair.a.conn), TLS_ERROR_NO_SHARED_CIPHER);
	assert_int_equal(tls_conn_error(pair.c.conn), TLS_ERROR_NO_SHARED_CIPHER);
	assert_int_equal(tls_conn_alert_received(pair.c.conn), 40);
	assert_string_not_equal(tls_conn_error_text(pair.a.conn), "");
	pair_clear(&pair);
}

static void test_options_that_cannot_be(void **state)
{
	struct pair pair;

	pair_init(&pair, &rsa);
	pair.accept.cipher_list = "DES-CBC-SHA";
	assert_int_equal(tls_acceptor_new(&pair.acceptor, pair.runtime, &pair.accept), -EINVAL);
	pair.accept.cipher_list = NULL;
	pair.accept.protocol_max = 0x0300;
	assert_int_equal(tls_acceptor_new(&pair.acceptor, pair.runtime, &pair.accept), -EINVAL);
	pair.accept.protocol_max = 0x0304;
	pair.accept.n_certificates = 0;
	assert_int_equal(tls_acceptor_new(&pair.acceptor, pair.runtime, &pair.accept), -EINVAL);
	assert_null(pair.acceptor);
	pair_clear(&pair);
}

static void test_garbage(void **state)
{
	static const char *const inputs[] = {"GET / HTTP/1.0\r\n\r\n", "\x16\x03\x01\xff\xff garbage garbage",
		"\x16\x03\x01\x00\x04\x01\x00\x00\x00", "\x15\x03\x01\x00\x02\x02\x28 more of it"};
	static const size_t lengths[] = {18, 21, 9, 18};

	for (size_t i = 0; i < ARRAY_SIZE(inputs); i++) {
		struct pair pair;

		pair_init(&pair, &rsa);
		pair_open(&pair);
		assert_int_equal(tls_conn_feed(pair.a.conn, (const uint8_t *)inputs[i], lengths[i]), 0);
		assert_int_equal(tls_handshake(pair.a.conn), TLS_FAILED);
		assert_int_equal(tls_conn_error(pair.a.conn), i == 3 ? TLS_ERROR_ALERT : TLS_ERROR_PROTOCOL);
		assert_int_equal(tls_handshake(pair.a.conn), TLS_FAILED);
		pair_clear(&pair);
	}
}

static void test_alerts_of_ours_reach_the_peer(void **state)
{
	struct pair pair;

	pair_init(&pair, &rsa);
	pair_open(&pair);
	tls_send_alert(pair.a.conn, 80); /* before the handshake began: the client was only listened to */
	pair_handshake(&pair);
	assert_int_equal(tls_conn_error(pair.c.conn), TLS_ERROR_ALERT);
	assert_int_equal(tls_conn_alert_received(pair.c.conn), 80);
	pair_clear(&pair);
}

/* --- keys (E6) ---------------------------------------------------------------------------------------------------- */

static void assert_key_error(struct pair *pair)
{
	assert_int_equal(pair->a.status, TLS_FAILED);
	assert_int_equal(tls_conn_error(pair->a.conn), TLS_ERROR_KEY);
}

static void test_e6_no_keeper(void **state)
{
	struct pair pair;

	pair_init(&pair, &rsa);
	assert_int_equal(tls_runtime_set_keyring(pair.runtime, -1, -1, -1), 0);
	pair_open(&pair);
	pair_handshake(&pair);
	assert_key_error(&pair);
	pair_clear(&pair);
}

/* whatever the key exchange: the client has heard nothing, so it can still be bypassed; what is resumed needs no key */
static void test_e6_no_keeper_is_found_out_before_the_client_hears_of_us(void **state)
{
	static const char *const suites[] = {"AES128-GCM-SHA256", "AES256-SHA", "ECDHE-RSA-AES128-GCM-SHA256"};

	for (size_t i = 0; i < ARRAY_SIZE(suites); i++) {
		struct pair pair;

		pair_init(&pair, &rsa);
		pair.accept.protocol_max = 0x0303;
		pair.accept.cipher_list = suites[i];
		pair_open(&pair);
		pair_handshake(&pair);
		assert_established(&pair);
		pair_close(&pair);
		assert_int_equal(tls_runtime_set_keyring(pair.runtime, -1, -1, -1), 0);
		pair_open(&pair);
		pair.a.room = 0;
		pair_handshake(&pair);
		assert_key_error(&pair);
		assert_int_equal(pair.a.out_len + pair.a.refused, 0);
		assert_int_equal(tls_runtime_counts(pair.runtime)->key_failures, 1);
		pair_clear(&pair);
	}
}

static void test_e6_keeper_lacks_the_key_or_fails(void **state)
{
	static const uint32_t faults[] = {KEYRING_NO_KEY, KEYRING_BAD_REQUEST, KEYRING_FAULT, 77};

	for (size_t i = 0; i < 2 * ARRAY_SIZE(faults); i++) {
		struct pair pair;

		pair_init(&pair, &rsa);
		pair.accept.protocol_max = 0x0303;
		pair.accept.cipher_list = i % 2 ? "AES128-GCM-SHA256" : NULL;
		pair.keeper.fault = faults[i / 2];
		pair_open(&pair);
		pair_handshake(&pair);
		assert_key_error(&pair);
		pair_clear(&pair);
	}
}

static void test_e6_keeper_replaced_while_an_operation_is_pending(void **state)
{
	struct fake_keeper second = {.certs = {&rsa}, .n_certs = 1};
	struct pair pair;

	pair_init(&pair, &rsa);
	pair.keeper.silent = true;
	pair_open(&pair);
	pair_handshake(&pair);
	assert_int_equal(pair.a.status, TLS_WANT_KEY);
	fake_keeper_start(&second);
	assert_int_equal(
		tls_runtime_set_keyring(pair.runtime, second.ring_fd, second.request_fd, second.response_fd), 0);
	assert_int_equal(pair.a.keys_ready, 1);
	pair_handshake(&pair);
	assert_key_error(&pair);
	pair_close(&pair);
	fake_keeper_stop(&pair.keeper);
	pair.keeper = second;
	pair_open(&pair);
	pair_handshake(&pair);
	assert_established(&pair);
	pair_clear(&pair);
}

static void test_key_operation_pending_when_the_connection_is_freed(void **state)
{
	struct pair pair;

	pair_init(&pair, &rsa);
	pair.keeper.silent = true;
	for (int i = 0; i < 3; i++) {
		pair_open(&pair);
		pair_handshake(&pair);
		assert_int_equal(pair.a.status, TLS_WANT_KEY);
		pair_close(&pair);
	}
	pair.keeper.silent = false;
	pair_open(&pair);
	pair_handshake(&pair);
	assert_established(&pair);
	assert_int_equal(pair.keeper.n_sign, 4); /* three for nobody */
	pair_clear(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_d1_d3_versions_and_suites),
		cmocka_unit_test(test_d1_byte_by_byte),
		cmocka_unit_test(test_d3_every_kind_of_key),
		cmocka_unit_test(test_d5_versions_of_the_client_are_kept_on_the_server_leg),
		cmocka_unit_test(test_d8_certificate_by_sni_and_key_type),
		cmocka_unit_test(test_c4_alpn_is_what_the_caller_selected),
		cmocka_unit_test(test_d5_resumption_on_both_legs),
		cmocka_unit_test(test_d5_ticket_keys_are_shared_and_rotated),
		cmocka_unit_test(test_e3_tickets_end_with_their_certificate),
		cmocka_unit_test(test_d9_pinned_leaf),
		cmocka_unit_test(test_d9_drift),
		cmocka_unit_test(test_no_shared_version),
		cmocka_unit_test(test_no_shared_cipher),
		cmocka_unit_test(test_options_that_cannot_be),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_alerts_of_ours_reach_the_peer),
		cmocka_unit_test(test_e6_no_keeper),
		cmocka_unit_test(test_e6_no_keeper_is_found_out_before_the_client_hears_of_us),
		cmocka_unit_test(test_e6_keeper_lacks_the_key_or_fails),
		cmocka_unit_test(test_e6_keeper_replaced_while_an_operation_is_pending),
		cmocka_unit_test(test_key_operation_pending_when_the_connection_is_freed),
	};

	return cmocka_run_group_tests(tests, make_certificates, clear_certificates);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The table of cipher suites against the engine, and what options make of it (D2, D3, D4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <openssl/nid.h>
#include <openssl/ssl.h>

#include "base/common.h"
#include "policy/suite.h"

#define BIT(word) (1u << CONFIG_##word)

/* --- the table is the engine's ---------------------------------------------------------------------------------- */

static void test_d2_table_says_what_the_engine_has(void **state)
{
	for (size_t i = 0; i < suites_n; i++) {
		const SSL_CIPHER *cipher = SSL_get_cipher_by_value(suites[i].id);

		assert_int_equal(cipher != NULL, suites[i].lack == SUITE_LACK_NONE);
		if (!cipher)
			continue;
		assert_string_equal(SSL_CIPHER_standard_name(cipher), suites[i].iana);
		assert_int_equal(
			SSL_CIPHER_get_min_version(cipher) == TLS1_3_VERSION, suites[i].protocol_min == 0x0304);
		assert_int_equal(SSL_CIPHER_get_max_version(cipher), suites[i].protocol_max);
	}
}

static void test_d3_table_says_the_algorithms_of_the_engine(void **state)
{
	static const int kx[] = {NID_kx_ecdhe, NID_kx_rsa}, auth[] = {NID_auth_any, NID_auth_rsa, NID_auth_ecdsa};

	for (size_t i = 0; i < suites_n; i++) {
		const SSL_CIPHER *cipher = SSL_get_cipher_by_value(suites[i].id);

		if (!cipher)
			continue;
		assert_int_equal(SSL_CIPHER_get_auth_nid(cipher), auth[suites[i].authentication]);
		if (suites[i].protocol_min < 0x0304) {
			assert_string_equal(SSL_CIPHER_get_name(cipher), suites[i].openssl);
			assert_int_equal(SSL_CIPHER_get_kx_nid(cipher), kx[suites[i].key_exchange]);
		}
		assert_int_equal(SSL_CIPHER_get_min_version(cipher) <= suites[i].protocol_min, true);
	}
}

/* the engine has nothing that the table does not know, bar pre-shared keys, which need no certificate */
static void test_d4_every_suite_of_the_engine_is_in_the_table(void **state)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());
	const STACK_OF(SSL_CIPHER) * all;

	assert_true(SSL_CTX_set_cipher_list(ctx, "ALL"));
	all = SSL_CTX_get_ciphers(ctx);
	assert_true(sk_SSL_CIPHER_num(all) > 10);
	for (size_t i = 0; i < sk_SSL_CIPHER_num(all); i++) {
		const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(all, i);

		if (SSL_CIPHER_get_auth_nid(cipher) != NID_auth_psk)
			assert_non_null(suite_find(SSL_CIPHER_standard_name(cipher)));
	}
	SSL_CTX_free(ctx);
}

/* --- derivation -------------------------------------------------------------------------------------------------- */

static struct config_ssl_server server_of(uint16_t low, uint16_t high)
{
	return (struct config_ssl_server){.name = "web", .protocol_min = low, .protocol_max = high};
}

static void assert_list(const struct config_ssl_server *server, const char *expected)
{
	char *list = NULL;

	assert_int_equal(suite_list(server, &list), 0);
	assert_non_null(list);
	assert_string_equal(list, expected);
	free(list);
}

static void test_d3_options_derive_the_list(void **state)
{
	struct config_ssl_server server = server_of(0x0301, 0x0304);
	char *disabled[] = {"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "AES256-SHA"};
	char *list = "";

	assert_int_equal(suite_list(&server, &list), 0);
	assert_null(list);
	server.bulk = BIT(BULK_AES256);
	server.mac = BIT(MAC_SHA1);
	assert_list(&server, "ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:AES256-SHA");
	server.key_exchange = BIT(KEY_EXCHANGE_RSA);
	assert_list(&server, "AES256-SHA");
	server.key_exchange = 0;
	server.cipher_suites_disabled = (struct config_strings){2, disabled};
	assert_list(&server, "ECDHE-RSA-AES256-SHA");
	server.protocol_min = 0x0304;
	assert_list(&server, "");
}

static void test_d2_lacking_suites_are_never_in_the_list(void **state)
{
	struct config_ssl_server server = server_of(0x0301, 0x0303);

	server.bulk = BIT(BULK_3DES) | BIT(BULK_DES);
	assert_list(&server, "DES-CBC3-SHA");
	assert_true(suite_is_selected(&server, suite_find("DES-CBC-SHA")));
	assert_false(suite_is_offered(&server, suite_find("DES-CBC-SHA")));
	server.bulk = 0;
	assert_false(suite_is_selected(&server, suite_find("DES-CBC-SHA")));
	assert_false(suite_is_selected(&server, suite_find("DES-CBC3-SHA")));
}

/* --- extended status --------------------------------------------------------------------------------------------- */

struct heard {
	char text[4096];
	unsigned int errors, warnings;
};

static void hear(void *owner, bool error, const char *text)
{
	struct heard *heard = owner;

	heard->errors += error;
	heard->warnings += !error;
	strncat(heard->text, text, sizeof(heard->text) - strlen(heard->text) - 1);
}

static struct heard heard_of(const struct config_ssl_server *server)
{
	struct heard heard = {0};

	suite_check(server, hear, &heard);
	return heard;
}

static void test_d4_defaults_say_nothing(void **state)
{
	struct config_ssl_server server = server_of(0x0303, 0x0304);
	struct heard heard = heard_of(&server);

	assert_int_equal(heard.errors + heard.warnings, 0);
}

static void test_d4_names_each_selected_suite_that_lacks(void **state)
{
	struct config_ssl_server server = server_of(0x0303, 0x0303);
	struct heard heard;

	server.mac = BIT(MAC_SHA384);
	heard = heard_of(&server);
	assert_int_equal(heard.warnings, 1);
	assert_int_equal(heard.errors, 0);
	assert_non_null(strstr(heard.text, "ssl_server web"));
	assert_non_null(strstr(heard.text, "ECDHE-RSA-AES256-SHA384"));
	assert_null(strstr(heard.text, "AES128-SHA256"));
	server.mac = 0;
	server.bulk = BIT(BULK_3DES) | BIT(BULK_DES) | BIT(BULK_AES128);
	heard = heard_of(&server);
	assert_int_equal(heard.warnings, 2);
	assert_non_null(strstr(heard.text, "ECDHE-RSA-DES-CBC3-SHA"));
	assert_non_null(strstr(heard.text, "DES-CBC-SHA"));
}

static void test_d4_tls13_suites_that_cannot_be_left_out(void **state)
{
	struct config_ssl_server server = server_of(0x0303, 0x0304);
	struct heard heard;

	server.bulk = BIT(BULK_AES128) | BIT(BULK_AES256);
	heard = heard_of(&server);
	assert_int_equal(heard.warnings, 1);
	assert_non_null(strstr(heard.text, "TLS_CHACHA20_POLY1305_SHA256 stays on"));
}

static void test_d3_a_protocol_without_a_suite(void **state)
{
	struct config_ssl_server server = server_of(0x0301, 0x0303);
	struct heard heard;

	server.bulk = BIT(BULK_CHACHA20);
	heard = heard_of(&server);
	assert_int_equal(heard.warnings, 2); /* tls1.0, tls1.1 */
	assert_int_equal(heard.errors, 0);
	server.key_exchange = BIT(KEY_EXCHANGE_RSA);
	assert_int_equal(heard_of(&server).errors, 1); /* nothing for tls1.2 */
}

static void test_d3_unknown_name_is_an_error_with_a_hint(void **state)
{
	struct config_ssl_server server = server_of(0x0303, 0x0303);
	char *disabled[] = {"AES128-SHAA"};
	struct heard heard;

	server.cipher_suites_disabled = (struct config_strings){1, disabled};
	heard = heard_of(&server);
	assert_int_equal(heard.errors, 1);
	assert_non_null(strstr(heard.text, "did you mean \"AES128-SHA\"?"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_d2_table_says_what_the_engine_has),
		cmocka_unit_test(test_d3_table_says_the_algorithms_of_the_engine),
		cmocka_unit_test(test_d4_every_suite_of_the_engine_is_in_the_table),
		cmocka_unit_test(test_d3_options_derive_the_list),
		cmocka_unit_test(test_d2_lacking_suites_are_never_in_the_list),
		cmocka_unit_test(test_d4_defaults_say_nothing),
		cmocka_unit_test(test_d4_names_each_selected_suite_that_lacks),
		cmocka_unit_test(test_d4_tls13_suites_that_cannot_be_left_out),
		cmocka_unit_test(test_d3_a_protocol_without_a_suite),
		cmocka_unit_test(test_d3_unknown_name_is_an_error_with_a_hint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

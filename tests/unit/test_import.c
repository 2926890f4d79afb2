/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>
#include <openssl/pkcs12.h>

#include "keys/import.h"
#include "keys/seal.h"
#include "keys_fixture.h"

/* root -> intermediate -> leaf, made once */
static struct {
	EVP_PKEY *root_key, *middle_key, *key, *other_key;
	X509 *root, *middle, *leaf;
} pki;

static int pki_make(void **state)
{
	pki.root_key = EVP_EC_gen("P-256");
	pki.middle_key = EVP_EC_gen("P-256");
	pki.key = EVP_RSA_gen(2048);
	pki.other_key = EVP_RSA_gen(2048);
	pki.root = fixture_certificate(
		&(struct fixture_certificate){"Root", pki.root_key, .from_days = -1, .to_days = 99});
	pki.middle = fixture_certificate(&(struct fixture_certificate){
		"Middle", pki.middle_key, pki.root, pki.root_key, .from_days = -1, .to_days = 90});
	pki.leaf = fixture_certificate(&(struct fixture_certificate){"www.example.com", pki.key, pki.middle,
		pki.middle_key, "DNS:www.example.com, DNS:*.example.org, IP:10.9.0.2, email:a@example.com",
		"serverAuth", -1, 30});
	(void)state;
	return 0;
}

static int pki_free(void **state)
{
	X509_free(pki.root);
	X509_free(pki.middle);
	X509_free(pki.leaf);
	EVP_PKEY_free(pki.root_key);
	EVP_PKEY_free(pki.middle_key);
	EVP_PKEY_free(pki.key);
	EVP_PKEY_free(pki.other_key);
	(void)state;
	return 0;
}

static BIO *pem_of(X509 *a, X509 *b, X509 *c)
{
	X509 *list[] = {a, b, c};
	BIO *bio = fixture_bio();

	BIO_puts(bio, "text before\n");
	for (size_t i = 0; i < ARRAY_SIZE(list); i++)
		if (list[i])
			PEM_write_bio_X509(bio, list[i]);
	return bio;
}

static BIO *pem_key(EVP_PKEY *key, const char *password)
{
	BIO *bio = fixture_bio();

	PEM_write_bio_PKCS8PrivateKey(bio, key, password ? EVP_aes_256_cbc() : NULL, password,
		password ? (int)strlen(password) : 0, NULL, NULL);
	return bio;
}

struct outcome {
	json_t *facts; /* NULL: refused */
	char error[512];
	uint64_t key_id;
};

static struct outcome import_bytes(struct span certificate, struct span key, const char *password)
{
	struct import import = {.name = "web", .warnings = json_array()};
	struct secret secret = {(uint8_t *)password, password ? strlen(password) : 0};
	struct outcome outcome = {0};
	int err = import_files(&import, certificate, key, password ? &secret : NULL, &outcome.facts);

	assert_int_equal(err, outcome.facts ? 0 : -EINVAL);
	snprintf(outcome.error, sizeof(outcome.error), "%s", import.error);
	outcome.key_id = import.key_id;
	import_clear(&import);
	return outcome;
}

/* takes both */
static struct outcome import_bios(BIO *certificate, BIO *key, const char *password)
{
	struct outcome outcome = import_bytes(fixture_bytes(certificate), fixture_bytes(key), password);

	BIO_free(certificate);
	BIO_free(key);
	return outcome;
}

static void assert_refused(struct outcome outcome, const char *words)
{
	assert_null(outcome.facts);
	if (!strstr(outcome.error, words))
		fail_msg("\"%s\" lacks \"%s\"", outcome.error, words);
}

static const char *fact(struct outcome outcome, const char *name)
{
	return json_string_value(json_object_get(outcome.facts, name));
}

static bool warned(struct outcome outcome, const char *words)
{
	size_t i;
	json_t *text;

	json_array_foreach(json_object_get(outcome.facts, "warnings"), i,
		text) if (strstr(json_string_value(text), words)) return true;
	return false;
}

static void assert_chain(struct outcome outcome, X509 *const *chain, size_t n)
{
	json_t *list = json_object_get(outcome.facts, "chain");

	assert_int_equal(json_array_size(list), n);
	for (size_t i = 0; i < n; i++) {
		const char *text = json_string_value(json_array_get(list, i));
		uint8_t der[4096];
		const uint8_t *at = der;
		X509 *certificate;

		assert_true(EVP_DecodeBlock(der, (const uint8_t *)text, (int)strlen(text)) > 0);
		certificate = d2i_X509(NULL, &at, sizeof(der));
		assert_int_equal(X509_cmp(certificate, chain[i]), 0);
		X509_free(certificate);
	}
}

static void test_e2_facts(void **state)
{
	struct outcome o = import_bios(pem_of(pki.leaf, pki.middle, NULL), pem_key(pki.key, NULL), NULL);
	json_t *sans;
	char id[17];
	struct tm tm;
	time_t t = time(NULL) + 30 * 86400;
	char day[16];

	assert_non_null(o.facts);
	sans = json_object_get(o.facts, "sans");
	snprintf(id, sizeof(id), "%016lx", (unsigned long)o.key_id);
	strftime(day, sizeof(day), "%Y-%m-%dT", gmtime_r(&t, &tm));
	assert_string_equal(fact(o, "name"), "web");
	assert_string_equal(fact(o, "subject"), "CN=www.example.com");
	assert_string_equal(fact(o, "issuer"), "CN=Middle");
	assert_memory_equal(fact(o, "not_after"), day, strlen(day));
	assert_int_equal(strlen(fact(o, "not_before")), strlen("2026-11-23T12:00:00Z"));
	assert_string_equal(fact(o, "key_type"), "rsa");
	assert_string_equal(fact(o, "key_id"), id);
	assert_int_equal(json_integer_value(json_object_get(o.facts, "key_bits")), 2048);
	assert_int_equal(json_array_size(sans), 3);
	assert_string_equal(json_string_value(json_array_get(sans, 1)), "*.example.org");
	assert_string_equal(json_string_value(json_array_get(sans, 2)), "10.9.0.2");
	assert_int_equal(json_array_size(json_object_get(o.facts, "warnings")), 0);
	json_decref(o.facts);
	(void)state;
}

static void test_e2_the_chain_is_put_in_order(void **state)
{
	X509 *const want[] = {pki.leaf, pki.middle, pki.root};
	X509 *const orders[][3] = {{pki.leaf, pki.middle, pki.root}, {pki.root, pki.middle, pki.leaf},
		{pki.middle, pki.leaf, pki.root}, {pki.root, pki.leaf, pki.middle}};

	for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
		struct outcome o =
			import_bios(pem_of(orders[i][0], orders[i][1], orders[i][2]), pem_key(pki.key, NULL), NULL);

		assert_non_null(o.facts);
		assert_chain(o, want, 3);
		json_decref(o.facts);
	}
	(void)state;
}

static void test_e2_the_same_certificate_twice_counts_once(void **state)
{
	struct outcome o = import_bios(pem_of(pki.leaf, pki.middle, pki.leaf), pem_key(pki.key, NULL), NULL);

	assert_chain(o, (X509 *const[]){pki.leaf, pki.middle}, 2);
	json_decref(o.facts);
	(void)state;
}

static void test_e2_no_chain_is_refused(void **state)
{
	X509 *alone = fixture_certificate(&(struct fixture_certificate){"Stranger", pki.other_key, .to_days = 9});
	/* another authority of the same name: the signature tells */
	X509 *imposter = fixture_certificate(&(struct fixture_certificate){"Middle", pki.other_key, .to_days = 9});

	assert_refused(import_bios(pem_of(pki.leaf, pki.middle, alone), pem_key(pki.key, NULL), NULL),
		"\"CN=Stranger\" did not issue any");
	assert_refused(import_bios(pem_of(pki.leaf, pki.root, NULL), pem_key(pki.key, NULL), NULL),
		"add the missing intermediate \"CN=Middle\"");
	assert_refused(
		import_bios(pem_of(pki.leaf, imposter, NULL), pem_key(pki.key, NULL), NULL), "do not form a chain");
	X509_free(alone);
	X509_free(imposter);
	(void)state;
}

static void test_e2_the_wrong_key_is_refused(void **state)
{
	assert_refused(import_bios(pem_of(pki.leaf, pki.middle, NULL), pem_key(pki.other_key, NULL), NULL),
		"does not belong to the certificate");
	(void)state;
}

static void test_e2_passwords(void **state)
{
	struct outcome o = import_bios(pem_of(pki.leaf, NULL, NULL), pem_key(pki.key, "secret"), "secret");

	assert_non_null(o.facts);
	json_decref(o.facts);
	assert_refused(
		import_bios(pem_of(pki.leaf, NULL, NULL), pem_key(pki.key, "secret"), NULL), "give its password");
	assert_refused(
		import_bios(pem_of(pki.leaf, NULL, NULL), pem_key(pki.key, "secret"), "wrong"), "password is wrong");
	o = import_bios(pem_of(pki.leaf, NULL, NULL), pem_key(pki.key, NULL), "not needed");
	assert_non_null(o.facts);
	json_decref(o.facts);
	(void)state;
}

static void test_e2_key_files_of_every_kind(void **state)
{
	X509 *ec = fixture_certificate(
		&(struct fixture_certificate){"ec", pki.middle_key, .sans = "DNS:ec", .to_days = 9});
	BIO *keys[8] = {0};
	int n = 0;

	for (; n < 8; n++)
		keys[n] = fixture_bio();
	PEM_write_bio_PrivateKey_traditional(keys[0], pki.key, NULL, NULL, 0, NULL, NULL);
	PEM_write_bio_PrivateKey_traditional(keys[1], pki.key, EVP_aes_128_cbc(), (const uint8_t *)"pw", 2, NULL, NULL);
	i2d_PrivateKey_bio(keys[2], pki.key);
	i2d_PKCS8PrivateKey_bio(keys[3], pki.key, NULL, NULL, 0, NULL, NULL);
	i2d_PKCS8PrivateKey_bio(keys[4], pki.key, EVP_aes_256_cbc(), "pw", 2, NULL, NULL);
	PEM_write_bio_PrivateKey_traditional(keys[5], pki.middle_key, NULL, NULL, 0, NULL, NULL);
	BIO_puts(keys[6], "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n");
	PEM_write_bio_PrivateKey_traditional(keys[6], pki.middle_key, NULL, NULL, 0, NULL, NULL);
	PEM_write_bio_X509(keys[7], pki.leaf);
	PEM_write_bio_PKCS8PrivateKey(keys[7], pki.key, NULL, NULL, 0, NULL, NULL);
	for (int i = 0; i < 8; i++) {
		struct outcome o = import_bios(
			pem_of(i == 5 || i == 6 ? ec : pki.leaf, NULL, NULL), keys[i], i == 1 || i == 4 ? "pw" : NULL);

		if (!o.facts)
			fail_msg("%d: %s", i, o.error);
		assert_string_equal(fact(o, "key_type"), i == 5 || i == 6 ? "ec" : "rsa");
		json_decref(o.facts);
	}
	X509_free(ec);
	(void)state;
}

static void test_e2_a_der_certificate(void **state)
{
	BIO *der = fixture_bio();
	struct outcome o;

	i2d_X509_bio(der, pki.leaf);
	o = import_bios(der, pem_key(pki.key, NULL), NULL);
	assert_chain(o, &pki.leaf, 1);
	json_decref(o.facts);
	(void)state;
}

static BIO *pkcs12(X509 *leaf, EVP_PKEY *key, X509 *more, const char *password, int key_nid, int cert_nid)
{
	STACK_OF(X509) *others = sk_X509_new_null();
	BIO *bio = fixture_bio();
	PKCS12 *p12;

	if (more)
		sk_X509_push(others, more);
	p12 = PKCS12_create(password, "web", key, leaf, others, key_nid, cert_nid, 0, 0, 0);
	assert_non_null(p12);
	i2d_PKCS12_bio(bio, p12);
	PKCS12_free(p12);
	sk_X509_free(others);
	return bio;
}

static void test_e2_pkcs12(void **state)
{
	struct outcome o;

	o = import_bios(pkcs12(pki.leaf, pki.key, pki.middle, "secret", 0, 0), fixture_bio(), "secret");
	assert_non_null(o.facts);
	assert_chain(o, (X509 *const[]){pki.leaf, pki.middle}, 2);
	json_decref(o.facts);
	/* what old systems write */
	o = import_bios(pkcs12(pki.leaf, pki.key, pki.middle, "secret", NID_pbe_WithSHA1And3_Key_TripleDES_CBC,
				NID_pbe_WithSHA1And3_Key_TripleDES_CBC),
		fixture_bio(), "secret");
	assert_non_null(o.facts);
	json_decref(o.facts);
	/* no password: neither asked for nor refused */
	o = import_bios(pkcs12(pki.leaf, pki.key, NULL, "", -1, -1), fixture_bio(), NULL);
	assert_non_null(o.facts);
	json_decref(o.facts);
	(void)state;
}

static void test_e2_pkcs12_refusals(void **state)
{
	assert_refused(import_bios(pkcs12(pki.leaf, pki.key, NULL, "secret", 0, 0), fixture_bio(), NULL),
		"is encrypted: give its password");
	assert_refused(import_bios(pkcs12(pki.leaf, pki.key, NULL, "secret", 0, 0), fixture_bio(), "wrong"),
		"the password is wrong");
	assert_refused(import_bios(pkcs12(pki.leaf, NULL, pki.middle, "secret", 0, 0), fixture_bio(), "secret"),
		"holds no private key");
	assert_refused(import_bios(pkcs12(NULL, pki.key, NULL, "secret", 0, 0), fixture_bio(), "secret"),
		"holds no certificate");
	assert_refused(import_bios(pkcs12(NULL, pki.other_key, pki.leaf, "secret", 0, 0), fixture_bio(), "secret"),
		"does not belong to the certificate");
	assert_refused(import_bios(pkcs12(pki.leaf, pki.key, NULL, "secret", 0, 0), pem_key(pki.key, NULL), "secret"),
		"leave --key out");
	(void)state;
}

static void test_e2_pkcs12_damaged(void **state)
{
	BIO *bio = pkcs12(pki.leaf, pki.key, pki.middle, "secret", 0, 0);
	struct span good = fixture_bytes(bio);
	uint8_t *bad = malloc(good.len);

	for (size_t at = 0; at < good.len; at += 37) {
		struct outcome o;

		memcpy(bad, good.data, good.len);
		bad[at] ^= 0x55;
		o = import_bytes(SPAN(bad, good.len), SPAN(NULL, 0), "secret");
		assert_true(o.facts || *o.error);
		json_decref(o.facts);
		o = import_bytes(SPAN(good.data, at), SPAN(NULL, 0), "secret");
		assert_null(o.facts);
	}
	free(bad);
	BIO_free(bio);
	(void)state;
}

static void test_e2_pem_with_everything_in_one_file(void **state)
{
	BIO *both = pem_of(pki.middle, pki.leaf, NULL);
	struct outcome o;

	PEM_write_bio_PKCS8PrivateKey(both, pki.key, EVP_aes_256_cbc(), "pw", 2, NULL, NULL);
	assert_refused(import_bytes(fixture_bytes(both), SPAN(NULL, 0), NULL), "give its password");
	o = import_bios(both, fixture_bio(), "pw");
	assert_non_null(o.facts);
	assert_chain(o, (X509 *const[]){pki.leaf, pki.middle}, 2);
	json_decref(o.facts);
	assert_refused(
		import_bios(pem_of(pki.leaf, NULL, NULL), fixture_bio(), NULL), "give the key's own file with --key");
	assert_refused(import_bios(pem_key(pki.key, NULL), fixture_bio(), NULL), "it holds a private key only");
	(void)state;
}

static void test_e2_what_is_not_a_certificate_is_named(void **state)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n", "request"},
		{"-----BEGIN PKCS7-----\nAAAA\n-----END PKCS7-----\n", "print_certs"},
		{"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "public key only"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		BIO *key = pem_key(pki.key, NULL);

		assert_refused(import_bytes(SPAN(cases[i].text, strlen(cases[i].text)), fixture_bytes(key), NULL),
			cases[i].words);
		BIO_free(key);
	}
	(void)state;
}

static void test_e2_an_expired_issuer_is_a_warning(void **state)
{
	X509 *middle = fixture_certificate(&(struct fixture_certificate){
		"Middle", pki.middle_key, pki.root, pki.root_key, .from_days = -9, .to_days = -1});
	struct outcome o = import_bios(pem_of(pki.leaf, middle, NULL), pem_key(pki.key, NULL), NULL);

	assert_true(warned(o, "\"CN=Middle\" has expired"));
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(o.facts, "chain_subjects"), 0)), "CN=Middle");
	assert_int_equal(strlen(fact(o, "sha256")), 64);
	assert_true(*fact(o, "serial"));
	json_decref(o.facts);
	X509_free(middle);
	(void)state;
}

static void test_e2_damaged_and_swapped_files(void **state)
{
	BIO *good = pem_of(pki.leaf, NULL, NULL), *key = pem_key(pki.key, NULL);
	struct span c = fixture_bytes(good), k = fixture_bytes(key);
	struct span cut = SPAN(c.data, c.len / 2), cut_key = SPAN(k.data, k.len / 2);
	char *bad = strndup((const char *)c.data, c.len), *bad_key = strndup((const char *)k.data, k.len);

	assert_refused(import_bytes(k, c, NULL), "swapped");
	assert_refused(import_bytes(c, c, NULL), "swapped");
	assert_refused(import_bytes(SPAN("", 0), k, NULL), "neither PEM nor");
	assert_refused(import_bytes(SPAN("garbage", 7), k, NULL), "neither PEM nor");
	assert_refused(import_bytes(c, SPAN("garbage", 7), NULL), "neither PEM nor");
	assert_refused(import_bytes(cut, k, NULL), "damaged");
	assert_refused(import_bytes(c, cut_key, NULL), "damaged");
	memset(strstr(bad, "CERTIFICATE-----\n") + 40, '!', 8);
	memset(bad_key + 100, 'A', 64);
	assert_refused(import_bytes(SPAN(bad, c.len), k, NULL), "certificate 1 of the certificate file is damaged");
	assert_refused(import_bytes(c, SPAN(bad_key, k.len), NULL), "");
	free(bad);
	free(bad_key);
	BIO_free(good);
	BIO_free(key);
	(void)state;
}

static void test_e2_a_chain_without_its_intermediates_is_a_warning(void **state)
{
	struct outcome o = import_bios(pem_of(pki.leaf, NULL, NULL), pem_key(pki.key, NULL), NULL);

	assert_non_null(o.facts);
	assert_true(warned(o, "no certificate of the issuer \"CN=Middle\""));
	assert_int_equal(json_array_size(json_object_get(o.facts, "warnings")), 1);
	json_decref(o.facts);
	o = import_bios(pem_of(pki.root, NULL, NULL), pem_key(pki.root_key, NULL), NULL);
	assert_false(warned(o, "no certificate of the issuer"));
	json_decref(o.facts);
	(void)state;
}

static void test_e2_e4_expired_is_a_warning(void **state)
{
	X509 *old = fixture_certificate(&(struct fixture_certificate){"old", pki.key, .from_days = -9, .to_days = -1});
	X509 *early = fixture_certificate(&(struct fixture_certificate){
		"early", pki.key, .sans = "DNS:early", .key_usage = "clientAuth", .from_days = 1, .to_days = 9});
	struct outcome o = import_bios(pem_of(old, NULL, NULL), pem_key(pki.key, NULL), NULL);

	assert_true(warned(o, "expired"));
	assert_true(warned(o, "no subject alternative name"));
	json_decref(o.facts);
	o = import_bios(pem_of(early, NULL, NULL), pem_key(pki.key, NULL), NULL);
	assert_true(warned(o, "not valid before"));
	assert_true(warned(o, "not made for TLS servers"));
	assert_false(warned(o, "expired"));
	json_decref(o.facts);
	X509_free(old);
	X509_free(early);
	(void)state;
}

static struct outcome import_with_key(EVP_PKEY *key)
{
	X509 *x = fixture_certificate(&(struct fixture_certificate){"x", key, .sans = "DNS:x", .to_days = 9});
	struct outcome o = import_bios(pem_of(x, NULL, NULL), pem_key(key, NULL), NULL);

	X509_free(x);
	EVP_PKEY_free(key);
	return o;
}

static void test_e2_key_sizes_and_kinds(void **state)
{
	struct outcome o = import_with_key(EVP_RSA_gen(1024));

	assert_true(warned(o, "only 1024 bits"));
	json_decref(o.facts);
	o = import_with_key(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
	assert_string_equal(fact(o, "key_type"), "ed25519");
	json_decref(o.facts);
	assert_refused(import_with_key(EVP_RSA_gen(512)), "512 bits is not supported");
	assert_refused(import_with_key(EVP_EC_gen("secp256k1")), "curve secp256k1 is not supported");
	assert_refused(import_with_key(EVP_PKEY_Q_keygen(NULL, NULL, "ED448")), "kind of private key is not supported");
	(void)state;
}

static void test_hostile_names_stay_text(void **state)
{
	X509 *x = fixture_certificate(&(struct fixture_certificate){
		"a\"\n\x1b[31m, CN=b", pki.key, .sans = "DNS:ok.example.com, DNS:bad name, DNS:a/../b", .to_days = 9});
	struct outcome o = import_bios(pem_of(x, NULL, NULL), pem_key(pki.key, NULL), NULL);

	assert_string_equal(fact(o, "subject"), "CN=a\\\"\\0A\\1B[31m\\, CN=b");
	assert_int_equal(json_array_size(json_object_get(o.facts, "sans")), 1);
	json_decref(o.facts);
	X509_free(x);
	(void)state;
}

static void test_e5_what_is_sealed_is_the_key(void **state)
{
	static const uint8_t device_key[DEVICE_KEY_SIZE] = {7};
	struct import import = {.name = "web", .warnings = json_array(), .key = pki.key};
	struct secret sealed = {0}, plain = {0};
	struct private_key *key = NULL;

	assert_int_equal(import_check_key(&import), 0);
	assert_int_equal(import_seal(&import, device_key, &sealed), 0);
	assert_int_equal(key_unseal(device_key, "web", import.key_id, SPAN(sealed.data, sealed.len), &plain), 0);
	assert_int_equal(private_key_from_pkcs8(&key, SPAN(plain.data, plain.len)), 0);
	assert_int_equal(key->id, import.key_id);
	assert_int_equal(EVP_PKEY_eq(key->pkey, pki.key), 1);
	private_key_free(&key);
	secret_free(&sealed);
	secret_free(&plain);
	json_decref(import.warnings);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_e2_facts),
		cmocka_unit_test(test_e2_the_chain_is_put_in_order),
		cmocka_unit_test(test_e2_the_same_certificate_twice_counts_once),
		cmocka_unit_test(test_e2_no_chain_is_refused),
		cmocka_unit_test(test_e2_the_wrong_key_is_refused),
		cmocka_unit_test(test_e2_passwords),
		cmocka_unit_test(test_e2_key_files_of_every_kind),
		cmocka_unit_test(test_e2_a_der_certificate),
		cmocka_unit_test(test_e2_pkcs12),
		cmocka_unit_test(test_e2_pkcs12_refusals),
		cmocka_unit_test(test_e2_pkcs12_damaged),
		cmocka_unit_test(test_e2_pem_with_everything_in_one_file),
		cmocka_unit_test(test_e2_what_is_not_a_certificate_is_named),
		cmocka_unit_test(test_e2_an_expired_issuer_is_a_warning),
		cmocka_unit_test(test_e2_damaged_and_swapped_files),
		cmocka_unit_test(test_e2_a_chain_without_its_intermediates_is_a_warning),
		cmocka_unit_test(test_e2_e4_expired_is_a_warning),
		cmocka_unit_test(test_e2_key_sizes_and_kinds),
		cmocka_unit_test(test_hostile_names_stay_text),
		cmocka_unit_test(test_e5_what_is_sealed_is_the_key),
	};

	return cmocka_run_group_tests(tests, pki_make, pki_free);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/common.h"
#include "keys/seal.h"

#include <string.h>

static const uint8_t device_key[DEVICE_KEY_SIZE] = {1, 2, 3}, other_key[DEVICE_KEY_SIZE] = {9};
static const char plain[] = "a private key";

static struct secret seal_plain(void)
{
	struct secret sealed = {0};

	assert_int_equal(key_seal(device_key, "web", 0x1122334455667788, SPAN(plain, sizeof(plain)), &sealed), 0);
	return sealed;
}

static int unseal(const uint8_t *key, const char *name, uint64_t id, struct span sealed)
{
	struct secret out = {0};
	int err = key_unseal(key, name, id, sealed, &out);

	if (!err) {
		assert_int_equal(out.len, sizeof(plain));
		assert_memory_equal(out.data, plain, sizeof(plain));
	}
	secret_free(&out);
	return err;
}

static void test_e5_a_sealed_key_opens_only_as_itself(void **state)
{
	struct secret sealed = seal_plain(), again = seal_plain();
	struct span s = SPAN(sealed.data, sealed.len);

	assert_int_equal(unseal(device_key, "web", 0x1122334455667788, s), 0);
	assert_int_equal(unseal(other_key, "web", 0x1122334455667788, s), -EBADMSG);
	assert_int_equal(unseal(device_key, "mail", 0x1122334455667788, s), -EBADMSG);
	assert_int_equal(unseal(device_key, "web", 0x1122334455667789, s), -EBADMSG);
	assert_null(memmem(sealed.data, sealed.len, plain, 5));
	assert_memory_not_equal(sealed.data, again.data, sealed.len);
	secret_free(&sealed);
	secret_free(&again);
	(void)state;
}

static void test_any_changed_bit_and_any_cut_is_noticed(void **state)
{
	struct secret sealed = seal_plain();

	for (size_t bit = 0; bit < sealed.len * 8; bit++) {
		sealed.data[bit / 8] ^= 1u << (bit % 8);
		assert_int_not_equal(unseal(device_key, "web", 0x1122334455667788, SPAN(sealed.data, sealed.len)), 0);
		sealed.data[bit / 8] ^= 1u << (bit % 8);
	}
	for (size_t len = 0; len < sealed.len; len++)
		assert_int_equal(unseal(device_key, "web", 0x1122334455667788, SPAN(sealed.data, len)), -EPROTO);
	secret_free(&sealed);
	(void)state;
}

static void test_the_device_key_is_made_once(void **state)
{
	uint8_t first[DEVICE_KEY_SIZE], second[DEVICE_KEY_SIZE];
	char path[] = "/tmp/sluice-test-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(device_key_read(fd, first), -ENODATA);
	assert_int_equal(device_key_read_or_create(fd, first), 0);
	assert_int_equal(device_key_read_or_create(fd, second), 0);
	assert_memory_equal(first, second, sizeof(first));
	assert_int_equal(device_key_read(fd, second), 0);
	assert_memory_equal(first, second, sizeof(first));
	assert_int_equal(ftruncate(fd, 31), 0);
	assert_int_equal(device_key_read_or_create(fd, second), -EINVAL);
	close(fd);
	(void)state;
}

static void test_e5_a_device_key_under_a_passphrase(void **state)
{
	struct secret right = {(uint8_t *)"correct horse battery", 21},
		      wrong = {(uint8_t *)"correct horse batterz", 21};
	uint8_t key[DEVICE_KEY_SIZE], again[DEVICE_KEY_SIZE], wrapped[DEVICE_KEY_WRAPPED_SIZE],
		other[DEVICE_KEY_WRAPPED_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(i * 7);
	assert_int_equal(device_key_wrap(key, &right, wrapped), 0);
	assert_null(memmem(wrapped, sizeof(wrapped), key, 8));
	assert_int_equal(device_key_unwrap(wrapped, &right, again), 0);
	assert_memory_equal(again, key, sizeof(key));
	assert_int_equal(device_key_unwrap(wrapped, &wrong, again), -EACCES);
	assert_memory_not_equal(again, key, sizeof(key));
	assert_int_equal(device_key_wrap(key, &right, other), 0);
	assert_memory_not_equal(other, wrapped, sizeof(wrapped)); /* salt and nonce of its own */
	/* any byte of the file changed: refused, before much is computed where the parameters are out of bounds */
	for (size_t i = 0; i < sizeof(wrapped); i += 9) {
		memcpy(other, wrapped, sizeof(wrapped));
		other[i] ^= 0x40;
		assert_true(device_key_unwrap(other, &right, again) < 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_e5_a_device_key_under_a_passphrase),
		cmocka_unit_test(test_e5_a_sealed_key_opens_only_as_itself),
		cmocka_unit_test(test_any_changed_bit_and_any_cut_is_noticed),
		cmocka_unit_test(test_the_device_key_is_made_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/device_key.h"

#include <errno.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "keys/libcrypto.h"

#define WRAP_MAGIC "SLDK"
#define WRAP_VERSION 1
#define WRAP_LOG_N 15 /* 32 MiB and about 100 ms for each guess */
#define WRAP_R 8
#define WRAP_P 1
#define WRAP_MEMORY_MAX (128ull << 20)

struct wrapped_key {
	uint8_t magic[4], version, log_n, r, p;
	uint8_t salt[16], nonce[12];
	uint8_t key[DEVICE_KEY_SIZE], tag[16];
};
_Static_assert(sizeof(struct wrapped_key) == DEVICE_KEY_WRAPPED_SIZE, "a file format");

int device_key_read(int fd, uint8_t key[DEVICE_KEY_SIZE])
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISFIFO(st.st_mode)) /* written as a whole before it was given away */
		return read(fd, key, DEVICE_KEY_SIZE) == DEVICE_KEY_SIZE ? 0 : -EIO;
	if (st.st_size == DEVICE_KEY_WRAPPED_SIZE)
		return -ENOKEY;
	if (!st.st_size)
		return -ENODATA;
	if (st.st_size != DEVICE_KEY_SIZE)
		return -EINVAL;
	return pread(fd, key, DEVICE_KEY_SIZE, 0) == DEVICE_KEY_SIZE ? 0 : -EIO;
}

/* A power cut must not leave a keystore sealed with a key that never reached the disk. */
static int device_key_create(int fd, uint8_t key[DEVICE_KEY_SIZE])
{
	if (RAND_priv_bytes(key, DEVICE_KEY_SIZE) != 1)
		return -EIO;
	if (pwrite(fd, key, DEVICE_KEY_SIZE, 0) != DEVICE_KEY_SIZE || fsync(fd) < 0)
		return errno ? -errno : -EIO;
	return 0;
}

int device_key_read_or_create(int fd, uint8_t key[DEVICE_KEY_SIZE])
{
	int err;

	/* a pipe takes the lock and needs none */
	if (flock(fd, LOCK_EX) < 0 && errno != EBADF && errno != EINVAL)
		return -errno;
	err = device_key_read(fd, key);
	if (err == -ENODATA)
		err = device_key_create(fd, key);
	flock(fd, LOCK_UN);
	return err;
}

/* --- under a passphrase --------------------------------------------------------------------------------------------
 */

static bool wrap_derive(const struct wrapped_key *wrapped, const struct secret *passphrase, uint8_t out[32])
{
	return EVP_PBE_scrypt((const char *)passphrase->data, passphrase->len, wrapped->salt, sizeof(wrapped->salt),
		       1ull << wrapped->log_n, wrapped->r, wrapped->p, WRAP_MEMORY_MAX, out, 32) == 1;
}

static bool wrap_crypt(
	struct wrapped_key *wrapped, const uint8_t derived[32], const uint8_t *in, uint8_t *out, bool seal)
{
	_cleanup_crypto_(EVP_CIPHER_CTX) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n;

	return ctx && EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, derived, wrapped->nonce, seal) == 1 &&
	       (seal || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, sizeof(wrapped->tag), wrapped->tag) == 1) &&
	       EVP_CipherUpdate(ctx, NULL, &n, (const uint8_t *)wrapped, offsetof(struct wrapped_key, key)) == 1 &&
	       EVP_CipherUpdate(ctx, out, &n, in, DEVICE_KEY_SIZE) == 1 && EVP_CipherFinal_ex(ctx, out + n, &n) == 1 &&
	       (!seal || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, sizeof(wrapped->tag), wrapped->tag) == 1);
}

int device_key_wrap(
	const uint8_t key[DEVICE_KEY_SIZE], const struct secret *passphrase, uint8_t out[DEVICE_KEY_WRAPPED_SIZE])
{
	struct wrapped_key wrapped = {.version = WRAP_VERSION, .log_n = WRAP_LOG_N, .r = WRAP_R, .p = WRAP_P};
	uint8_t derived[32];
	bool ok;

	memcpy(wrapped.magic, WRAP_MAGIC, sizeof(wrapped.magic));
	ok = RAND_bytes(wrapped.salt, sizeof(wrapped.salt)) == 1 &&
	     RAND_bytes(wrapped.nonce, sizeof(wrapped.nonce)) == 1 && wrap_derive(&wrapped, passphrase, derived) &&
	     wrap_crypt(&wrapped, derived, key, wrapped.key, true);
	OPENSSL_cleanse(derived, sizeof(derived));
	memcpy(out, &wrapped, sizeof(wrapped));
	return ok ? 0 : -EIO;
}

int device_key_unwrap(
	const uint8_t in[DEVICE_KEY_WRAPPED_SIZE], const struct secret *passphrase, uint8_t key[DEVICE_KEY_SIZE])
{
	struct wrapped_key wrapped;
	uint8_t derived[32];
	bool ok;

	memcpy(&wrapped, in, sizeof(wrapped));
	if (memcmp(wrapped.magic, WRAP_MAGIC, sizeof(wrapped.magic)) || wrapped.version != WRAP_VERSION ||
		wrapped.log_n < 10 || wrapped.log_n > 16 || !wrapped.r || wrapped.r > 8 || wrapped.p != 1)
		return -EPROTO;
	if (!wrap_derive(&wrapped, passphrase, derived))
		return -ENOMEM;
	ok = wrap_crypt(&wrapped, derived, wrapped.key, key, false);
	OPENSSL_cleanse(derived, sizeof(derived));
	if (!ok)
		OPENSSL_cleanse(key, DEVICE_KEY_SIZE);
	return ok ? 0 : -EACCES;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/seal.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "keys/libcrypto.h"

#define SEAL_MAGIC "SLKY"
#define SEAL_VERSION 1
#define SEAL_NONCE 12
#define SEAL_TAG 16

struct sealed_header {
	uint8_t magic[4], version, zero[3];
	uint64_t key_id; /* big-endian, as is length */
	uint8_t nonce[SEAL_NONCE];
	uint32_t length;
};
_Static_assert(sizeof(struct sealed_header) == 32, "the header is a file format");

/* one direction of AES-256-GCM; the tag is set before opening and read after sealing by the caller */
static bool seal_crypt(
	EVP_CIPHER_CTX *ctx, const char *name, const struct sealed_header *header, struct span in, uint8_t *out)
{
	int n;

	return EVP_CipherUpdate(ctx, NULL, &n, (const uint8_t *)header, sizeof(*header)) == 1 &&
	       EVP_CipherUpdate(ctx, NULL, &n, (const uint8_t *)name, (int)strlen(name)) == 1 &&
	       EVP_CipherUpdate(ctx, out, &n, in.data, (int)in.len) == 1 && EVP_CipherFinal_ex(ctx, out + n, &n) == 1;
}

int key_seal(const uint8_t device_key[DEVICE_KEY_SIZE], const char *name, uint64_t key_id, struct span plain,
	struct secret *sealed)
{
	struct sealed_header header = {
		.version = SEAL_VERSION, .key_id = htobe64(key_id), .length = htobe32((uint32_t)plain.len)};
	_cleanup_crypto_(EVP_CIPHER_CTX) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	_cleanup_secret_ struct secret out = {0};

	if (!plain.len || plain.len > SEALED_MAX - sizeof(header) - SEAL_TAG)
		return -EMSGSIZE;
	memcpy(header.magic, SEAL_MAGIC, sizeof(header.magic));
	if (!ctx || secret_new(&out, sizeof(header) + plain.len + SEAL_TAG))
		return -ENOMEM;
	if (RAND_bytes(header.nonce, sizeof(header.nonce)) != 1 ||
		EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, device_key, header.nonce, 1) != 1 ||
		!seal_crypt(ctx, name, &header, plain, out.data + sizeof(header)) ||
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG, out.data + sizeof(header) + plain.len) != 1)
		return -EIO;
	memcpy(out.data, &header, sizeof(header));
	*sealed = out;
	out = (struct secret){0};
	return 0;
}

static int sealed_header_take(struct span *sealed, struct sealed_header *header)
{
	static const uint8_t zero[3];

	if (sealed->len < sizeof(*header) + SEAL_TAG + 1)
		return -EPROTO;
	memcpy(header, sealed->data, sizeof(*header));
	*sealed = SPAN(sealed->data + sizeof(*header), sealed->len - sizeof(*header));
	if (memcmp(header->magic, SEAL_MAGIC, sizeof(header->magic)) || header->version != SEAL_VERSION ||
		memcmp(header->zero, zero, sizeof(zero)) || be32toh(header->length) != sealed->len - SEAL_TAG)
		return -EPROTO;
	return 0;
}

int key_unseal(const uint8_t device_key[DEVICE_KEY_SIZE], const char *name, uint64_t key_id, struct span sealed,
	struct secret *plain)
{
	_cleanup_crypto_(EVP_CIPHER_CTX) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	_cleanup_secret_ struct secret out = {0};
	struct sealed_header header;
	int err = sealed.len <= SEALED_MAX ? sealed_header_take(&sealed, &header) : -EPROTO;

	if (err)
		return err;
	if (be64toh(header.key_id) != key_id)
		return -EBADMSG;
	if (!ctx || secret_new(&out, sealed.len - SEAL_TAG))
		return -ENOMEM;
	if (EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, device_key, header.nonce, 0) != 1 ||
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG, (void *)(sealed.data + out.len)) != 1 ||
		!seal_crypt(ctx, name, &header, SPAN(sealed.data, out.len), out.data))
		return -EBADMSG;
	*plain = out;
	out = (struct secret){0};
	return 0;
}

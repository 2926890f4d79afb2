/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/emsa.h"

#include <errno.h>
#include <string.h>

#define DIGEST_INFO_MAX 19

/* RFC 8017 section 9.2 note 1 */
static const struct digest_info {
	int nid;
	uint8_t len, bytes[DIGEST_INFO_MAX];
} digest_infos[] = {
	{NID_md5_sha1, 0, {0}},
	{NID_sha1, 15, {0x30, 0x21, 0x30, 9, 6, 5, 0x2b, 0x0e, 3, 2, 0x1a, 5, 0, 4, 20}},
	{NID_sha256, 19, {0x30, 0x31, 0x30, 13, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 32}},
	{NID_sha384, 19, {0x30, 0x41, 0x30, 13, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2, 5, 0, 4, 48}},
	{NID_sha512, 19, {0x30, 0x51, 0x30, 13, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3, 5, 0, 4, 64}},
};

static const struct digest_info *digest_info_find(int nid)
{
	for (size_t i = 0; i < ARRAY_SIZE(digest_infos); i++)
		if (digest_infos[i].nid == nid)
			return &digest_infos[i];
	return NULL;
}

int emsa_pkcs1(uint8_t *block, size_t size, const EVP_MD *md, struct span digest)
{
	const struct digest_info *info = digest_info_find(EVP_MD_get_type(md));
	size_t tail = info ? info->len + digest.len : 0;

	if (!info || digest.len != (size_t)EVP_MD_get_size(md) || size < tail + 11)
		return -EINVAL;
	memset(block, 0xff, size);
	block[0] = 0;
	block[1] = 1;
	block[size - tail - 1] = 0;
	memcpy(block + size - tail, info->bytes, info->len);
	memcpy(block + size - digest.len, digest.data, digest.len);
	return 0;
}

/* MGF1 (RFC 8017 appendix B.2.1), added to what is there */
static bool mgf1_xor(uint8_t *data, size_t len, const EVP_MD *md, const uint8_t *seed, size_t seed_len)
{
	uint8_t in[EVP_MAX_MD_SIZE + 4], mask[EVP_MAX_MD_SIZE];
	size_t step = (size_t)EVP_MD_get_size(md);

	memcpy(in, seed, seed_len);
	for (size_t at = 0, counter = 0; at < len; at += step, counter++) {
		for (int i = 0; i < 4; i++)
			in[seed_len + i] = (uint8_t)(counter >> (24 - 8 * i));
		if (EVP_Digest(in, seed_len + 4, mask, NULL, md, NULL) != 1)
			return false;
		for (size_t i = 0; i < MIN(step, len - at); i++)
			data[at + i] ^= mask[i];
	}
	return true;
}

int emsa_pss(uint8_t *block, size_t size, const EVP_MD *md, struct span digest)
{
	uint8_t hashed[8 + 2 * EVP_MAX_MD_SIZE] = {0};
	size_t len = digest.len, db_len = size - len - 1;
	uint8_t *hash = block + db_len;

	if (len != (size_t)EVP_MD_get_size(md) || size < 2 * len + 2)
		return -EINVAL;
	memset(block, 0, db_len);
	block[db_len - len - 1] = 1;
	if (RAND_bytes(block + db_len - len, (int)len) != 1)
		return -EIO;
	memcpy(hashed + 8, digest.data, len);
	memcpy(hashed + 8 + len, block + db_len - len, len);
	if (EVP_Digest(hashed, 8 + 2 * len, hash, NULL, md, NULL) != 1 || !mgf1_xor(block, db_len, md, hash, len))
		return -EIO;
	block[0] &= 0x7f; /* the encoded message is one bit shorter than the modulus */
	block[size - 1] = 0xbc;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/tls_name.h"

#include <stddef.h>

#include "base/common.h"

struct name {
	uint16_t id;
	const char *text;
};

static const struct name groups[] = {{23, "P-256"}, {24, "P-384"}, {25, "P-521"}, {29, "X25519"}};

/* RFC 8446 section 4.2.3 */
static const struct name signatures[] = {
	{0x0201, "rsa_pkcs1_sha1"},
	{0x0203, "ecdsa_sha1"},
	{0x0401, "rsa_pkcs1_sha256"},
	{0x0403, "ecdsa_secp256r1_sha256"},
	{0x0501, "rsa_pkcs1_sha384"},
	{0x0503, "ecdsa_secp384r1_sha384"},
	{0x0601, "rsa_pkcs1_sha512"},
	{0x0603, "ecdsa_secp521r1_sha512"},
	{0x0804, "rsa_pss_rsae_sha256"},
	{0x0805, "rsa_pss_rsae_sha384"},
	{0x0806, "rsa_pss_rsae_sha512"},
	{0x0807, "ed25519"},
	{0xff01, "rsa_pkcs1_md5_sha1"},
};

static const char *name_find(const struct name *names, size_t n, uint16_t id)
{
	for (size_t i = 0; i < n; i++)
		if (names[i].id == id)
			return names[i].text;
	return id ? "unknown" : "";
}

const char *tls_name_of_group(uint16_t id)
{
	return name_find(groups, ARRAY_SIZE(groups), id);
}

const char *tls_name_of_signature(uint16_t id)
{
	return name_find(signatures, ARRAY_SIZE(signatures), id);
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The padding of RSA signatures (RFC 8017 section 9), for an engine that does the raw operation itself. The block is as
 * long as the modulus, whose length in bits is a multiple of eight. */
#include "base/common.h"
#include "keys/libcrypto.h"

/* md: EVP_md5_sha1() has no DigestInfo (RFC 4346 section 7.4.3). -EINVAL: no such hash, or the block is too short */
int emsa_pkcs1(uint8_t *block, size_t size, const EVP_MD *md, struct span digest);
/* salt as long as the digest, MGF1 with the same hash (RFC 8446 section 4.2.3) */
int emsa_pss(uint8_t *block, size_t size, const EVP_MD *md, struct span digest);

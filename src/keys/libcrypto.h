/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* OpenSSL's headers, for this folder only. BoringSSL has the same names and another ABI: the two never meet. */
#include <openssl/opensslv.h>
#include <openssl/crypto.h>
#ifdef OPENSSL_IS_BORINGSSL
#error "src/keys is built with OpenSSL, not with BoringSSL: check the include path"
#endif
#if OPENSSL_VERSION_MAJOR < 3
#error "src/keys needs OpenSSL 3"
#endif
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/common.h"

#define CLEANUP_CRYPTO(type, free_function)         \
	static inline void cleanup_##type(type **p) \
	{                                           \
		free_function(*p);                  \
	}
CLEANUP_CRYPTO(EVP_PKEY, EVP_PKEY_free)
CLEANUP_CRYPTO(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
CLEANUP_CRYPTO(EVP_MD_CTX, EVP_MD_CTX_free)
CLEANUP_CRYPTO(EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)
CLEANUP_CRYPTO(BIO, BIO_free_all)
CLEANUP_CRYPTO(X509, X509_free)
#undef CLEANUP_CRYPTO
#define _cleanup_crypto_(type) _cleanup_(cleanup_##type)

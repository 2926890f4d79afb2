/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a ClientHello says about the program that made it (D11). JA3: the MD5 of version, suites, extensions, groups and
 * point formats in their order; JA4: FoxIO's "TLS client fingerprint", which sorts them. Pure functions of the hello.
 */
#include "tls/client_hello.h"

struct fingerprint {
	char ja3[33]; /* 32 hex digits */
	char ja4[37]; /* t13d1516h2_8daaf6152771_e5627efa2ab1 */
};

void fingerprint_client(const struct client_hello *hello, struct fingerprint *out);

/* SPDX-License-Identifier: Apache-2.0 */
/* The held ClientHello: every span that comes out must lie in the input or in the gathered message. */
#include <stdlib.h>
#include <string.h>

#include "tls/client_hello.h"
#include "tls/fingerprint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t touch(struct span s)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s.len; i++)
		sum += s.data[i];
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t message[CLIENT_HELLO_MAX];
	struct client_hello h;
	struct fingerprint print;
	uint64_t sum = 0;

	if (client_hello_read(data, size, message, &h) != CLIENT_HELLO_COMPLETE)
		return 0;
	sum += touch(h.random) + touch(h.session_id) + touch(h.cipher_suites) + touch(h.extensions) + touch(h.sni);
	sum += touch(h.alpn) + touch(h.groups) + touch(h.signature_algorithms) + touch(h.key_shares);
	sum += client_hello_offers_alpn(&h, "http/1.1") + client_hello_sni_is_valid(h.sni);
	fingerprint_client(&h, &print);
	if (strlen(print.ja3) != 32 || strlen(print.ja4) != 36)
		abort();
	if (h.version_min > h.version_max || sum == UINT64_MAX)
		abort();
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A mail dialogue whole and byte by byte: the same commands are found at the same places. Input: a byte that chooses
 * the protocol, then runs of a byte (bit 7: the server's, else length) and that many bytes. */
#include <stdlib.h>

#include "base/span.h"
#include "inspect/mail.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t client(struct mail *mail, struct span bytes, size_t cut)
{
	uint64_t found = 0;

	while (bytes.len) {
		bool starttls;
		size_t n = mail_client(mail, SPAN(bytes.data, MIN(bytes.len, cut)), &starttls);

		if (!n || n > bytes.len)
			abort();
		span_skip(&bytes, n);
		if (starttls)
			found = found * 31 + bytes.len + 1;
	}
	return found;
}

static uint64_t converse(struct span in, size_t cut)
{
	struct mail mail = {.protocol = in.data[0] % 3};
	uint64_t found = 0;

	span_skip(&in, 1);
	while (in.len) {
		struct span run = SPAN(in.data + 1, MIN(in.data[0] & 0x7fu, in.len - 1));

		if (in.data[0] >> 7)
			mail_server(&mail, run);
		else
			found = found * 31 + client(&mail, run, cut);
		span_skip(&in, run.len + 1);
	}
	return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size && converse(SPAN(data, size), SIZE_MAX) != converse(SPAN(data, size), 1))
		abort();
	return 0;
}

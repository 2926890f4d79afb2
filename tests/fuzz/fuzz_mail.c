/* SPDX-License-Identifier: Apache-2.0 */
/* A mail dialogue whole and byte by byte: the same commands and messages are found at the same places. Input: a byte
 * that chooses the protocol, then runs of a byte (bit 7: the server's, else length) and that many bytes. */
#include <stdlib.h>

#include "base/span.h"
#include "inspect/mail.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t side(struct mail *mail, bool server, struct span bytes, size_t cut)
{
	uint64_t found = 0;

	while (bytes.len) {
		struct span some = SPAN(bytes.data, MIN(bytes.len, cut));
		struct mail_news news;
		size_t n = server ? mail_server(mail, some, &news) : mail_client(mail, some, &news);

		if (!n || n > some.len || news.message.len > n)
			abort();
		span_skip(&bytes, n);
		for (size_t i = 0; i < news.message.len; i++)
			found = found * 37 + news.message.data[i];
		if (news.starttls || news.ends)
			found = found * 31 + bytes.len + 1 + news.starttls;
	}
	return found;
}

static uint64_t converse(struct span in, size_t cut)
{
	struct mail mail;
	uint64_t found = 0;

	mail_init(&mail, in.data[0] % 3);
	span_skip(&in, 1);
	while (in.len) {
		struct span run = SPAN(in.data + 1, MIN(in.data[0] & 0x7fu, in.len - 1));

		found = found * 31 + side(&mail, in.data[0] >> 7, run, cut);
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

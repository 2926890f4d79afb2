/* SPDX-License-Identifier: Apache-2.0 */
/* A mail message, a byte at a time: parts begin and end in turn, bytes come of none but them, and no more come out than
 * went in. */
#include <stdlib.h>

#include "inspect/mime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	bool open;
	size_t out;
};

static void look(struct seen *seen, const struct mime_news *news)
{
	if (news->n > sizeof(news->bytes) || (news->begins && seen->open))
		abort();
	seen->open |= news->begins;
	if ((news->n || news->ends) && !seen->open)
		abort();
	seen->open &= !news->ends;
	seen->out += news->n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct mime mime;
	static struct mime_news news;
	struct seen seen = {0};

	mime_start(&mime);
	for (size_t i = 0; i < size; i++) {
		mime_byte(&mime, data[i], &news);
		look(&seen, &news);
		if (mime.depth > MIME_DEPTH_MAX || seen.out > i + 1)
			abort();
	}
	mime_finish(&mime, &news);
	look(&seen, &news);
	if (seen.open || seen.out > size)
		abort();
	return 0;
}

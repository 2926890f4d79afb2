/* SPDX-License-Identifier: Apache-2.0 */
/* A record as a hostile producer might write it: whatever passes the check is one line of JSON. */
#include <stdlib.h>
#include <string.h>

#include "events/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char line[EVENT_JSON_MAX];
	int len;

	if (event_check(data, size))
		return 0;
	len = event_encode_json(data, &(struct event_origin){"device", 1, 1}, line, sizeof(line));
	if (len <= 0 || line[0] != '{' || line[len - 1] != '}' || line[len])
		abort();
	for (int i = 0; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			abort();
	return 0;
}

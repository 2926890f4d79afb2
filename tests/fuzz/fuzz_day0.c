/* SPDX-License-Identifier: Apache-2.0 */
/* day-0 settings as they come from a medium: a document, or an OVF environment that becomes one */
#include <stdlib.h>

#include "day0/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse(const char *text, size_t len)
{
	struct config_problems problems = {0};
	struct day0_settings *settings = NULL;
	int r = day0_parse(text, len, &settings, &problems);

	if ((r == 0) != (settings != NULL) || (r < 0 && !problems.n))
		abort();
	day0_free(&settings);
	config_problems_clear(&problems);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = NULL;
	size_t len;

	parse((const char *)data, size);
	if (day0_from_ovf((const char *)data, size, &text, &len) == 0)
		parse(text, len);
	free(text);
	return 0;
}

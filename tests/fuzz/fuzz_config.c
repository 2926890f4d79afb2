/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_problems problems = {0};
	struct config *config = NULL;
	int r = config_parse((const char *)data, size, &config, &problems);

	if ((r == 0) != (config != NULL))
		abort();
	config_unref(&config);
	config_problems_clear(&problems);
	return 0;
}

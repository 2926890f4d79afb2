/* SPDX-License-Identifier: Apache-2.0 */
/* Rule text of any kind: parsed, or refused with a reason. */
#include <stdlib.h>

#include "inspect/ruleset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct inspect_source source = {"fuzz", SPAN(data, size)};
	struct inspect_report report = {0};
	struct ruleset set = {0};

	if (ruleset_read(&set, RULESET_NEW, &source, 1, NULL, &report) == 0)
		ruleset_sort(&set);
	for (size_t i = 0; i < report.n_refused; i++)
		if (!report.refused[i].reason[0])
			abort();
	ruleset_clear(&set);
	inspect_report_clear(&report);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-fields-doc [elastic|splunk|qradar]: docs/log-fields.md from the tables of logs, fields and privacy classes; or
 * what provisioning/siem has for another product. */
#include "events/event_document.h"
#include "generated.h"

static const struct {
	const char *name;
	void (*write)(FILE *out);
} products[] = {{"elastic", event_write_elastic}, {"splunk", event_write_splunk}, {"qradar", event_write_qradar}};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(products); i++)
		if (!strcmp(argv[1], products[i].name))
			return generated_main(argc - 1, argv + 1, products[i].write);
	return generated_main(argc, argv, event_write_document);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-config-doc: docs/configuration.md from the configuration's schema. */
#include "config/schema.h"
#include "generated.h"

int main(int argc, char **argv)
{
	return generated_main(argc, argv, schema_write_document);
}

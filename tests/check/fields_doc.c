/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-fields-doc: docs/log-fields.md from the tables of logs, fields and privacy classes. */
#include "events/event_document.h"
#include "generated.h"

int main(int argc, char **argv)
{
	return generated_main(argc, argv, event_write_document);
}

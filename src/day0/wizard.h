/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Settings of day 0 from whoever sits at the console, when no deployment brought any: the few without which the
 * appliance cannot be reached. */
#include <stdbool.h>
#include <stdio.h>

struct wizard {
	int in;
	FILE *out;
	bool (*over)(void); /* somebody else has brought settings meanwhile; asked once a second */
};

/* asks until there is a document of settings (docs/day0.md); *document is malloc'ed, the caller's, and holds a secret.
 * -ECANCELED: over, or the end of the input */
int wizard_ask(struct wizard *wizard, char **document);
/* on a login's terminal: asks if nothing is set, applies, and becomes the program */
int wizard_run(char **program);

/* SPDX-License-Identifier: Apache-2.0 */
/* The files of an import: a certificate with its chain and its key, in one file or two, or the CAs that a log target
 * trusts. The first byte says which, the next two where the second file begins. PKCS#12 and encrypted keys are left to
 * their library: a file may ask for any number of rounds, against which the importer has a limit of CPU time. */
#include <stdlib.h>

#include "keys/import.h"

enum mode { TWO_FILES, ONE_FILE, WITHOUT_KEY, LOG_TARGET, CA, MODES };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct import *import, int err, const json_t *facts)
{
	char *text = err ? NULL : json_dumps(facts, 0);

	/* each refusal is a sentence, and what is taken can be stored */
	if (err ? !*import->error : !text)
		abort();
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum mode mode = size > 3 ? data[0] % MODES : MODES;
	size_t len = size > 3 ? size - 3 : 0, cut = size > 3 ? MIN((size_t)(data[1] << 8 | data[2]), len) : 0;
	struct import import = {.name = "fuzz",
		.warnings = json_array(),
		.without_key = mode == WITHOUT_KEY,
		.client = mode == LOG_TARGET || mode == CA};
	struct span all = SPAN(data + 3, len);
	bool two = mode == TWO_FILES || mode == LOG_TARGET;
	json_t *facts = mode == CA ? json_object() : NULL;
	int err = 0;

	if (mode == MODES || import_is_pkcs12(all))
		goto done;
	if (mode == CA)
		err = import_authorities(&import, all, facts);
	else
		err = import_files(&import, two ? SPAN(all.data, cut) : all,
			two ? SPAN(all.data + cut, len - cut) : SPAN(NULL, 0), NULL, &facts);
	check(&import, err, facts);
done:
	json_decref(facts);
	import_clear(&import);
	return 0;
}

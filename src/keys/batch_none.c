/* SPDX-License-Identifier: Apache-2.0 */
/* built where there is no crypto_mb (Debian 12) */
#include "keys/batch.h"

const struct batch_backend *batch_backend(const char **why)
{
	*why = "built without crypto_mb";
	return NULL;
}

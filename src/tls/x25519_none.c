/* SPDX-License-Identifier: Apache-2.0 */
/* built where there is no lib25519 (Debian 12) */
#include "tls/x25519.h"

void tls_x25519_begin(void) {}

bool tls_x25519_is_replaced(void)
{
	return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Names of TLS code points for readers of the sessions list, who have no TLS engine at hand; the same as the engine's,
 * which the records have. "" for 0, "unknown" for what no leg of ours negotiates. */
#include <stdint.h>

const char *tls_name_of_group(uint16_t id);
const char *tls_name_of_signature(uint16_t id);

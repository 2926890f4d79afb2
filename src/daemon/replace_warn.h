/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What clients would notice of a replacement (E3): told before somebody calls at three in the morning. */
#include <jansson.h>

/* facts of the certificate that goes and of the one that comes, which gets further "warnings" */
void replace_warn(const json_t *before, json_t *facts);

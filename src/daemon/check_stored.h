/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/instance.h"

/* sluiced --check-stored (J5): whether this version takes the newest stored configuration; what is wrong goes to
 * standard error as FILE:LINE:COLUMN: text. Writes nothing, needs no supervisor: a version that is not running yet is
 * asked so. The exit status: 0 also when none is stored. */
int check_stored_main(const struct instance *instance);

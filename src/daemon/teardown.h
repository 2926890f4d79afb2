/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/instance.h"

/* sluiced --teardown: ends every process and takes everything off the wire, also after a crash. The exit status. */
int teardown_main(const struct instance *instance);

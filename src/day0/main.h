/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "day0/seed.h"

int day0_main(int argc, char **argv);
/* applies one document of settings; what Sluice itself has to take is left to `commit` */
int day0_first_boot(struct seed *seed);

/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-day0: the appliance's first boot. */
#include "day0/main.h"

int main(int argc, char **argv)
{
	return day0_main(argc, argv);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "relp/main.h"

int main(int argc, char **argv)
{
	return relp_main(argc, argv);
}

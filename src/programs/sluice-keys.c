/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/main.h"

int main(int argc, char **argv)
{
	return keys_main(argc, argv);
}

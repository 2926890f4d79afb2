/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/main.h"

int main(int argc, char **argv)
{
	return provider_main(argc, argv);
}

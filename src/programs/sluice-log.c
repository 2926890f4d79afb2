/* SPDX-License-Identifier: Apache-2.0 */
#include "logship/main.h"

int main(int argc, char **argv)
{
	return logship_main(argc, argv);
}

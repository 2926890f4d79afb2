/* SPDX-License-Identifier: Apache-2.0 */
#include "snmp/main.h"

int main(int argc, char **argv)
{
	return snmp_main(argc, argv);
}

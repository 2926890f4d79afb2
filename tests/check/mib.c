/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-mib: snmp-mib/SLUICE-MIB.txt from the MIB's arrays and the counters' definitions. */
#include "generated.h"
#include "snmp/mib.h"

int main(int argc, char **argv)
{
	return generated_main(argc, argv, mib_write_module);
}

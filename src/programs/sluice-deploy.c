/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-deploy: puts the appliance on a hypervisor. */
#include "deploy/main.h"

int main(int argc, char **argv)
{
	return deploy_main(argc, argv);
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* sluice-key-provider: private keys from a command, for Sluice's key provider protocol. Exit status. */
int provider_main(int argc, char **argv);

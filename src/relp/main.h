/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* sluice-relp: sends what the spool holds to one log target. One process per target, the only program with librelp. */

int relp_main(int argc, char **argv);
/* target.c: sends until `stop`, SIGTERM, or the end of the control socket. Exit status. */
int target_run(int control_fd);

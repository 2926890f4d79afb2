/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* sluice-log: takes records off the producers' event rings and appends them as JSON lines to one file per log. */

#define LOGSHIP_CONTROL_FD 3 /* the control socket, from the supervisor */

/* Writes logs until `stop` or SIGTERM, then drains every ring and syncs. When the control socket ends it goes on
 * (headless) and leaves after LOGSHIP_QUIET_S without a record: that producers are gone cannot be seen on their rings.
 * Exit status. */
#define LOGSHIP_QUIET_S 86400
int logship_run(int control_fd);
/* the program's main */
int logship_main(int argc, char **argv);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* sluice-keys: the key keeper, and with --import the one-shot that reads certificates and keys. */

#define KEYS_CONTROL_FD 3 /* the control socket, from the supervisor */

/* Serves the key rings until `stop`. When the control socket ends it goes on (headless): it leaves after
 * KEEPER_NO_RING_S without a ring, or KEEPER_QUIET_S without a request on any ring, since the death of a worker cannot
 * be seen through its eventfds. Exit status. */
#define KEEPER_NO_RING_S 600
#define KEEPER_QUIET_S 86400
int keeper_run(int control_fd);
/* answers one `import` message with `imported` or `import_error`. Exit status. */
int import_run(int control_fd);
/* opens the device key (`unlock`), or makes and protects another (`protect`) and seals keys with it (`reseal`). Exit
 * status. */
int keystore_run(int control_fd);
/* one private key from a key provider: answers one `fetch` message. Exit status. */
int fetch_run(int control_fd);
/* one stored key with its certificates as PKCS#12 under a password: answers one `export` message. Exit status. */
int export_run(int control_fd);
/* one stored key of a log target's credentials as PEM in a memfd: answers one `open` message. Exit status. */
int open_run(int control_fd);
/* the program's main */
int keys_main(int argc, char **argv);

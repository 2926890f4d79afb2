/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* X25519 takes most of what the engine computes for a handshake: a key pair and a shared secret on each leg. Debian's
 * BoringSSL has plain C for it; lib25519 needs half the time. The engine's TLS library calls X25519() and
 * X25519_keypair() by name through the dynamic linker, which asks the program first, so that the program can stand in
 * for them without a change to the engine (x25519_lib25519.c). Where it was built without lib25519 the engine's own are
 * used (x25519_none.c). */
#include <stdbool.h>

/* Before the first handshake, and before system calls are filtered: tries known answers. */
void tls_x25519_begin(void);
/* whether the engine's are replaced */
bool tls_x25519_is_replaced(void);

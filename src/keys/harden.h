/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What keeps private keys in this process: no core, no ptrace, no swap, no file, no network (E5). */
#include <stdint.h>

/* First thing in main, before any key: no core dumps, not dumpable (so no ptrace nor /proc/PID/mem for the same user),
 * libcrypto without its configuration file and wiping what it frees, and a heap that can be locked. 0 or -errno. */
int keys_harden(void);
/* Locks the process's memory, or where RLIMIT_MEMLOCK forbids it, the heap, where all keys are. Never fails: what could
 * not be locked is a warning, once. Call again after loading keys: the heap may have grown. */
void keys_lock_memory(void);
/* from here on: descriptors that are open or come in messages, memory, time, random numbers; nothing else */
int keys_sandbox_keeper(void);
int keys_sandbox_importer(void);

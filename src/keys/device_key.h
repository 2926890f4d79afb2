/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The key that seals the keystore (E5): 32 bytes in a file that the supervisor opens, mode 0600, and passes as a
 * descriptor. Its weakness: who can read the disk as root has it; it keeps keys out of backups and copied directories.
 */
#include <stdint.h>

#define DEVICE_KEY_SIZE 32

/* -ENODATA when the file is empty (nothing was imported yet), -EINVAL when it has another size */
int device_key_read(int fd, uint8_t key[DEVICE_KEY_SIZE]);
/* writes a random one first when the file is empty; importers at the same time agree on one */
int device_key_read_or_create(int fd, uint8_t key[DEVICE_KEY_SIZE]);

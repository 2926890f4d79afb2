/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The key that seals the keystore (E5): 32 bytes. They reach a process of this folder as a descriptor: the file
 * `device.key` itself (mode 0600: who can read the disk as root has it; it keeps keys out of backups and copied
 * directories), or, where the file holds them under a passphrase, a pipe with them after the operator unlocked it. */
#include "keys/secret.h"

#define DEVICE_KEY_SIZE 32

/* A device.key under a passphrase: AES-256-GCM under a key that scrypt derives from it.
 *
 *   offset  0  "SLDK"
 *           4  version, 1
 *           5  log2 of scrypt's N, then r and p
 *           8  salt, 16 random bytes
 *          24  nonce, 12 random bytes
 *          36  the device key, encrypted
 *          68  tag, 16 bytes; authenticated with it are the first 36 bytes */
#define DEVICE_KEY_WRAPPED_SIZE 84

/* -ENODATA when the file is empty (nothing was imported yet), -ENOKEY when it is under a passphrase, -EINVAL when it
 * has another size; a pipe is read empty */
int device_key_read(int fd, uint8_t key[DEVICE_KEY_SIZE]);
/* writes a random one first when the file is empty; importers at the same time agree on one */
int device_key_read_or_create(int fd, uint8_t key[DEVICE_KEY_SIZE]);

int device_key_wrap(
	const uint8_t key[DEVICE_KEY_SIZE], const struct secret *passphrase, uint8_t out[DEVICE_KEY_WRAPPED_SIZE]);
/* -EPROTO: not of this format or with parameters out of bounds; -EACCES: the passphrase is wrong (or the file damaged)
 */
int device_key_unwrap(
	const uint8_t wrapped[DEVICE_KEY_WRAPPED_SIZE], const struct secret *passphrase, uint8_t key[DEVICE_KEY_SIZE]);

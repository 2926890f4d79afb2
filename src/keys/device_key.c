/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/device_key.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "keys/libcrypto.h"

int device_key_read(int fd, uint8_t key[DEVICE_KEY_SIZE])
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!st.st_size)
		return -ENODATA;
	if (st.st_size != DEVICE_KEY_SIZE)
		return -EINVAL;
	return pread(fd, key, DEVICE_KEY_SIZE, 0) == DEVICE_KEY_SIZE ? 0 : -EIO;
}

/* A power cut must not leave a keystore sealed with a key that never reached the disk. */
static int device_key_create(int fd, uint8_t key[DEVICE_KEY_SIZE])
{
	if (RAND_priv_bytes(key, DEVICE_KEY_SIZE) != 1)
		return -EIO;
	if (pwrite(fd, key, DEVICE_KEY_SIZE, 0) != DEVICE_KEY_SIZE || fsync(fd) < 0)
		return errno ? -errno : -EIO;
	return 0;
}

int device_key_read_or_create(int fd, uint8_t key[DEVICE_KEY_SIZE])
{
	int err;

	if (flock(fd, LOCK_EX) < 0)
		return -errno;
	err = device_key_read(fd, key);
	if (err == -ENODATA)
		err = device_key_create(fd, key);
	flock(fd, LOCK_UN);
	return err;
}

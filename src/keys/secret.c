/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/secret.h"

#include <errno.h>
#include <string.h>

#include "keys/libcrypto.h"

int secret_new(struct secret *secret, size_t len)
{
	uint8_t *data = malloc(MAX(len, (size_t)1));

	if (!data)
		return -ENOMEM;
	*secret = (struct secret){data, len};
	return 0;
}

void secret_free(struct secret *secret)
{
	if (secret->data)
		OPENSSL_cleanse(secret->data, secret->len);
	free(secret->data);
	*secret = (struct secret){NULL, 0};
}

/* bytes read, at most len, or -errno */
static ssize_t read_to_end(int fd, uint8_t *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(fd, data + done, len - done);

		if (n == 0)
			break;
		if (n > 0)
			done += n;
		else if (errno != EINTR)
			return -errno;
	}
	return (ssize_t)done;
}

int secret_read(struct secret *secret, int fd, size_t max)
{
	_cleanup_secret_ struct secret whole = {0};
	ssize_t n;
	int err;

	/* a memfd comes with its writer's offset; a pipe has none */
	if (lseek(fd, 0, SEEK_SET) < 0 && errno != ESPIPE)
		return -errno;
	/* one buffer of the greatest size: growing would leave copies behind */
	err = secret_new(&whole, max + 1);
	if (err)
		return err;
	n = read_to_end(fd, whole.data, max + 1);
	if (n < 0)
		return (int)n;
	if ((size_t)n > max)
		return -EFBIG;
	err = secret_new(secret, n);
	if (!err && n)
		memcpy(secret->data, whole.data, n);
	return err;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/stored_key.h"

#include <errno.h>
#include <string.h>

#include "keys/seal.h"

int stored_key_open(struct import *import, const char *key_id, int device_key_fd, int sealed_key_fd)
{
	_cleanup_secret_ struct secret sealed = {0}, plain = {0};
	uint8_t device_key[DEVICE_KEY_SIZE];
	const uint8_t *at;
	int err = secret_read(&sealed, sealed_key_fd, SEALED_MAX);

	if (!err)
		err = device_key_read(device_key_fd, device_key);
	if (err == -ENOKEY)
		return import_refuse(import, "the keystore is locked: sluice keystore unlock");
	if (!err)
		err = key_unseal(device_key, import->name, strtoull(key_id ? key_id : "", NULL, 16),
			SPAN(sealed.data, sealed.len), &plain);
	OPENSSL_cleanse(device_key, sizeof(device_key));
	if (err)
		return import_refuse(import, "the stored key cannot be opened: %s", strerror(-err));
	at = plain.data;
	import->key = d2i_AutoPrivateKey(NULL, &at, (long)plain.len);
	return import->key ? 0 : import_refuse(import, "the stored key is damaged");
}

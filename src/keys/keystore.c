/* SPDX-License-Identifier: Apache-2.0 */
/* The one-shot that puts the device key under a passphrase, and takes it out (E5). The supervisor gives descriptors and
 * never sees the key: what is unlocked goes into a pipe that only the key keeper and importers read. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "ipc/message.h"
#include "keys/device_key.h"
#include "keys/harden.h"
#include "keys/libcrypto.h"
#include "keys/main.h"

#define KEYSTORE_FDS_MAX 4
#define KEYSTORE_START_TIMEOUT_MS 30000
#define PASSPHRASE_MIN 12
#define PASSPHRASE_MAX 1024

struct keystore_call {
	json_t *json;
	int fds[KEYSTORE_FDS_MAX]; /* device key; then what the message says */
	size_t n_fds;
	uint8_t key[DEVICE_KEY_SIZE];
	char error[256];
};

static void keystore_call_clear(struct keystore_call *call)
{
	json_decref(call->json);
	for (size_t i = 0; i < call->n_fds; i++)
		cleanup_close(&call->fds[i]);
	OPENSSL_cleanse(call->key, sizeof(call->key));
}

static int keystore_refuse(struct keystore_call *call, int err, const char *text)
{
	snprintf(call->error, sizeof(call->error), "%s", text);
	return err;
}

static int keystore_write(struct keystore_call *call, int fd, const uint8_t *data, size_t len)
{
	return write(fd, data, len) == (ssize_t)len ? 0
						    : keystore_refuse(call, -EIO, "the device key cannot be written");
}

static int keystore_passphrase(struct keystore_call *call, int fd, struct secret *passphrase)
{
	if (secret_read(passphrase, fd, PASSPHRASE_MAX))
		return keystore_refuse(call, -EINVAL, "the passphrase cannot be read or is longer than 1024 bytes");
	return 0;
}

/* device key, passphrase, pipe */
static int keystore_unlock(struct keystore_call *call)
{
	_cleanup_secret_ struct secret wrapped = {0}, passphrase = {0};
	int err = keystore_passphrase(call, call->fds[1], &passphrase);

	if (!err && (secret_read(&wrapped, call->fds[0], DEVICE_KEY_WRAPPED_SIZE) ||
			    wrapped.len != DEVICE_KEY_WRAPPED_SIZE))
		err = keystore_refuse(call, -EINVAL, "the device key is not under a passphrase, or is damaged");
	if (err)
		return err;
	err = device_key_unwrap(wrapped.data, &passphrase, call->key);
	if (err == -EACCES)
		return keystore_refuse(call, err, "the passphrase is wrong");
	if (err)
		return keystore_refuse(call, err, "the device key's file is damaged, or made by a later version");
	return keystore_write(call, call->fds[2], call->key, sizeof(call->key));
}

/* device key, the file to write, and with `passphrase`: the passphrase, pipe */
static int keystore_protect(struct keystore_call *call, bool with_passphrase)
{
	_cleanup_secret_ struct secret passphrase = {0};
	uint8_t wrapped[DEVICE_KEY_WRAPPED_SIZE];
	int err = device_key_read_or_create(call->fds[0], call->key);

	if (err)
		return keystore_refuse(call, err, "the device key cannot be read or made");
	if (!with_passphrase) {
		err = keystore_write(call, call->fds[1], call->key, sizeof(call->key));
		return err ? err : fsync(call->fds[1]);
	}
	err = keystore_passphrase(call, call->fds[2], &passphrase);
	if (!err && passphrase.len < PASSPHRASE_MIN)
		err = keystore_refuse(call, -EINVAL, "the passphrase is shorter than 12 bytes");
	if (!err && device_key_wrap(call->key, &passphrase, wrapped))
		err = keystore_refuse(call, -EIO, "the device key cannot be encrypted");
	if (!err)
		err = keystore_write(call, call->fds[1], wrapped, sizeof(wrapped));
	if (!err && fsync(call->fds[1]) < 0)
		err = keystore_refuse(call, -EIO, "the device key cannot be written");
	return err ? err : keystore_write(call, call->fds[3], call->key, sizeof(call->key));
}

static int keystore_handle(struct keystore_call *call)
{
	const char *message = json_string_value(json_object_get(call->json, "message"));
	bool passphrase = json_is_true(json_object_get(call->json, "passphrase"));

	if (message && !strcmp(message, "unlock") && call->n_fds == 3)
		return keystore_unlock(call);
	if (message && !strcmp(message, "protect") && call->n_fds == (passphrase ? 4u : 2u))
		return keystore_protect(call, passphrase);
	return keystore_refuse(call, -EPROTO, "malformed keystore message");
}

int keystore_run(int control_fd)
{
	_cleanup_(keystore_call_clear) struct keystore_call call = {.n_fds = KEYSTORE_FDS_MAX};
	json_t *answer;
	int err;

	keys_lock_memory();
	err = keys_sandbox_importer();
	if (err)
		return log_err_r(err, "cannot enter the sandbox"), 1;
	err = ipc_recv(control_fd, KEYSTORE_START_TIMEOUT_MS, &call.json, call.fds, &call.n_fds);
	if (err)
		return log_err_r(err, "no message from the supervisor"), 1;
	err = keystore_handle(&call);
	answer = err ? json_pack("{s:s, s:s}", "message", "keystore_error", "error",
			       *call.error ? call.error : strerror(-err))
		     : json_pack("{s:s}", "message", "keystore_done");
	if (answer && ipc_send(control_fd, answer, NULL, 0))
		err = -EPIPE;
	json_decref(answer);
	return err != 0;
}

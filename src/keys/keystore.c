/* SPDX-License-Identifier: Apache-2.0 */
/* The one-shot that opens the device key with a passphrase or a TPM, and that makes a new one, protects it and seals
 * every key anew with it (E5). The supervisor gives descriptors and never sees a device key: what is unlocked goes into
 * a pipe that only the key keeper and importers read. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/shm.h"
#include "ipc/message.h"
#include "keys/device_key.h"
#include "keys/harden.h"
#include "keys/libcrypto.h"
#include "keys/main.h"
#include "keys/seal.h"
#include "keys/tpm.h"

#define KEYSTORE_FDS_MAX 4
#define KEYSTORE_TIMEOUT_MS 30000
#define PASSPHRASE_MIN 12
#define PASSPHRASE_MAX 1024

/* what keeps the device key from who reads its file */
enum protection { PROTECTION_FILE, PROTECTION_PASSPHRASE, PROTECTION_TPM, PROTECTIONS };
static const char *const protections[PROTECTIONS] = {"file", "passphrase", "tpm"};

struct keystore_call {
	json_t *json;
	int fds[KEYSTORE_FDS_MAX]; /* device key; then what the message says */
	size_t n_fds;
	enum protection protection;
	struct key_pair {
		uint8_t old[DEVICE_KEY_SIZE], new[DEVICE_KEY_SIZE];
	} *keys;
	bool resealing; /* the new key is there: what comes now is sealed keys */
	char error[256];
};

static void keystore_call_clear(struct keystore_call *call)
{
	json_decref(call->json);
	for (size_t i = 0; i < call->n_fds; i++)
		cleanup_close(&call->fds[i]);
	call->json = NULL;
	call->n_fds = 0;
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

static const char *keystore_text(const struct keystore_call *call, const char *key)
{
	return json_string_value(json_object_get(call->json, key)) ?: "";
}

static int keystore_passphrase(struct keystore_call *call, int fd, struct secret *passphrase)
{
	if (secret_read(passphrase, fd, PASSPHRASE_MAX))
		return keystore_refuse(call, -EINVAL, "the passphrase cannot be read or is longer than 1024 bytes");
	return 0;
}

/* --- unlocking -----------------------------------------------------------------------------------------------------
 */

static int unlock_passphrase(struct keystore_call *call, const struct secret *wrapped, int fd)
{
	_cleanup_secret_ struct secret passphrase = {0};
	int err = keystore_passphrase(call, fd, &passphrase);

	if (!err && wrapped->len != DEVICE_KEY_WRAPPED_SIZE)
		err = keystore_refuse(call, -EINVAL, "the device key is not under a passphrase, or is damaged");
	if (err)
		return err;
	err = device_key_unwrap(wrapped->data, &passphrase, call->keys->old);
	if (err == -EACCES)
		return keystore_refuse(call, err, "the passphrase is wrong");
	if (err)
		return keystore_refuse(call, err, "the device key's file is damaged, or made by a later version");
	return 0;
}

static int unlock_tpm(struct keystore_call *call, const struct secret *sealed, int fd)
{
	struct tpm_error error = {0};
	int err = tpm_unseal(fd, SPAN(sealed->data, sealed->len), call->keys->old, &error);

	return err ? keystore_refuse(call, err, error.text) : 0;
}

/* device key, the passphrase or the TPM, pipe */
static int keystore_unlock(struct keystore_call *call)
{
	_cleanup_secret_ struct secret file = {0};
	int err = secret_read(&file, call->fds[0], TPM_SEALED_MAX);

	if (err)
		return keystore_refuse(call, err, "the device key's file cannot be read");
	err = call->protection == PROTECTION_TPM ? unlock_tpm(call, &file, call->fds[1])
						 : unlock_passphrase(call, &file, call->fds[1]);
	return err ? err : keystore_write(call, call->fds[2], call->keys->old, DEVICE_KEY_SIZE);
}

/* --- protecting: a new device key, under which every key is sealed anew ---------------------------------------------
 */

static int protect_passphrase(struct keystore_call *call, int fd, struct secret *file)
{
	_cleanup_secret_ struct secret passphrase = {0};
	int err = keystore_passphrase(call, fd, &passphrase);

	if (!err && passphrase.len < PASSPHRASE_MIN)
		err = keystore_refuse(call, -EINVAL, "the passphrase is shorter than 12 bytes");
	if (!err && (secret_new(file, DEVICE_KEY_WRAPPED_SIZE) ||
			    device_key_wrap(call->keys->new, &passphrase, file->data)))
		err = keystore_refuse(call, -EIO, "the device key cannot be encrypted");
	return err;
}

static int protect_tpm(struct keystore_call *call, int fd, struct secret *file)
{
	json_int_t pcrs = json_integer_value(json_object_get(call->json, "pcrs"));
	struct tpm_error error = {0};
	int err = tpm_seal(fd, (uint32_t)pcrs & TPM_PCRS_MASK, call->keys->new, file, &error);

	return err ? keystore_refuse(call, err, *error.text ? error.text : strerror(-err)) : 0;
}

static int protect_file(struct keystore_call *call, struct secret *file)
{
	if (secret_new(file, DEVICE_KEY_SIZE))
		return -ENOMEM;
	memcpy(file->data, call->keys->new, DEVICE_KEY_SIZE);
	return 0;
}

/* device key, the new file, and where it is not a file only: the passphrase or the TPM, pipe */
static int keystore_protect(struct keystore_call *call)
{
	_cleanup_secret_ struct secret file = {0};
	int err = device_key_read_or_create(call->fds[0], call->keys->old);

	if (!err && RAND_priv_bytes(call->keys->new, DEVICE_KEY_SIZE) != 1)
		err = -EIO;
	if (err)
		return keystore_refuse(call, err, "the device key cannot be read or made");
	if (call->protection == PROTECTION_PASSPHRASE)
		err = protect_passphrase(call, call->fds[2], &file);
	else if (call->protection == PROTECTION_TPM)
		err = protect_tpm(call, call->fds[2], &file);
	else
		err = protect_file(call, &file);
	if (!err)
		err = keystore_write(call, call->fds[1], file.data, file.len);
	if (!err && fsync(call->fds[1]) < 0)
		err = keystore_refuse(call, -EIO, "the device key cannot be written");
	if (!err && call->protection != PROTECTION_FILE)
		err = keystore_write(call, call->fds[3], call->keys->new, DEVICE_KEY_SIZE);
	call->resealing = !err;
	return err;
}

/* one sealed key: *out_fd the same under the new device key */
static int keystore_reseal(struct keystore_call *call, int *out_fd)
{
	_cleanup_secret_ struct secret old = {0}, plain = {0}, new = {0};
	const char *name = keystore_text(call, "name");
	uint64_t key_id = strtoull(keystore_text(call, "key_id"), NULL, 16);
	int err = secret_read(&old, call->fds[0], SEALED_MAX);

	if (!err)
		err = key_unseal(call->keys->old, name, key_id, SPAN(old.data, old.len), &plain);
	if (err)
		return keystore_refuse(
			call, err, "its sealed key does not open: import that certificate again, or remove it, first");
	err = key_seal(call->keys->new, name, key_id, SPAN(plain.data, plain.len), &new);
	if (!err)
		err = shm_create_sealed("sealed-key", new.data, new.len, out_fd);
	return err ? keystore_refuse(call, err, "a key cannot be sealed") : 0;
}

/* --- messages ------------------------------------------------------------------------------------------------------
 */

static bool keystore_read_protection(struct keystore_call *call)
{
	for (call->protection = 0; call->protection < PROTECTIONS; call->protection++)
		if (!strcmp(keystore_text(call, "protection"), protections[call->protection]))
			return true;
	return false;
}

/* *answer: what to say when all went well; *out_fd: to go with it */
static int keystore_handle(struct keystore_call *call, const char **answer, int *out_fd)
{
	const char *message = keystore_text(call, "message");

	if (call->resealing && !strcmp(message, "reseal") && call->n_fds == 1) {
		*answer = "resealed";
		return keystore_reseal(call, out_fd);
	}
	if (!keystore_read_protection(call) || call->resealing)
		return keystore_refuse(call, -EPROTO, "malformed keystore message");
	*answer = "keystore_done";
	if (!strcmp(message, "unlock") && call->protection != PROTECTION_FILE && call->n_fds == 3)
		return keystore_unlock(call);
	*answer = "keystore_ready";
	if (!strcmp(message, "protect") && call->n_fds == (call->protection == PROTECTION_FILE ? 2u : 4u))
		return keystore_protect(call);
	return keystore_refuse(call, -EPROTO, "malformed keystore message");
}

/* one message; 0 when more may come */
static int keystore_serve(struct keystore_call *call, int control_fd)
{
	_cleanup_close_ int out_fd = -1;
	const char *text = NULL;
	json_t *answer;
	int err, sent;

	call->n_fds = KEYSTORE_FDS_MAX;
	err = ipc_recv(control_fd, KEYSTORE_TIMEOUT_MS, &call->json, call->fds, &call->n_fds);
	if (err) {
		call->n_fds = 0;
		return call->resealing && err == -ECONNRESET ? 1
							     : (log_err_r(err, "no message from the supervisor"), err);
	}
	err = keystore_handle(call, &text, &out_fd);
	answer = err ? json_pack("{s:s, s:s}", "message", "keystore_error", "error",
			       *call->error ? call->error : strerror(-err))
		     : json_pack("{s:s}", "message", text);
	sent = answer ? ipc_send(control_fd, answer, &out_fd, out_fd >= 0 ? 1 : 0) : -ENOMEM;
	json_decref(answer);
	keystore_call_clear(call);
	return err ? err : sent ? sent : !call->resealing;
}

int keystore_run(int control_fd)
{
	struct keystore_call call = {.keys = calloc(1, sizeof(*call.keys))};
	int err = call.keys ? 0 : -ENOMEM;

	/* what the library would say is in our answers */
	setenv("TSS2_LOG", "all+none", 1);
	keys_lock_memory();
	if (!err)
		err = keys_sandbox_importer();
	if (err)
		return log_err_r(err, "cannot enter the sandbox"), 1;
	do
		err = keystore_serve(&call, control_fd);
	while (!err);
	OPENSSL_cleanse(call.keys, sizeof(*call.keys));
	free(call.keys);
	return err < 0;
}

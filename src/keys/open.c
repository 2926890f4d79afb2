/* SPDX-License-Identifier: Apache-2.0 */
/* The one-shot that opens the sealed key of a log target's credentials (G5, E5) for that target's process, which has to
 * hold it itself: GnuTLS signs there. The key is in a memfd that the supervisor passes on and does not read. */
#include <errno.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/shm.h"
#include "keys/main.h"
#include "keys/one_shot.h"
#include "keys/stored_key.h"

#define OPEN_FDS 2 /* device key, sealed key */

struct open_call {
	json_t *json;
	int fds[OPEN_FDS];
	size_t n_fds;
	struct import import; /* name, key, error text */
};

static void open_clear(struct open_call *call)
{
	import_clear(&call->import);
	json_decref(call->json);
	for (size_t i = 0; i < call->n_fds; i++)
		cleanup_close(&call->fds[i]);
}

/* *out_fd: the key in PEM */
static int open_write(struct open_call *call, int *out_fd)
{
	_cleanup_crypto_(BIO) BIO *bio = BIO_new(BIO_s_mem());
	char *data = NULL;
	long len = 0;
	int err = -ENOMEM;

	if (bio && PEM_write_bio_PKCS8PrivateKey(bio, call->import.key, NULL, NULL, 0, NULL, NULL) == 1)
		len = BIO_get_mem_data(bio, &data);
	if (len > 0) {
		err = shm_create_sealed("sluice-log-key", data, (size_t)len, out_fd);
		OPENSSL_cleanse(data, (size_t)len);
	}
	return err ? import_refuse(&call->import, "the stored key cannot be given: %s", strerror(-err)) : 0;
}

static int open_handle(struct open_call *call, int *out_fd)
{
	const char *message = json_string_value(json_object_get(call->json, "message"));
	int err;

	call->import.name = json_string_value(json_object_get(call->json, "name"));
	call->import.warnings = json_array();
	if (!message || strcmp(message, "open") || !call->import.name || call->n_fds != OPEN_FDS)
		return import_refuse(&call->import, "malformed open message");
	err = stored_key_open(
		&call->import, json_string_value(json_object_get(call->json, "key_id")), call->fds[0], call->fds[1]);
	return err ? err : open_write(call, out_fd);
}

int open_run(int control_fd)
{
	_cleanup_(open_clear) struct open_call call = {.n_fds = OPEN_FDS};
	_cleanup_close_ int key_fd = -1;
	int err = one_shot_begin(control_fd, "open", NULL, &call.json, call.fds, &call.n_fds);

	if (err)
		return 1;
	err = open_handle(&call, &key_fd);
	return one_shot_end(control_fd, "open", &call.import, err, json_pack("{s:s}", "message", "opened"), key_fd);
}

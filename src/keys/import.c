/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/import.h"

#include <errno.h>
#include <openssl/provider.h>
#include <string.h>
#include <sys/resource.h>

#include "base/shm.h"
#include "keys/harden.h"
#include "keys/main.h"
#include "keys/one_shot.h"
#include "keys/seal.h"

#define IMPORT_CPU_S 20 /* a file may ask for any number of rounds to get from its password to its key */

/* The device key; then the certificate, its key unless that is in the certificate's file, the password if there is one;
 * for log targets, the CA of the log server's certificate, which may be all there is. */
#define IMPORT_FDS_MAX 5

struct import_request {
	json_t *json;
	int fds[IMPORT_FDS_MAX];
	bool with_certificate, with_key, with_password, with_ca;
	size_t n_fds;
};

static void import_request_clear(struct import_request *request)
{
	json_decref(request->json);
	for (size_t i = 0; i < request->n_fds; i++)
		cleanup_close(&request->fds[i]);
}

void import_clear(struct import *import)
{
	while (import->n)
		X509_free(import->chain[--import->n]);
	EVP_PKEY_free(import->key);
	import->key = NULL;
	json_decref(import->warnings);
	import->warnings = NULL;
}

int import_files(
	struct import *import, struct span certificate, struct span key, const struct secret *password, json_t **facts)
{
	int err;

	import->one_file = !key.len && !import->without_key;
	if (import->without_key && import_is_pkcs12(certificate)) {
		err = import_refuse(import, "the certificate file is PKCS#12, which holds the key itself: leave "
					    "--without-key out, or give the certificate as PEM or DER");
	} else if (import->without_key) {
		err = import_parse_certificates(import, certificate);
		if (!err)
			err = import_take_public_key(import);
	} else if (import_is_pkcs12(certificate)) {
		err = import->one_file ? import_parse_pkcs12(import, certificate, password)
				       : import_refuse(import, "the certificate file is PKCS#12, which holds the key "
							       "itself: leave --key out");
	} else {
		err = import_parse_certificates(import, certificate);
		if (!err)
			err = import_parse_key(import, import->one_file ? certificate : key, password);
	}
	if (!err && !import->without_key)
		err = import_check_key(import);
	if (!err)
		err = import_order_chain(import);
	return err ? err : import_facts(import, facts);
}

int import_seal(struct import *import, const uint8_t *device_key, struct secret *sealed)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(import->key);
	uint8_t *der = NULL;
	int len = info ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : -1;
	int err = len > 0 ? key_seal(device_key, import->name, import->key_id, SPAN(der, len), sealed) : -EINVAL;

	if (len > 0)
		OPENSSL_clear_free(der, (size_t)len);
	PKCS8_PRIV_KEY_INFO_free(info);
	return err;
}

/* one line of text: editors and echo leave a line end behind */
static int read_password(struct import *import, int fd, struct secret *password)
{
	if (secret_read(password, fd, IMPORT_PASSWORD_MAX))
		return import_refuse(
			import, "the password cannot be read or is longer than %d bytes", IMPORT_PASSWORD_MAX);
	if (password->len && password->data[password->len - 1] == '\n')
		password->len--;
	if (password->len && password->data[password->len - 1] == '\r')
		password->len--;
	return 0;
}

static int import_read_certificate(struct import *import, struct import_request *request, const int *fd, json_t **facts)
{
	_cleanup_secret_ struct secret certificate = {0}, key = {0}, password = {0};

	if (secret_read(&certificate, *fd++, IMPORT_FILE_MAX))
		return import_refuse(import, "the certificate file cannot be read or is larger than 1 MiB");
	if (request->with_key && secret_read(&key, *fd++, IMPORT_FILE_MAX))
		return import_refuse(import, "the key file cannot be read or is larger than 1 MiB");
	if (request->with_key && !key.len)
		return import_refuse(import, "the key file is empty");
	if (request->with_password && read_password(import, *fd++, &password))
		return -EINVAL;
	return import_files(import, SPAN(certificate.data, certificate.len), SPAN(key.data, key.len),
		request->with_password ? &password : NULL, facts);
}

static int import_read_ca(struct import *import, int fd, json_t *facts)
{
	_cleanup_secret_ struct secret ca = {0};

	if (secret_read(&ca, fd, IMPORT_FILE_MAX))
		return import_refuse(import, "the CA file cannot be read or is larger than 1 MiB");
	return import_authorities(import, SPAN(ca.data, ca.len), facts);
}

static int import_read(struct import *import, struct import_request *request, json_t **facts)
{
	int err = request->with_certificate ? import_read_certificate(import, request, request->fds + 1, facts) : 0;

	if (err || !request->with_ca)
		return err;
	if (!*facts)
		*facts = json_object();
	err = import_read_ca(import, request->fds[request->n_fds - 1], *facts);
	json_object_set(*facts, "warnings", import->warnings);
	return err;
}

int import_seal_to_memfd(struct import *import, int device_key_fd, int *out_fd)
{
	_cleanup_secret_ struct secret sealed = {0};
	uint8_t device_key[DEVICE_KEY_SIZE];
	int err = device_key_read_or_create(device_key_fd, device_key);

	if (err == -ENOKEY)
		return import_refuse(import, "the keystore is locked: sluice keystore unlock");
	if (err)
		return import_refuse(import,
			"the device key cannot be read or made (%s): is the state directory damaged?", strerror(-err));
	err = import_seal(import, device_key, &sealed);
	OPENSSL_cleanse(device_key, sizeof(device_key));
	if (!err)
		err = shm_create_sealed("sealed-key", sealed.data, sealed.len, out_fd);
	return err ? import_refuse(import, "the key cannot be sealed: %s", strerror(-err)) : 0;
}

static int import_handle(struct import *import, struct import_request *request, json_t **facts, int *sealed_fd)
{
	const char *message = json_string_value(json_object_get(request->json, "message"));
	int err;

	import->without_key = json_is_true(json_object_get(request->json, "without_key"));
	import->client = request->with_ca = json_is_true(json_object_get(request->json, "ca_fd"));
	request->with_certificate = !json_is_false(json_object_get(request->json, "certificate_fd"));
	request->with_key = request->with_certificate && !json_is_false(json_object_get(request->json, "key_fd"));
	request->with_password = json_is_true(json_object_get(request->json, "password_fd"));
	import->name = json_string_value(json_object_get(request->json, "name"));
	import->warnings = json_array();
	if (!message || strcmp(message, "import") || !import->name || !*import->name ||
		request->n_fds !=
			1u + request->with_certificate + request->with_key + request->with_password + request->with_ca)
		return import_refuse(import, "malformed import message");
	err = import_read(import, request, facts);
	if (err || import->without_key || !request->with_certificate)
		return err;
	return import_seal_to_memfd(import, request->fds[0], sealed_fd);
}

static OSSL_PROVIDER *legacy;

/* While files can still be opened: the algorithms of old PKCS#12 files (RC2), where the library has them. */
static void import_prepare(void)
{
	const struct rlimit cpu = {IMPORT_CPU_S, IMPORT_CPU_S};

	legacy = OSSL_PROVIDER_try_load(NULL, "legacy", 1);
	ERR_clear_error();
	setrlimit(RLIMIT_CPU, &cpu);
}

int import_run(int control_fd)
{
	_cleanup_(import_request_clear) struct import_request request = {.n_fds = IMPORT_FDS_MAX};
	_cleanup_(import_clear) struct import import = {0};
	_cleanup_close_ int sealed_fd = -1;
	json_t *facts = NULL; /* also of what is refused half-way */
	int err = one_shot_begin(control_fd, "import", import_prepare, &request.json, request.fds, &request.n_fds);

	if (err)
		return 1;
	err = import_handle(&import, &request, &facts, &sealed_fd);
	if (!err && facts)
		json_object_set_new(facts, "message", json_string("imported"));
	err = one_shot_end(control_fd, "import", &import, err, facts, sealed_fd);
	/* not left to libcrypto's own end, which loses what the provider holds: the leak check would tell of it */
	OSSL_PROVIDER_unload(legacy);
	return err;
}

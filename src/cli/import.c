/* SPDX-License-Identifier: Apache-2.0 */
/* certificate import (E2, E5): certificate, key and password travel as descriptors; this process looks into the key
 * file only to see whether it needs a password, and no password ever stands on a command line. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/common.h"
#include "base/shm.h"
#include "cli/client.h"
#include "cli/command.h"

#define IMPORT_FILE_MAX (1 << 20)

static const struct cli_password password_of_key = {"password", "private key"};
static const struct cli_password passphrase_of_keystore = {"passphrase", "keystore"};

struct import {
	int fds[4]; /* certificate, key, password; CA first, of a log target */
	size_t n;
};

static void import_release(struct import *import)
{
	for (size_t i = 0; i < import->n; i++)
		close(import->fds[i]);
}

static int import_open(struct cli *cli, struct import *import, const char *path, const char *what)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return client_fail(cli, CLI_FAILED, "cannot open the %s %s: %s", what, path, strerror(errno));
	import->fds[import->n++] = fd;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return client_fail(cli, CLI_FAILED, "the %s %s is not a regular file", what, path);
	if (!st.st_size || st.st_size > IMPORT_FILE_MAX)
		return client_fail(cli, CLI_FAILED, "the %s %s has %lld bytes: allowed are 1 to %d", what, path,
			(long long)st.st_size, IMPORT_FILE_MAX);
	return CLI_OK;
}

/* past a DER tag and its length; 0 when that is not what is there */
static size_t import_der_header(const unsigned char *der, size_t len, unsigned char tag)
{
	size_t extra = len >= 2 && der[1] & 0x80 ? der[1] & 0x7f : 0;

	return len < 2 + extra || der[0] != tag ? 0 : 2 + extra;
}

/* PEM says so in clear: "BEGIN ENCRYPTED PRIVATE KEY" (RFC 7468 section 11) or "Proc-Type: 4,ENCRYPTED" (RFC 1421).
 * PKCS#12 begins with the number 3 (RFC 7292 section 4) and nearly always has a password; an encrypted PKCS#8 key
 * begins with an algorithm (RFC 5958 section 3), an open one with a number. */
static bool import_looks_encrypted(const unsigned char *data, size_t len)
{
	static const unsigned char pkcs12[] = {2, 1, 3};
	size_t at = import_der_header(data, len, 0x30), inner;

	if (memmem(data, len, "-----BEGIN ", 11))
		return memmem(data, len, "ENCRYPTED", 9);
	if (!at)
		return false;
	if (len - at >= sizeof(pkcs12) && !memcmp(data + at, pkcs12, sizeof(pkcs12)))
		return true;
	inner = import_der_header(data + at, len - at, 0x30);
	return inner && at + inner < len && data[at + inner] == 6;
}

static bool import_is_encrypted(int fd)
{
	unsigned char *data = malloc(IMPORT_FILE_MAX);
	ssize_t n = data ? pread(fd, data, IMPORT_FILE_MAX, 0) : -1;
	bool found = n > 0 && import_looks_encrypted(data, n);

	if (data)
		explicit_bzero(data, IMPORT_FILE_MAX);
	free(data);
	return found;
}

/* the password from where the operator said; -ENODATA when none is needed */
static ssize_t import_find_password(const struct cli_call *call, int key_fd, char *out, size_t size)
{
	bool told = cli_call_value(call, "PWFILE") || cli_call_value(call, "PWSTDIN");
	ssize_t n =
		told || import_is_encrypted(key_fd) ? cli_read_password(call, &password_of_key, false, out, size) : 0;

	return n || told ? n : -ENODATA; /* also PKCS#12 without a password */
}

static int import_add_password(struct cli *cli, const struct cli_call *call, struct import *import)
{
	char password[CLI_PASSWORD_MAX];
	ssize_t n = import_find_password(call, import->fds[import->n - 1], password, sizeof(password));
	int fd = -1, r = n > 0 ? shm_create_sealed("sluice-password", password, n, &fd) : (int)n;

	explicit_bzero(password, sizeof(password));
	if (n == -ENODATA)
		return CLI_OK;
	if (n == 0)
		return client_fail(cli, CLI_FAILED, "the password is empty");
	if (r == -ENOTTY)
		return client_fail(cli, CLI_FAILED,
			"the private key is encrypted and there is no terminal to ask for its password: say "
			"--password-file "
			"FILE or --password-stdin");
	if (r < 0)
		return client_fail(cli, CLI_FAILED, "the password cannot be read: %s", strerror(-r));
	lseek(fd, 0, SEEK_SET); /* the position travels with the descriptor */
	import->fds[import->n++] = fd;
	return CLI_OK;
}

static json_t *import_request(const struct cli_call *call, bool password)
{
	json_t *request = json_pack("{s:s, s:s, s:b}", "command", call->command->request, "name",
		cli_call_value(call, "NAME"), "password_fd", password);

	if (request && cli_call_value(call, "WITHOUTKEY"))
		json_object_set_new(request, "without_key", json_true());
	if (request && !cli_call_value(call, "KEYFILE"))
		json_object_set_new(request, "key_fd", json_false());
	return request;
}

/* for what depends on how the device key is protected now: is it by a passphrase? */
static int keystore_needs_passphrase(struct cli *cli, bool *needs)
{
	json_auto_t *shown = NULL;
	int status =
		client_ask(cli, json_pack("{s:s}", "command", "keystore_show"), NULL, 0, CLIENT_PATIENCE_S, &shown);

	*needs = !strcmp(json_string_value(json_object_get(shown, "protection")) ?: "", "passphrase");
	return status;
}

int cli_run_keystore(struct cli *cli, const struct cli_call *call)
{
	bool new = !strcmp(call->command->request, "keystore_protect"), needs = true;
	json_auto_t *answer = NULL;
	_cleanup_close_ int fd = -1;
	int status = cli_check_password_options(cli, call);

	if (status == CLI_OK && (!new || call->command->fixed))
		status = keystore_needs_passphrase(cli, &needs);
	if (status == CLI_OK && needs)
		status = cli_open_password(cli, call, &passphrase_of_keystore, new, &fd);
	if (status == CLI_OK)
		status = client_ask(cli, cli_build_request(call), &fd, fd >= 0 ? 1 : 0, CLIENT_PATIENCE_S, &answer);
	return status == CLI_OK ? client_show(cli, answer, call->command->render) : status;
}

int cli_run_log_credentials(struct cli *cli, const struct cli_call *call)
{
	static const struct {
		const char *metavar, *word, *what;
	} files[] = {{"CAFILE", "ca", "CA"}, {"FILE", "certificate", "certificate"}, {"KEYFILE", "key", "private key"}};
	_cleanup_(import_release) struct import import = {0};
	json_auto_t *answer = NULL, *words = json_array();
	int status = cli_check_password_options(cli, call);
	json_t *request;

	for (size_t i = 0; i < ARRAY_SIZE(files) && status == CLI_OK; i++) {
		const char *path = cli_call_value(call, files[i].metavar);

		if (!path)
			continue;
		status = import_open(cli, &import, path, files[i].what);
		json_array_append_new(words, json_string(files[i].word));
	}
	if (status == CLI_OK && cli_call_value(call, "FILE"))
		status = import_add_password(cli, call, &import);
	if (status != CLI_OK)
		return status;
	if (import.n > json_array_size(words))
		json_array_append_new(words, json_string("password"));
	request = json_pack("{s:s, s:s, s:O}", "command", call->command->request, "name", cli_call_value(call, "NAME"),
		"files", words);
	status = client_ask(cli, request, import.fds, import.n, CLIENT_PATIENCE_S, &answer);
	return status == CLI_OK ? client_show(cli, answer, call->command->render) : status;
}

int cli_run_import(struct cli *cli, const struct cli_call *call)
{
	_cleanup_(import_release) struct import import = {0};
	json_auto_t *answer = NULL;
	size_t files;
	int status;

	status = cli_check_password_options(cli, call);
	if (status != CLI_OK)
		return status;
	if (cli_call_value(call, "WITHOUTKEY") &&
		(cli_call_value(call, "KEYFILE") || cli_call_value(call, "PWFILE") || cli_call_value(call, "PWSTDIN")))
		return client_fail(
			cli, CLI_USAGE, "--without-key excludes --key and passwords: there is no key to read");
	status = import_open(cli, &import, cli_call_value(call, "FILE"), "certificate");
	if (status == CLI_OK && cli_call_value(call, "KEYFILE"))
		status = import_open(cli, &import, cli_call_value(call, "KEYFILE"), "private key");
	files = import.n;
	if (status == CLI_OK && !cli_call_value(call, "WITHOUTKEY"))
		status = import_add_password(cli, call, &import);
	if (status == CLI_OK)
		status = client_ask(
			cli, import_request(call, import.n > files), import.fds, import.n, CLIENT_PATIENCE_S, &answer);
	return status == CLI_OK ? client_show(cli, answer, call->command->render) : status;
}

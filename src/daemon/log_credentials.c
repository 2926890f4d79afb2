/* SPDX-License-Identifier: Apache-2.0 */
/* CA, certificate and key of log targets. They are stored as they come and parsed only where they are used, in the
 * target's own process: what is looked at here is whether each file is of its kind. */
#include "daemon/log_credentials.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/common.h"
#include "config/config.h"
#include "daemon/store.h"
#include "daemon/supervisor.h"
#include "daemon/targets.h"

#define CREDENTIAL_MAX (256 << 10)

struct credentials {
	char *texts[STORE_LOG_CREDENTIALS];
	size_t lens[STORE_LOG_CREDENTIALS];
};

static void credentials_clear(struct credentials *credentials)
{
	for (unsigned int i = 0; i < STORE_LOG_CREDENTIALS; i++) {
		if (credentials->texts[i])
			explicit_bzero(credentials->texts[i], credentials->lens[i]);
		free(credentials->texts[i]);
	}
}

static json_t *credentials_error(const char *name, const char *why)
{
	return json_pack("{s:b, s:o}", "ok", 0, "error", json_sprintf("log credentials %s: %s", name, why));
}

static int credentials_find_word(const json_t *word)
{
	const char *text = json_string_value(word);

	for (int i = 0; text && i < STORE_LOG_CREDENTIALS; i++)
		if (!strcmp(store_log_credential_word((enum store_log_credential)i), text))
			return i;
	return -1;
}

static ssize_t credential_read(int fd, char **out)
{
	char *text = malloc(CREDENTIAL_MAX + 1);
	ssize_t n = text ? pread(fd, text, CREDENTIAL_MAX, 0) : -1;

	if (n < 0) {
		free(text);
		return -EIO;
	}
	text[n] = '\0';
	*out = text;
	return n;
}

/* what is wrong with a file; NULL: nothing that can be seen from outside */
static const char *credential_check(enum store_log_credential which, const char *text, size_t len)
{
	if (len == CREDENTIAL_MAX)
		return "a file is larger than 256 KB";
	if (strlen(text) != len)
		return "a file is not PEM";
	if (which == STORE_LOG_KEY && strstr(text, "ENCRYPTED"))
		return "the private key is encrypted: give it without a password, it is stored readable by root only";
	if (which == STORE_LOG_KEY)
		return strstr(text, "PRIVATE KEY-----") ? NULL : "the key file holds no PEM private key";
	return strstr(text, "-----BEGIN CERTIFICATE-----") ? NULL : "a certificate file holds no PEM certificate";
}

static const char *credentials_take(struct credentials *credentials, const json_t *words, const int *fds, size_t n_fds)
{
	const json_t *word;
	const char *error;
	size_t i;

	if (json_array_size(words) != n_fds)
		return "the request is malformed";
	json_array_foreach(words, i, word)
	{
		int which = credentials_find_word(word);
		ssize_t n;

		if (which < 0 || credentials->texts[which])
			return "the request is malformed";
		n = credential_read(fds[i], &credentials->texts[which]);
		if (n < 0)
			return "a file cannot be read";
		credentials->lens[which] = (size_t)n;
		error = credential_check((enum store_log_credential)which, credentials->texts[which], (size_t)n);
		if (error)
			return error;
	}
	if (!credentials->texts[STORE_LOG_CA])
		return "the CA of the log server's certificate is missing: --ca FILE";
	if (!credentials->texts[STORE_LOG_CERTIFICATE] != !credentials->texts[STORE_LOG_KEY])
		return "a certificate needs its key and a key its certificate: --cert FILE and --key FILE";
	return NULL;
}

json_t *log_credentials_import(struct supervisor *supervisor, const json_t *request, const int *fds, size_t n_fds)
{
	_cleanup_(credentials_clear) struct credentials credentials = {0};
	const char *name = json_string_value(json_object_get(request, "name")), *error;
	int r;

	if (!name || !store_certificate_name_ok(name))
		return credentials_error(
			name ? name : "", "allowed are names of 1 to 63 letters, digits, '-', '_' and '.'");
	error = credentials_take(&credentials, json_object_get(request, "files"), fds, n_fds);
	if (error)
		return credentials_error(name, error);
	r = store_write_log_credentials(
		&supervisor->store, name, (const char *const *)credentials.texts, credentials.lens);
	if (r < 0)
		return credentials_error(name, strerror(-r));
	if (supervisor->policy) /* targets that use them begin anew */
		targets_apply(supervisor);
	return json_pack("{s:b, s:s}", "ok", 1, "imported", name);
}

static const char *credentials_user(const struct supervisor *supervisor, const char *name)
{
	const struct config *config = supervisor->policy ? supervisor->policy->config : NULL;

	for (size_t i = 0; config && i < config->n_log_targets; i++)
		if (config->log_targets[i].credentials && !strcmp(config->log_targets[i].credentials, name))
			return config->log_targets[i].name;
	return NULL;
}

json_t *log_credentials_remove(struct supervisor *supervisor, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "name"));
	const char *user = name ? credentials_user(supervisor, name) : NULL;
	int r;

	if (user)
		return credentials_error(name, "a log target of the configuration in force uses them");
	r = name ? store_remove_log_credentials(&supervisor->store, name) : -EINVAL;
	if (r == -ENOENT)
		return credentials_error(name, "there are none of this name: see \"sluice log credentials list\"");
	if (r < 0)
		return credentials_error(name ? name : "", strerror(-r));
	return json_pack("{s:b, s:s}", "ok", 1, "removed", name);
}

json_t *log_credentials_list(struct supervisor *supervisor)
{
	json_t *names = store_list_log_credentials(&supervisor->store), *rows = json_array(), *name;
	size_t i;

	json_array_foreach(names, i, name)
	{
		const char *user = credentials_user(supervisor, json_string_value(name));
		_cleanup_close_ int key =
			store_open_log_credential(&supervisor->store, json_string_value(name), STORE_LOG_KEY);

		json_array_append_new(rows,
			json_pack("{s:O, s:b, s:s}", "name", name, "mutual", key >= 0, "used_by", user ? user : ""));
	}
	json_decref(names);
	return json_pack("{s:b, s:o}", "ok", 1, "credentials", rows);
}

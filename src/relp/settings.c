/* SPDX-License-Identifier: Apache-2.0 */
#include "relp/settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/common.h"
#include "base/log.h"
#include "base/shm.h"

static const char *const protocol_words[] = {
	[SENDER_RELP] = "relp",
	[SENDER_RELP_TLS] = "relp_tls",
	[SENDER_SYSLOG_TCP] = "syslog_tcp",
	[SENDER_SYSLOG_TLS] = "syslog_tls",
};
static const char *const format_words[] = {[FRAME_JSON] = "rfc5424_json", [FRAME_CEF] = "cef"};
static const char *const credential_words[] = {
	[SENDER_CA] = "ca", [SENDER_CERTIFICATE] = "certificate", [SENDER_KEY] = "key"};

static int word_find(const char *const *words, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(words[i], text))
			return (int)i;
	return -EPROTO;
}

static const char *text_of(const json_t *message, const char *key, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(message, key));

	return text ? text : otherwise;
}

static uint64_t number_of(const json_t *message, const char *key, uint64_t otherwise)
{
	const json_t *number = json_object_get(message, key);

	return json_is_integer(number) ? (uint64_t)json_integer_value(number) : otherwise;
}

static void settings_take_hosts(struct settings *settings, const json_t *hosts)
{
	const json_t *host;
	size_t i;

	json_array_foreach(hosts, i, host) if (json_is_string(host) && settings->n_hosts < SETTINGS_HOSTS_MAX) snprintf(
		settings->hosts[settings->n_hosts++], sizeof(settings->hosts[0]), "%s", json_string_value(host));
}

/* The memory of the key's memfd is not to be swapped. The map stays as long as the process; what the limit forbids is
 * not fatal: the key is in GnuTLS's memory as well. */
static void settings_lock(int fd)
{
	void *map;
	size_t size;

	if (shm_map(fd, false, 1, &map, &size) < 0)
		return;
	if (mlock(map, size) < 0)
		log_warn("the log target's key cannot be locked into memory: %s", strerror(errno));
	madvise(map, size, MADV_DONTDUMP);
}

/* librelp and GnuTLS read files: of a descriptor, its name in /proc */
static int settings_take_credentials(struct settings *settings, const json_t *words, int *fds, size_t n_fds)
{
	const json_t *word;
	size_t i;

	json_array_foreach(words, i, word)
	{
		const char *text = json_string_value(word);
		int which = word_find(credential_words, ARRAY_SIZE(credential_words), text ? text : "");

		if (which < 0 || i >= n_fds || settings->credential_fds[which] >= 0)
			return -EPROTO;
		settings->credential_fds[which] = TAKE_FD(fds[i]);
		if (which == SENDER_KEY)
			settings_lock(settings->credential_fds[which]);
		snprintf(settings->sender.credential[which], sizeof(settings->sender.credential[which]),
			"/proc/self/fd/%d", settings->credential_fds[which]);
	}
	return 0;
}

int settings_take(struct settings *settings, const json_t *message, int *fds, size_t n_fds)
{
	int protocol = word_find(protocol_words, ARRAY_SIZE(protocol_words), text_of(message, "protocol", "relp"));
	int format = word_find(format_words, ARRAY_SIZE(format_words), text_of(message, "format", "rfc5424_json"));

	*settings = (struct settings){.spool_fd = -1, .credential_fds = {-1, -1, -1}};
	if (!n_fds || protocol < 0 || format < 0)
		return -EPROTO;
	settings->spool_fd = TAKE_FD(fds[0]);
	snprintf(settings->name, sizeof(settings->name), "%s", text_of(message, "name", ""));
	snprintf(settings->sender.port, sizeof(settings->sender.port), "%s", text_of(message, "port", ""));
	snprintf(settings->sender.peer, sizeof(settings->sender.peer), "%s", text_of(message, "peer", ""));
	settings->boot = number_of(message, "boot", 0);
	settings->logs = (uint32_t)number_of(message, "logs", UINT32_MAX);
	settings->severity = (unsigned int)number_of(message, "severity", 7);
	settings->masks =
		(struct event_masks){(uint32_t)number_of(message, "mask", 0), (uint32_t)number_of(message, "omit", 0)};
	settings->enterprise = (unsigned int)number_of(message, "enterprise", FRAME_ENTERPRISE);
	settings->sender.protocol = (enum sender_protocol)protocol;
	settings->format = (enum frame_format)format;
	settings_take_hosts(settings, json_object_get(message, "hosts"));
	if (!*settings->name || !settings->boot || !settings->n_hosts)
		return -EPROTO;
	return settings_take_credentials(settings, json_object_get(message, "credentials"), fds + 1, n_fds - 1);
}

void settings_free(struct settings *settings)
{
	cleanup_close(&settings->spool_fd);
	for (size_t i = 0; i < SENDER_CREDENTIALS; i++)
		cleanup_close(&settings->credential_fds[i]);
}

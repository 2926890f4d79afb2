/* SPDX-License-Identifier: Apache-2.0 */
/* What only Sluice itself can take, once it runs: certificates, credentials of log targets, the configuration. It waits
 * in memory-backed files for `sluice-day0 commit`. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/common.h"
#include "base/log.h"
#include "config/config.h"
#include "day0/apply.h"
#include "day0/complete.h"
#include "base/system.h"

#define CONFIGURATION_BEFORE "/etc/sluice/sluice.yaml" /* the image's: a cable */

static int pending_write(const char *kind, const char *name, const char *text, size_t len)
{
	char path[256];

	snprintf(path, sizeof(path), DAY0_PENDING "/%s/%s", kind, name);
	return system_write_file(path, 0600, text, len);
}

static int pending_from_medium(const struct seed *seed, const char *kind, const char *name, const char *file)
{
	char *text = NULL;
	size_t len;
	int r = seed_read_file(seed, file, &text, &len);

	if (r >= 0)
		r = pending_write(kind, name, text, len);
	if (text)
		explicit_bzero(text, len);
	free(text);
	return r;
}

static int pending_base64(const char *name, const char *text)
{
	_cleanup_free_ char *packed = strdup(text);
	uint8_t *bytes = NULL;
	size_t n = 0, len;
	int r;

	if (!packed)
		return -ENOMEM;
	for (const char *c = text; *c; c++)
		if (*c != '\n' && *c != ' ')
			packed[n++] = *c;
	r = base64_decode(packed, n, &bytes, &len);
	if (r < 0)
		return log_err_r(r, "certificates: %s: pkcs12 is no base64", name);
	r = pending_write("certificates", name, (char *)bytes, len);
	explicit_bzero(bytes, len);
	free(bytes);
	return r;
}

static int pending_certificate(const struct seed *seed, const struct tree_node *item)
{
	const char *name = day0_item_text(item, "name"), *inline_text = day0_item_text(item, "pkcs12");
	const char *password = day0_item_text(item, "password");
	int r = inline_text ? pending_base64(name, inline_text)
			    : pending_from_medium(seed, "certificates", name, day0_item_text(item, "pkcs12_file"));

	return r < 0 ? r : pending_write("passwords", name, password, strlen(password));
}

static int pending_rules(const struct seed *seed, const struct tree_node *item)
{
	const char *name = day0_item_text(item, "name"), *text = day0_item_text(item, "text");

	return text ? pending_write("configuration", name, text, strlen(text))
		    : pending_from_medium(seed, "configuration", name, name);
}

/* one part of log_credentials[]: as text, or as a file on the medium */
static int pending_credential(const struct seed *seed, const struct tree_node *item, const char *part)
{
	const char *name = day0_item_text(item, "name"), *text = day0_item_text(item, part), *file;
	char key[32], kind[96];

	snprintf(key, sizeof(key), "%s_file", part);
	snprintf(kind, sizeof(kind), "log_credentials/%s", name);
	file = day0_item_text(item, key);
	if (text)
		return pending_write(kind, part, text, strlen(text));
	return file ? pending_from_medium(seed, kind, part, file) : 0;
}

static int pending_credentials(const struct seed *seed, const struct tree_node *item)
{
	static const char *const parts[] = {"ca", "certificate", "key"};
	char path[160];
	int r;

	snprintf(path, sizeof(path), DAY0_PENDING "/log_credentials/%s", day0_item_text(item, "name"));
	r = system_make_directory(path, 0700);
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(parts); i++)
		r = pending_credential(seed, item, parts[i]);
	return r;
}

static int pending_configuration_text(
	const struct day0_settings *settings, const struct seed *seed, char **text, size_t *len)
{
	const char *given = day0_text(settings, "configuration"), *file = day0_text(settings, "configuration_file");

	if (file)
		return seed_read_file(seed, file, text, len);
	if (!given)
		return system_read_file(CONFIGURATION_BEFORE, DAY0_DOCUMENT_MAX, text, len);
	*len = strlen(given);
	*text = strdup(given);
	return *text ? 0 : -ENOMEM;
}

static int pending_configuration(const struct day0_settings *settings, const struct seed *seed)
{
	_cleanup_free_ char *text = NULL, *complete = NULL;
	struct config_problems problems = {0};
	size_t len, complete_len;
	int r = pending_configuration_text(settings, seed, &text, &len);

	if (r < 0)
		return r;
	r = day0_complete(settings, text, len, &complete, &complete_len, &problems);
	for (size_t i = 0; i < problems.n; i++)
		log_err("configuration: line %u: %s", problems.items[i].line, problems.items[i].message);
	config_problems_clear(&problems);
	return r < 0 ? r : pending_write("configuration", "sluice.yaml", complete, complete_len);
}

static bool pending_is_any(const struct day0_settings *settings)
{
	static const char *const keys[] = {
		"certificates", "configuration", "configuration_file", "log_credentials", "log_targets", "snmp_users"};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (day0_node(settings, keys[i]))
			return true;
	return false;
}

int apply_pending(const struct day0_settings *settings, const struct seed *seed, bool *pending)
{
	static const char *const kinds[] = {"certificates", "passwords", "configuration", "log_credentials"};
	static const struct {
		const char *key;
		int (*put)(const struct seed *seed, const struct tree_node *item);
	} lists[] = {{"certificates", pending_certificate}, {"rule_files", pending_rules},
		{"log_credentials", pending_credentials}};
	char path[128];
	int r = 0;

	*pending = pending_is_any(settings);
	if (!*pending)
		return 0;
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(kinds); i++) {
		snprintf(path, sizeof(path), DAY0_PENDING "/%s", kinds[i]);
		r = system_make_directory(path, 0700);
	}
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		for (const struct tree_node *item = tree_item(day0_node(settings, lists[i].key), 0); r >= 0 && item;
			item = item->next)
			r = lists[i].put(seed, item);
	return r < 0 ? r : pending_configuration(settings, seed);
}

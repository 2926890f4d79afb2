/* SPDX-License-Identifier: Apache-2.0 */
#include "events/event.h"
#include "config/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "config/load.h"
#include "config/locked.h"
#include "config/problems.h"
#include "config/schema.h"
#include "config/tree.h"
#include "events/event.h"

#define CONFIG_DOCUMENT_MAX (4u << 20)

static int config_copy_text(struct config *config, const char *text, size_t len)
{
	config->text = malloc(len + 1);
	if (!config->text)
		return -ENOMEM;
	memcpy(config->text, text, len);
	config->text[len] = '\0';
	config->text_len = len;
	return 0;
}

static int config_build(
	const char *text, size_t len, size_t from, struct config *config, struct config_problems *problems)
{
	_cleanup_(tree_free) struct tree *tree = NULL;
	int r = tree_parse(text, len, &tree, problems);

	if (r)
		return r;
	if (!tree_root(tree)) {
		config_problems_add(problems, CONFIG_ERROR, 1, 1,
			"the document is empty: write at least \"device: {name: sluice-1}\"");
		return -EINVAL;
	}
	load_config(config, tree_root(tree), problems);
	check_config(config, tree_root(tree), from, problems);
	if (problems_any_error(problems, from))
		return -EINVAL;
	locked_mark_overrides(config);
	return config_copy_text(config, text, len);
}

int config_parse(const char *text, size_t len, struct config **out, struct config_problems *problems)
{
	_cleanup_(config_unref) struct config *config = calloc(1, sizeof(*config));
	size_t from = problems->n;
	int r;

	if (config)
		config->refs = 1;
	if (len > CONFIG_DOCUMENT_MAX) {
		config_problems_add(problems, CONFIG_ERROR, 1, 1, "the document has %zu bytes: allowed are at most %u",
			len, CONFIG_DOCUMENT_MAX);
		return -EINVAL;
	}
	r = config ? config_build(text, len, from, config, problems) : -ENOMEM;
	problems_finish(problems, from);
	if (r && !problems_any_error(problems, from))
		config_problems_add(
			problems, CONFIG_ERROR, 1, 1, "the configuration cannot be read: the memory is full");
	if (r)
		return -EINVAL;
	*out = TAKE_PTR(config);
	return 0;
}

struct config *config_ref(struct config *config)
{
	config->refs++;
	return config;
}

void config_unref(struct config **config)
{
	struct config *c = *config;

	*config = NULL;
	if (!c || --c->refs)
		return;
	schema_free_object(SCHEMA_ROOT, c);
	free(c->text);
	free(c);
}

const struct config_profile *config_find_profile(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->n_profiles; i++)
		if (strcmp(config->profiles[i].name, name) == 0)
			return &config->profiles[i];
	return NULL;
}

bool config_blocks_without_key(const struct config_ssl_server *server)
{
	if (server->when_key_unavailable == CONFIG_KEY_SAME)
		return server->when_unavailable == CONFIG_UNAVAILABLE_BLOCK;
	return server->when_key_unavailable == CONFIG_KEY_BLOCK;
}

const struct config_ssl_server *config_find_ssl_server(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->n_ssl_servers; i++)
		if (strcmp(config->ssl_servers[i].name, name) == 0)
			return &config->ssl_servers[i];
	return NULL;
}

const struct config_ssl_policy *config_find_ssl_policy(
	const struct config *config, uint16_t id, const struct config_profile **profile)
{
	for (size_t i = 0; i < config->n_profiles; i++) {
		const struct config_profile *p = &config->profiles[i];

		/* ids count up through the profiles: only one of them can hold it */
		if (!p->n_ssl_policies || id < p->ssl_policies[0].id ||
			(size_t)(id - p->ssl_policies[0].id) >= p->n_ssl_policies)
			continue;
		if (profile)
			*profile = p;
		return &p->ssl_policies[id - p->ssl_policies[0].id];
	}
	return NULL;
}

bool config_log_target_has_tls(const struct config_log_target *target)
{
	return target->protocol == CONFIG_LOG_RELP_TLS || target->protocol == CONFIG_LOG_SYSLOG_TLS;
}

const char *config_log_protocol_name(enum config_log_protocol protocol)
{
	return schema_word_name(schema_log_protocol_words, protocol);
}

const char *config_log_format_name(enum config_log_format format)
{
	return schema_word_name(schema_log_format_words, format);
}

uint32_t config_log_target_mask(const struct config_log_target *target)
{
	uint32_t mask = target->logs.n ? 0 : UINT32_MAX;

	for (size_t i = 0; i < target->logs.n; i++)
		mask |= 1u << event_log_find(target->logs.items[i]);
	return mask;
}

const char *config_service_name(enum config_service service)
{
	const char *name = schema_word_name(schema_service_words, service);

	return name ? name : "unknown";
}

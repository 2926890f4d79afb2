/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/snapshot.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/common.h"
#include "base/shm.h"
#include "policy/suite.h"
#include "policy/treatment.h"

#define SNAPSHOT_CHAIN_MAX 10

/* the certificates of one message, decoded; index by position in the message */
struct certificates {
	size_t n;
	struct certificate {
		struct tls_certificate tls;
		struct span chain[SNAPSHOT_CHAIN_MAX], previous_leaf;
		uint8_t *der[SNAPSHOT_CHAIN_MAX], *previous_der;
	} *items;
};

static void certificates_free(struct certificates *certs)
{
	for (size_t i = 0; i < certs->n; i++)
		free(certs->items[i].previous_der);
	for (size_t i = 0; i < certs->n; i++)
		for (size_t j = 0; j < SNAPSHOT_CHAIN_MAX; j++)
			free(certs->items[i].der[j]);
	free(certs->items);
}

/* the leaf that this certificate replaced: its server may show it still (E3, D9) */
static int certificate_decode_previous(struct certificate *cert, const json_t *leaf)
{
	size_t len;
	int r;

	if (!json_is_string(leaf))
		return 0;
	r = base64_decode(json_string_value(leaf), json_string_length(leaf), &cert->previous_der, &len);
	if (r >= 0)
		cert->previous_leaf = SPAN(cert->previous_der, len);
	return r;
}

static int certificate_decode(struct certificate *cert, const json_t *facts)
{
	const json_t *chain = json_object_get(facts, "chain"), *element;
	const char *key_id = json_string_value(json_object_get(facts, "key_id"));
	size_t i;

	cert->tls.name = json_string_value(json_object_get(facts, "name"));
	if (!cert->tls.name || !key_id || !json_array_size(chain) || json_array_size(chain) > SNAPSHOT_CHAIN_MAX)
		return -EPROTO;
	cert->tls.key_id = strtoull(key_id, NULL, 16);
	json_array_foreach(chain, i, element)
	{
		size_t len;
		int r = json_is_string(element) ? base64_decode(json_string_value(element), json_string_length(element),
							  &cert->der[i], &len)
						: -EPROTO;

		if (r < 0)
			return r;
		cert->chain[i] = SPAN(cert->der[i], len);
	}
	cert->tls.n_chain = i;
	cert->tls.chain = cert->chain;
	return certificate_decode_previous(cert, json_object_get(facts, "previous_leaf"));
}

static int certificates_decode(struct certificates *certs, const json_t *array)
{
	const json_t *facts;
	size_t i;

	certs->items = calloc(json_array_size(array) + 1, sizeof(*certs->items));
	if (!certs->items)
		return -ENOMEM;
	json_array_foreach(array, i, facts)
	{
		int r;

		certs->n = i + 1;
		r = certificate_decode(&certs->items[i], facts);
		if (r < 0)
			return r;
	}
	return 0;
}

static const struct certificate *certificates_find(const struct certificates *certs, const char *name)
{
	for (size_t i = 0; i < certs->n; i++)
		if (!strcmp(certs->items[i].tls.name, name))
			return &certs->items[i];
	return NULL;
}

static int snapshot_server_init(struct snapshot_server *server, const struct config_ssl_server *config,
	const struct certificates *certs, struct tls_runtime *runtime, char *error, size_t error_size)
{
	_cleanup_free_ struct tls_certificate *held = calloc(2 * config->certificates.n + 1, sizeof(*held));
	struct tls_acceptor_options accept_options = {.protocol_min = config->protocol_min,
		.protocol_max = config->protocol_max,
		.n_certificates = config->certificates.n,
		.certificates = held};
	struct tls_connector_options connect_options = {.protocol_min = config->protocol_min,
		.protocol_max = config->protocol_max,
		.pin = config->certificate_drift == CONFIG_DRIFT_PIN,
		.verify = config->certificate_drift == CONFIG_DRIFT_VERIFY,
		.renegotiate = config->rekey_interval_seconds != 0,
		.n_certificates = config->certificates.n,
		.certificates = held};
	_cleanup_free_ char *cipher_list = NULL;
	int r = suite_list(config, &cipher_list);

	if (!held || r < 0)
		return -ENOMEM;
	accept_options.cipher_list = connect_options.cipher_list = cipher_list;
	server->config = config;
	for (size_t i = 0; i < config->certificates.n; i++) {
		const struct certificate *cert = certificates_find(certs, config->certificates.items[i]);

		if (!cert) {
			snprintf(error, error_size, "ssl_server %s: certificate %s is not in the store", config->name,
				config->certificates.items[i]);
			return -ENOENT;
		}
		held[i] = cert->tls;
		if (cert->previous_der)
			held[connect_options.n_certificates++] = (struct tls_certificate){
				.name = cert->tls.name, .n_chain = 1, .chain = &cert->previous_leaf};
	}
	r = tls_acceptor_new(&server->acceptor, runtime, &accept_options);
	if (r >= 0)
		r = tls_connector_new(&server->connector, runtime, &connect_options);
	if (r == -ENOKEY)
		snprintf(error, error_size,
			"ssl_server %s: certificate_drift: verify needs the CA that signs its certificates: import one "
			"of them "
			"with its chain (sluice certificate replace)",
			config->name);
	else if (r < 0)
		snprintf(error, error_size, "ssl_server %s: the TLS engine refuses its certificates or protocols: %s",
			config->name, strerror(-r));
	return r;
}

struct treating {
	const struct config_profile *profile;
	const struct treatments *treatments;
};

static bool treat_filter(void *data, struct inspect_filter *filter)
{
	static const enum inspect_action actions[] = {[CONFIG_ACTION_PERMIT] = INSPECT_NOTIFY,
		[CONFIG_ACTION_TRUST] = INSPECT_TRUST,
		[CONFIG_ACTION_BLOCK] = INSPECT_BLOCK};
	const struct treating *treating = data;
	struct treatment treatment = treatments_find(treating->treatments, filter->sid, filter->category);

	if (filter->passes) /* what is done otherwise is not said of it */
		return !treatment.off;
	filter->treatment = treatment.action_set;
	if (treatment.action_set)
		filter->action = actions[treatment.action_set->action];
	if (treating->profile->monitor_only && filter->action == INSPECT_BLOCK)
		filter->action = INSPECT_NOTIFY;
	return !treatment.off;
}

static int snapshot_treat_filters(struct inspect_engine *engine, const struct config_profile *profile)
{
	struct treatments *treatments;
	int r = treatments_new(&treatments, profile);

	if (r < 0)
		return r;
	inspect_engine_treat(engine, treat_filter, &(struct treating){profile, treatments});
	treatments_free(&treatments);
	return 0;
}

static int snapshot_load_engine(
	struct snapshot *snapshot, const struct config_profile *profile, int fd, struct inspect_scratch *scratch)
{
	struct snapshot_image *image = &snapshot->images[profile->id];
	struct inspect_engine **engine = &snapshot->engines[profile->id];
	int r = shm_map(fd, false, 1, &image->map, &image->size);

	if (r < 0)
		return r;
	r = inspect_engine_load(engine, image->map, image->size);
	if (r >= 0)
		r = snapshot_treat_filters(*engine, profile);
	return r < 0 ? r : inspect_scratch_grow(scratch, *engine);
}

static int snapshot_parse_config(struct snapshot *snapshot, int fd, char *error, size_t error_size)
{
	struct config_problems problems = {0};
	void *text;
	size_t size;
	int r = shm_map(fd, false, 1, &text, &size);

	if (r < 0)
		return r;
	r = config_parse(text, size, &snapshot->config, &problems);
	shm_unmap(text, size);
	if (r < 0 && problems.n)
		snprintf(error, error_size, "line %u: %s", problems.items[0].line, problems.items[0].message);
	config_problems_clear(&problems);
	return r;
}

static int snapshot_fill(struct snapshot *snapshot, const json_t *message, const int *fds, size_t n_fds,
	struct tls_runtime *runtime, struct inspect_scratch *scratch, char *error, size_t error_size)
{
	_cleanup_(certificates_free) struct certificates certs = {0};
	const struct config *config;
	int r = n_fds ? snapshot_parse_config(snapshot, fds[0], error, error_size) : -EPROTO;

	if (r < 0)
		return r;
	config = snapshot->config;
	if (n_fds != 1 + config->n_profiles)
		return -EPROTO;
	snapshot->servers = calloc(config->n_ssl_servers + 1, sizeof(*snapshot->servers));
	snapshot->engines = calloc(config->n_profiles + 1, sizeof(*snapshot->engines));
	snapshot->images = calloc(config->n_profiles + 1, sizeof(*snapshot->images));
	if (!snapshot->servers || !snapshot->engines || !snapshot->images)
		return -ENOMEM;
	r = certificates_decode(&certs, json_object_get(message, "certificates"));
	for (size_t i = 0; r >= 0 && i < config->n_ssl_servers; i++)
		r = snapshot_server_init(
			&snapshot->servers[i], &config->ssl_servers[i], &certs, runtime, error, error_size);
	for (size_t i = 0; i < config->n_ssl_servers; i++) {
		const json_t *slot = json_array_get(json_object_get(message, "stats_slots"), i);

		snapshot->servers[i].stats_slot = json_is_integer(slot) ? json_integer_value(slot) : UINT_MAX;
	}
	for (size_t i = 0; r >= 0 && i < config->n_profiles; i++) {
		r = snapshot_load_engine(snapshot, &config->profiles[i], fds[1 + i], scratch);
		if (r < 0)
			snprintf(error, error_size, "profile %s: the compiled filters cannot be loaded: %s",
				config->profiles[i].name, strerror(-r));
	}
	return r;
}

int snapshot_new(struct snapshot **out, const json_t *message, const int *fds, size_t n_fds,
	struct tls_runtime *runtime, struct inspect_scratch *scratch, char *error, size_t error_size)
{
	struct snapshot *snapshot = calloc(1, sizeof(*snapshot));
	int r;

	if (!snapshot)
		return -ENOMEM;
	snprintf(error, error_size, "the policy message is malformed or memory is short");
	snapshot->refs = 1;
	snapshot->loaded_us = clock_wall_us();
	snapshot->version = json_integer_value(json_object_get(message, "version"));
	snapshot->n_workers = MAX(json_integer_value(json_object_get(message, "workers")), 1);
	r = snapshot_fill(snapshot, message, fds, n_fds, runtime, scratch, error, error_size);
	if (r < 0) {
		snapshot_unref(&snapshot);
		return r;
	}
	*out = snapshot;
	return 0;
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
	snapshot->refs++;
	return snapshot;
}

void snapshot_unref(struct snapshot **ref)
{
	struct snapshot *snapshot = TAKE_PTR(*ref);

	if (!snapshot || --snapshot->refs)
		return;
	for (size_t i = 0; snapshot->servers && i < snapshot->config->n_ssl_servers; i++) {
		tls_acceptor_unref(&snapshot->servers[i].acceptor);
		tls_connector_unref(&snapshot->servers[i].connector);
	}
	for (size_t i = 0; snapshot->engines && i < snapshot->config->n_profiles; i++)
		inspect_engine_free(&snapshot->engines[i]);
	for (size_t i = 0; snapshot->images && i < snapshot->config->n_profiles; i++)
		shm_unmap(snapshot->images[i].map, snapshot->images[i].size);
	free(snapshot->images);
	free(snapshot->servers);
	free(snapshot->engines);
	config_unref(&snapshot->config);
	free(snapshot);
}

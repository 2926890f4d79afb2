/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The policy of one configuration version as a worker uses it: the configuration, an acceptor and a connector per SSL
 * server, a compiled engine per profile. Immutable; every session holds a reference to the one it began with, so a
 * commit changes nothing for it (F4). */
#include <jansson.h>
#include <stdint.h>

#include "config/config.h"
#include "inspect/inspect.h"
#include "tls/tls.h"

struct snapshot_server {
	const struct config_ssl_server *config;
	unsigned int
		stats_slot; /* the server's place in the stats page, the same in every version; none if out of range */
	struct tls_acceptor *acceptor;
	struct tls_connector *connector;
	uint64_t drift_told_ns; /* when the System log was last told of a drift that is taken (D9) */
};

struct snapshot {
	unsigned int refs;
	uint32_t version;
	uint64_t loaded_us;     /* wall clock: from when on its filters' use is counted */
	unsigned int n_workers; /* that share the maximum of sessions */
	struct config *config;
	struct snapshot_server *servers; /* by config_ssl_server.id */
	struct inspect_engine **engines; /* by config_profile.id */
	struct snapshot_image {          /* the mapping that an engine reads its databases from */
		void *map;
		size_t size;
	} *images; /* by config_profile.id */
};

/* message: the supervisor's `policy`, with its descriptors (configuration text, one image per profile). error: a
 * sentence for the operator on failure, at least 256 bytes. */
int snapshot_new(struct snapshot **out, const json_t *message, const int *fds, size_t n_fds,
	struct tls_runtime *runtime, struct inspect_scratch *scratch, char *error, size_t error_size);
struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot **snapshot);

/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/stats_slots.h"

#include <string.h>

#include "base/common.h"

void stats_slots_adopt(struct stats_slots *slots)
{
	for (unsigned int i = 0; i < STATS_SERVERS_MAX; i++) {
		char name[STATS_NAME_SIZE];

		stats_get_server_name(slots->page, i, name);
		free(slots->names[i]);
		slots->names[i] = *name ? strdup(name) : NULL;
	}
}

unsigned int stats_slots_find(const struct stats_slots *slots, const char *name)
{
	unsigned int i = 0;

	while (i < STATS_SERVERS_MAX && (!slots->names[i] || strcmp(slots->names[i], name)))
		i++;
	return i;
}

static unsigned int stats_slots_find_free(const struct stats_slots *slots)
{
	unsigned int i = 0;

	while (i < STATS_SERVERS_MAX && slots->names[i])
		i++;
	return i;
}

static unsigned int stats_slots_reuse(
	struct stats_slots *slots, const struct config *config, const struct config *in_force)
{
	unsigned int i = 0;

	while (i < STATS_SERVERS_MAX && (config_find_ssl_server(config, slots->names[i]) ||
						(in_force && config_find_ssl_server(in_force, slots->names[i]))))
		i++;
	if (i < STATS_SERVERS_MAX) {
		stats_clear_server(slots->page, i);
		free(TAKE_PTR(slots->names[i]));
	}
	return i;
}

static unsigned int stats_slots_take(
	struct stats_slots *slots, const char *name, const struct config *config, const struct config *in_force)
{
	unsigned int i = stats_slots_find(slots, name);

	if (i < STATS_SERVERS_MAX)
		return i;
	i = stats_slots_find_free(slots);
	if (i == STATS_SERVERS_MAX)
		i = stats_slots_reuse(slots, config, in_force);
	if (i < STATS_SERVERS_MAX) {
		slots->names[i] = strdup(name);
		stats_set_server_name(slots->page, i, name);
	}
	return i;
}

json_t *stats_slots_assign(struct stats_slots *slots, const struct config *config, const struct config *in_force)
{
	json_t *array = json_array();

	for (size_t i = 0; i < config->n_ssl_servers; i++)
		json_array_append_new(
			array, json_integer(stats_slots_take(slots, config->ssl_servers[i].name, config, in_force)));
	return array;
}

void stats_slots_clear(struct stats_slots *slots)
{
	for (unsigned int i = 0; i < STATS_SERVERS_MAX; i++)
		free(TAKE_PTR(slots->names[i]));
}

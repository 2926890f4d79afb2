/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/asymmetric.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/common.h"
#include "daemon/supervisor.h"
#include "dataplane/asymmetric.h"

#define ASYMMETRIC_ANSWERS 5u         /* SYN-ACKs without their SYNs that are no chance */
#define ASYMMETRIC_QUIET_SECONDS 600u /* without a sign of it: over, where no time is configured */

/* what the System log was told of */
struct asymmetric_told {
	struct wire_target target;
	uint32_t kind;
	bool used, seen;
	char text[160]; /* which server, where */
	char ssl_server[64];
	uint64_t told_us;
};

struct asymmetric_log {
	struct asymmetric_told told[WIRE_ASYMMETRIC_MAX];
	struct dataplane_asymmetric rows[WIRE_ASYMMETRIC_MAX];
	size_t n;
};

static uint64_t lasts_ns(const struct wire_asymmetric *seen)
{
	return seen->time_ns ?: ASYMMETRIC_QUIET_SECONDS * NSEC_PER_SEC;
}

static bool is_over(const struct dataplane_asymmetric *row, uint64_t now)
{
	/* the kernel may have touched it since now was read */
	return now > row->seen.last_ns && now - row->seen.last_ns > lasts_ns(&row->seen);
}

/* another version may have come since; then the address must do */
static const char *server_name(const struct supervisor *supervisor, const struct wire_asymmetric *seen)
{
	const struct policy *policy = supervisor->policy;

	if (!policy || policy->version != seen->config_version || seen->ssl_server_id >= policy->config->n_ssl_servers)
		return "";
	return policy->config->ssl_servers[seen->ssl_server_id].name;
}

static void told_fill(
	const struct supervisor *supervisor, struct asymmetric_told *told, const struct dataplane_asymmetric *row)
{
	const struct wire_target *target = &row->target;
	char server[INET_ADDRSTRLEN], vlan[16] = "";

	*told = (struct asymmetric_told){.target = *target, .kind = row->seen.kind, .used = true, .seen = true};
	told->told_us = clock_wall_us();
	snprintf(told->ssl_server, sizeof(told->ssl_server), "%s", server_name(supervisor, &row->seen));
	inet_ntop(AF_INET, &target->ip, server, sizeof(server));
	if (target->context.vlan)
		snprintf(vlan, sizeof(vlan), ", VLAN %u", target->context.vlan & 0xfff);
	snprintf(told->text, sizeof(told->text), "SSL server %s (%s:%u%s)", told->ssl_server, server,
		ntohs(target->port), vlan);
}

static void tell_begin(
	struct supervisor *supervisor, const struct asymmetric_told *told, const struct wire_asymmetric *seen)
{
	char client[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &seen->client, client, sizeof(client));
	if (told->kind == WIRE_ASYMMETRIC_SERVER)
		supervisor_record(supervisor, EVENT_LOG_SYSTEM, "warning",
			"asymmetric traffic: of %s only answers cross the segment (to %s, for one): these sessions "
			"pass "
			"uninspected. Lead both directions through the same segment",
			told->text, client);
	else if (seen->time_ns)
		supervisor_record(supervisor, EVENT_LOG_SYSTEM, "warning",
			"asymmetric traffic: answers of %s reach %s on another way: its new sessions pass uninspected "
			"until %llu s after this was last seen. Lead both directions through the same segment",
			told->text, client, (unsigned long long)(seen->time_ns / NSEC_PER_SEC));
	else
		supervisor_record(supervisor, EVENT_LOG_SYSTEM, "error",
			"asymmetric traffic: answers of %s reach %s on another way: such sessions fail, since "
			"asymmetric_bypass_seconds is 0",
			told->text, client);
}

static struct asymmetric_told *told_find(struct asymmetric_log *log, const struct dataplane_asymmetric *row)
{
	struct asymmetric_told *place = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(log->told); i++) {
		struct asymmetric_told *told = &log->told[i];

		if (told->used && told->kind == row->seen.kind &&
			!memcmp(&told->target, &row->target, sizeof(told->target)))
			return told;
		if (!told->used && !place)
			place = told;
	}
	return place;
}

static void follow_row(struct supervisor *supervisor, const struct dataplane_asymmetric *row, uint64_t now)
{
	struct asymmetric_told *told;

	if (is_over(row, now)) {
		dataplane_forget_asymmetric(supervisor->dataplane, &row->target);
		return;
	}
	if (row->seen.kind == WIRE_ASYMMETRIC_SERVER && row->seen.frames < ASYMMETRIC_ANSWERS)
		return;
	told = told_find(supervisor->asymmetric_log, row);
	if (told && !told->used) {
		told_fill(supervisor, told, row);
		tell_begin(supervisor, told, &row->seen);
	}
	if (told)
		told->seen = true;
}

static void tell_ends(struct supervisor *supervisor, struct asymmetric_log *log)
{
	for (size_t i = 0; i < ARRAY_SIZE(log->told); i++) {
		struct asymmetric_told *told = &log->told[i];

		if (told->used && !told->seen) {
			supervisor_record(supervisor, EVENT_LOG_SYSTEM, "notice",
				"asymmetric traffic of %s is over: new sessions are inspected again", told->text);
			told->used = false;
		}
		told->seen = false;
	}
}

void asymmetric_tick(struct supervisor *supervisor)
{
	struct asymmetric_log *log = supervisor->asymmetric_log ?: calloc(1, sizeof(*log));
	uint64_t now = clock_now_ns();
	int n;

	supervisor->asymmetric_log = log;
	n = log ? dataplane_read_asymmetric(supervisor->dataplane, log->rows, ARRAY_SIZE(log->rows)) : 0;
	if (n < 0 || !log)
		return;
	log->n = n;
	for (size_t i = 0; i < log->n; i++)
		follow_row(supervisor, &log->rows[i], now);
	tell_ends(supervisor, log);
}

void asymmetric_close(struct supervisor *supervisor)
{
	free(TAKE_PTR(supervisor->asymmetric_log));
}

/* rows are those of the last tick */
static const struct dataplane_asymmetric *row_of(const struct asymmetric_log *log, const struct asymmetric_told *told)
{
	for (size_t i = 0; i < log->n; i++)
		if (!memcmp(&log->rows[i].target, &told->target, sizeof(told->target)))
			return &log->rows[i];
	return NULL;
}

static bool is_wanted(const struct asymmetric_told *told, const char *ssl_server)
{
	return told->used && told->kind == WIRE_ASYMMETRIC_CLIENTS &&
	       (!ssl_server || !strcmp(told->ssl_server, ssl_server));
}

void asymmetric_report(struct supervisor *supervisor, const char *ssl_server, json_t *rows)
{
	const struct asymmetric_log *log = supervisor->asymmetric_log;
	uint64_t now = clock_now_ns();

	for (size_t i = 0; log && i < ARRAY_SIZE(log->told); i++) {
		const struct asymmetric_told *told = &log->told[i];
		const struct dataplane_asymmetric *row = is_wanted(told, ssl_server) ? row_of(log, told) : NULL;
		char server[INET_ADDRSTRLEN];

		if (!row || !row->seen.time_ns || is_over(row, now))
			continue;
		inet_ntop(AF_INET, &told->target.ip, server, sizeof(server));
		json_array_append_new(
			rows, json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "ssl_server",
				      told->ssl_server, "server_ip", server, "server_port",
				      (int)ntohs(told->target.port), "sni", "", "client_ip", "any", "ja4", "", "cause",
				      "asymmetric_traffic", "learned", (json_int_t)told->told_us, "seconds_left",
				      (json_int_t)((row->seen.last_ns + row->seen.time_ns -
							   MIN(now, row->seen.last_ns + row->seen.time_ns)) /
						   NSEC_PER_SEC),
				      "sessions", (json_int_t)row->seen.passed));
	}
}

unsigned int asymmetric_clear(struct supervisor *supervisor, const char *ssl_server)
{
	const struct asymmetric_log *log = supervisor->asymmetric_log;
	unsigned int n = 0;

	for (size_t i = 0; log && i < ARRAY_SIZE(log->told); i++)
		if (is_wanted(&log->told[i], ssl_server) &&
			!dataplane_forget_asymmetric(supervisor->dataplane, &log->told[i].target))
			n++;
	return n;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "snmp/agent.h"

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>

#include <net-snmp/agent/net-snmp-agent-includes.h>
#include <net-snmp/agent/agent_callbacks.h>
#include <net-snmp/library/large_fd_set.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/select.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/log.h"
#include "snmp/notify.h"
#include "snmp/numbers.h"
#include "snmp/snapshot.h"

#define AGENT_PING_SECONDS 2 /* between attempts to reach snmpd, and to notice that it has gone */

static const oid root[] = MIB_ROOT;
static const u_char wire_types[] = {
	[VALUE_INTEGER] = ASN_INTEGER,
	[VALUE_UNSIGNED] = ASN_UNSIGNED,
	[VALUE_COUNTER64] = ASN_COUNTER64,
	[VALUE_BYTES] = ASN_OCTET_STR,
};

struct agent {
	struct feed feed;
	struct snapshot snapshot;
	const struct stats_page *stats;
	struct notify notify;
	bool connected; /* to snmpd */
};

/* --- answering -----------------------------------------------------------------------------------------------------
 */

/* the part of a name below the root; 0 when it lies before or is the root itself */
static size_t name_below_root(const struct variable_list *variable, uint32_t out[SNAPSHOT_NAME_MAX])
{
	size_t n = variable->name_length, skip = ARRAY_SIZE(root);

	if (n <= skip || snmp_oid_ncompare(variable->name, n, root, skip, skip) != 0)
		return 0;
	n = MIN(n - skip, (size_t)SNAPSHOT_NAME_MAX);
	for (size_t i = 0; i < n; i++)
		out[i] = (uint32_t)variable->name[skip + i];
	return n;
}

static void answer_with(const struct agent *agent, netsnmp_variable_list *variable, const struct snapshot_entry *entry)
{
	const struct snapshot *s = &agent->snapshot;
	u_char type = wire_types[entry->wire];
	long integer = (long)entry->payload;
	struct counter64 wide = {.high = (u_long)(entry->payload >> 32), .low = (u_long)(entry->payload & UINT32_MAX)};

	if (entry->wire == VALUE_BYTES)
		snmp_set_var_typed_value(variable, type, s->bytes + entry->payload, entry->len);
	else if (entry->wire == VALUE_COUNTER64)
		snmp_set_var_typed_value(variable, type, &wide, sizeof(wide));
	else
		snmp_set_var_typed_value(variable, type, &integer, sizeof(integer));
}

static void answer_get(const struct agent *agent, netsnmp_agent_request_info *info, netsnmp_request_info *request)
{
	uint32_t name[SNAPSHOT_NAME_MAX];
	size_t n = name_below_root(request->requestvb, name);
	const struct snapshot_entry *entry = n ? snapshot_get(&agent->snapshot, name, n) : NULL;

	if (entry)
		answer_with(agent, request->requestvb, entry);
	else
		netsnmp_set_request_error(info, request, SNMP_NOSUCHINSTANCE);
}

static void answer_next(const struct agent *agent, netsnmp_request_info *request)
{
	uint32_t name[SNAPSHOT_NAME_MAX];
	size_t n = name_below_root(request->requestvb, name);
	const struct snapshot_entry *entry = snapshot_next(&agent->snapshot, name, n, request->inclusive && n);
	oid full[ARRAY_SIZE(root) + SNAPSHOT_NAME_MAX];

	if (!entry)
		return;
	memcpy(full, root, sizeof(root));
	for (size_t i = 0; i < entry->n; i++)
		full[ARRAY_SIZE(root) + i] = agent->snapshot.names[entry->name + i];
	n = ARRAY_SIZE(root) + entry->n;
	if (snmp_oid_compare(full, n, request->range_end, request->range_end_len) >= 0)
		return;
	snmp_set_var_objid(request->requestvb, full, n);
	answer_with(agent, request->requestvb, entry);
}

static int agent_on_request(netsnmp_mib_handler *handler, netsnmp_handler_registration *registration,
	netsnmp_agent_request_info *info, netsnmp_request_info *requests)
{
	struct agent *agent = registration->my_reg_void;

	if (snapshot_refresh(&agent->snapshot, &agent->feed, agent->stats) < 0)
		return SNMP_ERR_RESOURCEUNAVAILABLE;
	for (; requests; requests = requests->next) {
		if (requests->processed)
			continue;
		if (info->mode == MODE_GET)
			answer_get(agent, info, requests);
		else if (info->mode == MODE_GETNEXT)
			answer_next(agent, requests);
	}
	return SNMP_ERR_NOERROR;
}

/* --- notifications -------------------------------------------------------------------------------------------------
 */

#define OBJECTS_BRANCH 1                                  /* sluObjects */
#define SYSTEM_TRAP_OID {1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0} /* snmpTrapOID.0 */

/* of a device's object, a counter or a row's column; its length */
static size_t notified_name(const struct mib_notified *notified, const char *index, uint32_t name[SNAPSHOT_NAME_MAX])
{
	size_t n = 0;

	name[n++] = OBJECTS_BRANCH;
	name[n++] = notified->branch;
	if (notified->branch == MIB_DEVICE || notified->branch == MIB_COUNTERS) {
		name[n++] = notified->branch == MIB_COUNTERS ? mib_counter_number[notified->number] : notified->number;
		name[n++] = 0;
		return n;
	}
	name[n++] = 1; /* the table's entry */
	name[n++] = notified->number;
	while (index && *index && n < SNAPSHOT_NAME_MAX)
		name[n++] = (unsigned char)*index++;
	return n;
}

/* the variable's name below the root; its value is empty */
static netsnmp_variable_list *add_variable(netsnmp_variable_list **list, const uint32_t *name, size_t n)
{
	oid full[ARRAY_SIZE(root) + SNAPSHOT_NAME_MAX];
	u_char none = 0;

	memcpy(full, root, sizeof(root));
	for (size_t i = 0; i < n; i++)
		full[ARRAY_SIZE(root) + i] = name[i];
	return snmp_varlist_add_variable(list, full, ARRAY_SIZE(root) + n, ASN_NULL, &none, 0);
}

/* once for all notifications of a look: the values after the changes */
static void agent_refresh_since_look(struct agent *agent)
{
	if (agent->snapshot.taken_ns >= agent->notify.looked_ns)
		return;
	agent->snapshot.taken_ns = agent->feed.reports[MIB_CERTIFICATES].asked_ns = 0;
	snapshot_refresh(&agent->snapshot, &agent->feed, agent->stats);
}

/* through snmpd, to whom its configuration says (trapsess, informsink) */
static void agent_notify(void *data, enum mib_notification_id what, const char *index, unsigned int hits)
{
	static const oid trap_oid[] = SYSTEM_TRAP_OID;
	static const uint32_t hits_name[] = {OBJECTS_BRANCH, MIB_NOTIFY, 1, 0};
	const struct mib_notified *objects = mib_notifications[what].objects;
	struct agent *agent = data;
	netsnmp_variable_list *list = NULL, *variable;
	oid type[ARRAY_SIZE(root) + 2];

	memcpy(type, root, sizeof(root));
	type[ARRAY_SIZE(root)] = 0; /* sluNotifications */
	type[ARRAY_SIZE(root) + 1] = what + 1;
	snmp_varlist_add_variable(
		&list, trap_oid, ARRAY_SIZE(trap_oid), ASN_OBJECT_ID, (const u_char *)type, sizeof(type));
	agent_refresh_since_look(agent);
	for (size_t i = 0; i < MIB_NOTIFIED_MAX && objects[i].branch; i++) {
		uint32_t name[SNAPSHOT_NAME_MAX];
		size_t n = notified_name(&objects[i], index, name);
		const struct snapshot_entry *entry = snapshot_get(&agent->snapshot, name, n);

		variable = entry ? add_variable(&list, name, n) : NULL;
		if (variable)
			answer_with(agent, variable, entry);
	}
	variable = add_variable(&list, hits_name, ARRAY_SIZE(hits_name));
	if (variable)
		snmp_set_var_typed_value(variable, ASN_UNSIGNED, &(long){hits}, sizeof(long));
	send_v2trap(list);
	snmp_free_varbind(list);
}

static int agent_on_connected(int major, int minor, void *server, void *client)
{
	((struct agent *)client)->connected = true;
	return 0;
}

static int agent_on_disconnected(int major, int minor, void *server, void *client)
{
	((struct agent *)client)->connected = false;
	return 0;
}

/* --- the library ---------------------------------------------------------------------------------------------------
 */

/* nothing of the machine's Net-SNMP configuration is read or written, and no signal is used */
static void agent_set_up_library(const char *socket_path)
{
	setenv("MIBS", "", 1);
	snmp_disable_log();
	netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_READ_CONFIGS, 1);
	netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_PERSIST_STATE, 1);
	netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DISABLE_PERSISTENT_LOAD, 1);
	netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DISABLE_PERSISTENT_SAVE, 1);
	netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_ALARM_DONT_USE_SIG, 1);
	netsnmp_ds_set_boolean(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_ROLE, 1);
	netsnmp_ds_set_string(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_X_SOCKET, socket_path);
}

static int agent_register(struct agent *agent)
{
	netsnmp_handler_registration *registration = netsnmp_create_handler_registration(
		"sluice", agent_on_request, root, ARRAY_SIZE(root), HANDLER_CAN_RONLY);

	if (!registration)
		return -ENOMEM;
	registration->my_reg_void = agent;
	return netsnmp_register_handler(registration) == MIB_REGISTERED_OK ? 0 : -EIO;
}

/* one round: sessions of the library and its timers. True when the control socket has ended. */
static bool agent_wait(int control_fd)
{
	struct timeval timeout = {.tv_sec = 1};
	netsnmp_large_fd_set readable;
	int n = control_fd + 1, block = 0;
	bool over;

	netsnmp_large_fd_set_init(&readable, FD_SETSIZE);
	NETSNMP_LARGE_FD_ZERO(&readable);
	NETSNMP_LARGE_FD_SET(control_fd, &readable);
	snmp_select_info2(&n, &readable, &timeout, &block);
	n = netsnmp_large_fd_set_select(n, &readable, NULL, NULL, block ? &(struct timeval){.tv_sec = 1} : &timeout);
	/* the supervisor speaks only when asked: anything here is its end */
	over = n > 0 && NETSNMP_LARGE_FD_ISSET(control_fd, &readable);
	if (n > 0 && !over)
		snmp_read2(&readable);
	else if (n == 0)
		snmp_timeout();
	netsnmp_large_fd_set_cleanup(&readable);
	run_alarms();
	netsnmp_check_outstanding_agent_requests();
	return over;
}

int agent_run(int control_fd, const char *socket_path, const struct stats_page *stats)
{
	static struct agent agent;
	int r;

	agent = (struct agent){.feed.fd = control_fd,
		.stats = stats,
		.notify = {.feed = &agent.feed, .stats = stats, .send = agent_notify, .data = &agent}};
	agent_set_up_library(socket_path);
	if (init_agent("sluice"))
		return log_err_r(-EIO, "Net-SNMP cannot start");
	/* init_agent() has set its own */
	netsnmp_ds_set_int(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_AGENTX_PING_INTERVAL, AGENT_PING_SECONDS);
	r = agent_register(&agent);
	snmp_register_callback(SNMP_CALLBACK_APPLICATION, SNMPD_CALLBACK_INDEX_START, agent_on_connected, &agent);
	snmp_register_callback(SNMP_CALLBACK_APPLICATION, SNMPD_CALLBACK_INDEX_STOP, agent_on_disconnected, &agent);
	init_snmp("sluice");
	if (r < 0)
		return log_err_r(r, "cannot register the MIB");
	while (!agent.feed.error && !agent_wait(control_fd))
		if (agent.connected) /* what changes meanwhile is told afterwards */
			notify_look(&agent.notify, clock_now_ns());
	snmp_shutdown("sluice");
	notify_clear(&agent.notify);
	snapshot_clear(&agent.snapshot);
	feed_clear(&agent.feed);
	return agent.feed.error;
}

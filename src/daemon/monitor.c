/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/monitor.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/common.h"
#include "daemon/monitor_report.h"
#include "daemon/supervisor.h"
#include "ipc/message.h"

#define MONITOR_QUERIES_MAX 50 /* answered in a second; a broken child cannot keep the supervisor busy */
#define MONITOR_QUICK_NS (5 * NSEC_PER_SEC)
#define MONITOR_DELAY_MAX_S 32u

static const enum role monitor_roles[MONITORS] = {ROLE_SNMP};

/* --- queries -------------------------------------------------------------------------------------------------------
 */

static json_t *monitor_answer(struct monitor *monitor, const char *name)
{
	json_t *report = NULL;

	if (monitor->queries < MONITOR_QUERIES_MAX)
		report = monitor_report_named(monitor->supervisor, name);
	if (!report)
		return json_pack("{s:b}", "ok", 0);
	monitor->queries++;
	return report;
}

static void monitor_on_message(struct child *child, const char *name, json_t *message, int *fds, size_t n_fds)
{
	struct monitor *monitor = container_of(child, struct monitor, child);

	if (!strcmp(name, "query"))
		child_send(child, "report",
			monitor_answer(monitor, json_string_value(json_object_get(message, "report"))), NULL, 0);
}

/* --- starting and ending -------------------------------------------------------------------------------------------
 */

/* what the configuration in force says; "" for off */
static void monitor_wanted(const struct supervisor *supervisor, enum role role, char out[128])
{
	const struct config *config = supervisor->policy ? supervisor->policy->config : NULL;

	*out = '\0';
	if (config && role == ROLE_SNMP && config->agentx_socket)
		snprintf(out, 128, "%s", config->agentx_socket);
}

static void monitor_on_exit(struct child *child, const char *how)
{
	struct monitor *monitor = container_of(child, struct monitor, child);
	struct supervisor *supervisor = monitor->supervisor;
	uint64_t now = clock_now_ns();
	char wanted[128];

	monitor_wanted(supervisor, monitor->role, wanted);
	if (supervisor->stopping || strcmp(wanted, monitor->setting))
		return;
	monitor->failures = now - child->started_ns > MONITOR_QUICK_NS ? 0 : monitor->failures + 1;
	monitor->again_ns = now + MIN(1u << MIN(monitor->failures, 5u), MONITOR_DELAY_MAX_S) * NSEC_PER_SEC;
	supervisor_record(supervisor, EVENT_LOG_SYSTEM, "error", "the %s process %s and is started again",
		role_info[monitor->role].name, how);
}

static void monitor_spawn(struct monitor *monitor, const char *setting)
{
	struct supervisor *supervisor = monitor->supervisor;
	int fds[] = {stats_page_fd(supervisor->stats)};
	/* a child that does not read cannot hold the supervisor up */
	const struct timeval patience = {.tv_usec = 100000};

	snprintf(monitor->setting, sizeof(monitor->setting), "%s", setting);
	if (child_spawn(&monitor->child, supervisor->loop, monitor->role, supervisor->bin_dir, -1, monitor_on_message,
		    monitor_on_exit) < 0) {
		monitor->again_ns = clock_now_ns() + MONITOR_DELAY_MAX_S * NSEC_PER_SEC;
		return;
	}
	setsockopt(monitor->child.control.fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	child_send(&monitor->child, "start",
		json_pack("{s:s, s:s}", "setting", setting, "device", supervisor->instance.name), fds, ARRAY_SIZE(fds));
}

static void monitor_look(struct monitor *monitor)
{
	char wanted[128];

	monitor->queries = 0;
	monitor_wanted(monitor->supervisor, monitor->role, wanted);
	if (child_running(&monitor->child)) {
		if (strcmp(wanted, monitor->setting))
			child_kill(&monitor->child, SIGTERM);
		return;
	}
	if (strcmp(wanted, monitor->setting))
		monitor->again_ns = monitor->failures = 0;
	if (*wanted && clock_now_ns() >= monitor->again_ns)
		monitor_spawn(monitor, wanted);
}

void monitor_tick(struct supervisor *supervisor)
{
	for (unsigned int i = 0; i < MONITORS; i++) {
		struct monitor *monitor = &supervisor->monitors[i];

		if (!monitor->supervisor)
			*monitor = (struct monitor){.supervisor = supervisor,
				.role = monitor_roles[i],
				.child = {.control.fd = -1, .end.fd = -1}};
		monitor_look(monitor);
	}
}

void monitor_stop(struct supervisor *supervisor)
{
	for (unsigned int i = 0; i < MONITORS; i++)
		child_kill(&supervisor->monitors[i].child, SIGTERM);
}

void monitor_kill(struct supervisor *supervisor)
{
	for (unsigned int i = 0; i < MONITORS; i++)
		child_kill(&supervisor->monitors[i].child, SIGKILL);
}

bool monitor_stopped(const struct supervisor *supervisor)
{
	for (unsigned int i = 0; i < MONITORS; i++)
		if (child_running(&supervisor->monitors[i].child))
			return false;
	return true;
}

json_t *monitor_report(const struct supervisor *supervisor, enum role role)
{
	for (unsigned int i = 0; i < MONITORS; i++) {
		const struct monitor *monitor = &supervisor->monitors[i];
		char wanted[128];

		monitor_wanted(supervisor, role, wanted);
		if (monitor_roles[i] == role)
			return json_pack("{s:s, s:i}", "state",
				!*wanted                         ? "off"
				: child_running(&monitor->child) ? "live"
								 : "restarting",
				"pid", (int)monitor->child.pid);
	}
	return json_object();
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "day0/console.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <net/if.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/common.h"
#include "base/log.h"
#include "day0/apply.h"
#include "base/system.h"

#define CONSOLE_SECONDS 5 /* how old a line may be */
#define CONSOLE_LABEL "  %-11s "

/* agetty takes backslashes for its own, terminals control characters */
static void console_text(FILE *out, const char *text)
{
	for (; *text; text++)
		fputc((unsigned char)*text < ' ' || *text == '\\' || *text == 0x7f ? '?' : *text, out);
}

static const char *console_word(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static void console_write_segments(FILE *out, const json_t *status)
{
	const json_t *segment;
	size_t i;

	json_array_foreach(json_object_get(status, "segments"), i, segment)
	{
		const char *cause = console_word(segment, "cause");

		fprintf(out, CONSOLE_LABEL, "Segment");
		console_text(out, console_word(segment, "name"));
		fputs(": ", out);
		console_text(out, console_word(segment, "state"));
		if (*cause)
			fputs(" (", out), console_text(out, cause), fputc(')', out);
		fprintf(out, "; ");
		console_text(out, console_word(segment, "port_a"));
		fprintf(out, " %s, ", console_word(segment, "link_a"));
		console_text(out, console_word(segment, "port_b"));
		fprintf(out, " %s\n", console_word(segment, "link_b"));
	}
}

static void console_write_status(FILE *out, const struct console_facts *facts)
{
	json_t *status = facts->status ? json_loads(facts->status, 0, NULL) : NULL;

	fprintf(out, CONSOLE_LABEL, "Inspection");
	if (!status)
		fputs("sluiced does not answer yet; the wire goes on without it", out);
	else
		console_text(out, console_word(status, "inspection"));
	if (status && json_integer_value(json_object_get(status, "config_version")) > 0)
		fprintf(out, ", configuration version %lld",
			(long long)json_integer_value(json_object_get(status, "config_version")));
	fputc('\n', out);
	console_write_segments(out, status);
	json_decref(status);
}

static void console_write_management(FILE *out, const struct console_facts *facts)
{
	fprintf(out, CONSOLE_LABEL "%s\n", "Management",
		*facts->address     ? facts->address
		: facts->management ? "mgmt0 has no address yet"
				    : "there is no network interface for it");
	fprintf(out, CONSOLE_LABEL, "SSH");
	if (facts->ssh && *facts->address)
		fprintf(out, "ssh admin@%.*s\n", (int)strcspn(facts->address, "/"), facts->address);
	else
		fputs(facts->ssh ? "on\n" : "off: no key was given (ssh_keys)\n", out);
	fprintf(out, CONSOLE_LABEL "%s\n", "SNMP", facts->snmp ? "on" : "off: no user was given (snmp_users)");
}

static void console_write_disk(FILE *out, const struct console_facts *facts)
{
	if (facts->log_disk)
		fprintf(out, CONSOLE_LABEL "on the second disk, %llu MB free\n", "Logs",
			(unsigned long long)(facts->log_free >> 20));
}

static void console_write_health(FILE *out, const struct health_facts *facts)
{
	for (size_t i = 0; i < health_n_checks; i++) {
		enum health_state state = health_judge(&health_checks[i], facts);
		char found[160];

		if (state != HEALTH_WARNING && state != HEALTH_REFUSED)
			continue;
		health_describe(&health_checks[i], facts, found, sizeof(found));
		fprintf(out, CONSOLE_LABEL "%s: %s\n", state == HEALTH_REFUSED ? "Refused" : "Warning",
			health_checks[i].title, found);
	}
}

void console_write(FILE *out, const struct console_facts *facts)
{
	fprintf(out, "\nSluice " SLUICE_VERSION "  ");
	console_text(out, facts->hostname);
	if (*facts->slot)
		fprintf(out, "  slot %s", facts->slot);
	fputs("\n\n", out);
	console_write_status(out, facts);
	console_write_management(out, facts);
	console_write_disk(out, facts);
	console_write_health(out, &facts->health);
	if (!facts->settings)
		fputs("\n  No settings of day 0 are in force: the wire is a cable. Attach a medium with them and boot "
		      "again, or\n"
		      "  answer the questions on this console.\n",
			out);
	fputc('\n', out);
}

static void console_find_address(struct console_facts *facts)
{
	struct ifaddrs *all = NULL;

	facts->management = if_nametoindex("mgmt0") != 0;
	if (getifaddrs(&all) < 0)
		return;
	for (struct ifaddrs *one = all; one && !*facts->address; one = one->ifa_next) {
		char address[INET_ADDRSTRLEN];
		uint32_t mask;

		if (strcmp(one->ifa_name, "mgmt0") != 0 || !one->ifa_addr || one->ifa_addr->sa_family != AF_INET)
			continue;
		inet_ntop(AF_INET, &((struct sockaddr_in *)one->ifa_addr)->sin_addr, address, sizeof(address));
		mask = one->ifa_netmask ? ((struct sockaddr_in *)one->ifa_netmask)->sin_addr.s_addr : UINT32_MAX;
		snprintf(facts->address, sizeof(facts->address), "%s/%d", address, __builtin_popcount(mask));
	}
	freeifaddrs(all);
}

static void console_find_slot(char *out, size_t size)
{
	static const char key[] = "sluice.slot=";
	_cleanup_free_ char *line = NULL;
	const char *found;
	size_t len;

	if (system_read_file("/proc/cmdline", 65536, &line, &len) < 0)
		return;
	found = strstr(line, key);
	if (found)
		snprintf(out, size, "%.*s", (int)strcspn(found + strlen(key), " \n"), found + strlen(key));
}

static void console_find_disk(struct console_facts *facts)
{
	static const char place[] = "/var/lib/sluice/sluice/log";
	struct stat here, above;
	struct statvfs space;

	if (stat(place, &here) < 0 || stat("/var/lib/sluice/sluice", &above) < 0 || here.st_dev == above.st_dev)
		return;
	facts->log_disk = true;
	if (statvfs(place, &space) == 0)
		facts->log_free = (uint64_t)space.f_bavail * space.f_frsize;
}

static void console_look(struct console_facts *facts, char **status)
{
	static const char *const command[] = {"sluice", "show", "status", "--json", NULL};
	size_t len;

	memset(facts, 0, sizeof(*facts));
	gethostname(facts->hostname, sizeof(facts->hostname) - 1);
	console_find_slot(facts->slot, sizeof(facts->slot));
	console_find_address(facts);
	facts->settings = access(DAY0_DONE, F_OK) == 0 || access(DAY0_PENDING, F_OK) == 0;
	facts->ssh = access("/data/etc/ssh/authorized_keys/admin", F_OK) == 0;
	facts->snmp = access("/data/etc/snmp/users.conf", F_OK) == 0;
	console_find_disk(facts);
	health_find(&facts->health);
	if (system_output(command, 1u << 20, status, &len) == 0)
		facts->status = *status;
}

static int console_draw(char **text, size_t *len)
{
	_cleanup_free_ char *status = NULL;
	struct console_facts facts;
	FILE *out = open_memstream(text, len);

	if (!out)
		return -ENOMEM;
	console_look(&facts, &status);
	console_write(out, &facts);
	return fclose(out) == 0 ? 0 : -ENOMEM;
}

int console_run(void)
{
	static const char *const reload[] = {"agetty", "--reload", NULL};
	_cleanup_free_ char *shown = NULL;

	if (system_make_directory("/run/sluice-console", 0755) < 0)
		return -EIO;
	for (;; sleep(CONSOLE_SECONDS)) {
		char *text = NULL;
		size_t len;

		if (console_draw(&text, &len) == 0 && (!shown || strcmp(text, shown) != 0) &&
			system_write_file(CONSOLE_ISSUE, 0644, text, len) == 0) {
			system_run(reload);
			free(shown);
			shown = TAKE_PTR(text);
		}
		free(text);
	}
}

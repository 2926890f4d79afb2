/* SPDX-License-Identifier: Apache-2.0 */
#include "day0/apply.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/common.h"
#include "base/log.h"
#include "base/system.h"
#include "day0/disk.h"
#include "day0/draft.h"
#include "day0/nic.h"
#include "day0/snmp.h"

#define NETWORK_FILE "/data/etc/management.network"
#define HOSTNAME_FILE "/data/etc/hostname"

static int apply_hostname(const struct day0_settings *settings)
{
	const char *name = day0_text(settings, "hostname");

	return name ? system_write_file(HOSTNAME_FILE, 0644, name, strlen(name)) : 0;
}

static int apply_management(const struct day0_settings *settings)
{
	const char *address = day0_text(settings, "management.address");
	const char *gateway = day0_text(settings, "management.gateway");
	const struct tree_node *dns = tree_item(day0_node(settings, "management.dns"), 0);
	struct draft draft;

	if (!address)
		return 0;
	if (draft_open(&draft) < 0)
		return -ENOMEM;
	fputs("[Match]\nName=mgmt0\n\n[Network]\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n", draft.file);
	if (strcmp(address, "dhcp") == 0)
		fputs("DHCP=ipv4\n", draft.file);
	else
		fprintf(draft.file, "Address=%s\n", address);
	if (gateway)
		fprintf(draft.file, "Gateway=%s\n", gateway);
	for (; dns; dns = dns->next)
		fprintf(draft.file, "DNS=%s\n", dns->text);
	fputs("\n[DHCPv4]\nClientIdentifier=mac\n", draft.file);
	return draft_write(&draft, NETWORK_FILE, 0644);
}

static int apply_time_servers(const struct day0_settings *settings)
{
	const struct tree_node *server = tree_item(day0_node(settings, "time_servers"), 0);
	struct draft draft;

	if (!server || draft_open(&draft) < 0)
		return server ? -ENOMEM : 0;
	for (; server; server = server->next)
		fprintf(draft.file, "server %s iburst\n", server->text);
	return draft_write(&draft, "/data/etc/chrony/day0.sources", 0644);
}

static int apply_ssh_keys(const struct day0_settings *settings)
{
	const struct tree_node *key = tree_item(day0_node(settings, "ssh_keys"), 0);
	struct draft draft;

	if (!key || draft_open(&draft) < 0)
		return key ? -ENOMEM : 0;
	for (; key; key = key->next)
		fprintf(draft.file, "%s\n", key->text);
	return draft_write(&draft, "/data/etc/ssh/authorized_keys/admin", 0644);
}

/* the second field of admin's line in shadow(5) */
static int apply_password(const struct day0_settings *settings)
{
	const char *hash = day0_text(settings, "admin_password_hash");
	_cleanup_free_ char *shadow = NULL;
	struct draft draft;
	size_t len;
	int r;

	if (!hash)
		return 0;
	r = system_read_file("/etc/shadow", 1u << 20, &shadow, &len);
	if (r < 0 || draft_open(&draft) < 0)
		return r < 0 ? r : -ENOMEM;
	for (char *line = shadow, *next; *line; line = next) {
		next = line + strcspn(line, "\n");
		next += *next == '\n';
		if (strncmp(line, "admin:", 6) == 0)
			fprintf(draft.file, "admin:%s%.*s", hash, (int)(next - strchr(line + 6, ':')),
				strchr(line + 6, ':'));
		else
			fwrite(line, 1, next - line, draft.file);
	}
	r = fclose(draft.file) == 0 ? system_overwrite_file("/etc/shadow", draft.text, draft.len) : -ENOMEM;
	draft_clear(&draft);
	return r;
}

static int apply_log_hosts(const struct day0_settings *settings)
{
	const struct tree_node *host = tree_item(day0_node(settings, "log_hosts"), 0);
	struct draft draft;

	if (!host || draft_open(&draft) < 0)
		return host ? -ENOMEM : 0;
	fputs("module(load=\"omrelp\")\n", draft.file);
	for (; host; host = host->next)
		fprintf(draft.file,
			"action(type=\"omrelp\" target=\"%s\" port=\"%s\" template=\"RSYSLOG_SyslogProtocol23Format\"\n"
			"       queue.type=\"LinkedList\" queue.filename=\"day0-%s\" queue.maxDiskSpace=\"64m\" "
			"action.resumeRetryCount=\"-1\")\n",
			day0_item_text(host, "host"), day0_item_text(host, "port"), day0_item_text(host, "host"));
	return draft_write(&draft, "/data/etc/rsyslog.d/day0.conf", 0644);
}

static int apply_log_disk(const struct day0_settings *settings)
{
	const char *what = day0_text(settings, "log_disk");

	return what && strcmp(what, "format") == 0 ? system_write_file(DISK_FILE, 0644, what, strlen(what)) : 0;
}

static int apply_ports(const struct day0_settings *settings)
{
	const struct tree_node *ports = day0_node(settings, "ports"), *key = ports ? ports->first : NULL;
	struct draft draft;

	if (!key || draft_open(&draft) < 0)
		return key ? -ENOMEM : 0;
	for (; key && key->next; key = key->next->next)
		fprintf(draft.file, "%s %s\n", key->text, key->next->text);
	return draft_write(&draft, NIC_PORTS_FILE, 0644);
}

int apply_settings(const struct day0_settings *settings)
{
	static int (*const steps[])(const struct day0_settings *settings) = {apply_hostname, apply_management,
		apply_time_servers, apply_ssh_keys, apply_password, snmp_apply, apply_log_hosts, apply_log_disk,
		apply_ports};
	int result = 0;

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		int r = steps[i](settings);

		result = r < 0 ? r : result;
	}
	return result;
}

static void boot_hostname(void)
{
	_cleanup_free_ char *name = NULL;
	size_t len;

	if (access(system_path(HOSTNAME_FILE), F_OK) < 0 || system_read_file(HOSTNAME_FILE, 255, &name, &len) < 0)
		return;
	if (sethostname(name, strcspn(name, "\n")) < 0)
		log_err("cannot set the host name: %s", strerror(errno));
}

static int boot_network(void)
{
	_cleanup_free_ char *text = NULL;
	size_t len;

	if (access(system_path(NETWORK_FILE), F_OK) < 0)
		return 0;
	if (system_read_file(NETWORK_FILE, 65536, &text, &len) < 0 ||
		system_make_directory("/run/systemd/network", 0755) < 0)
		return -EIO;
	return system_write_file("/run/systemd/network/05-mgmt.network", 0644, text, len);
}

/* one key: making all kinds of them takes a small machine a quarter of a minute */
static int boot_ssh_key(void)
{
	static const char *const command[] = {
		"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "sluice", "-f", DAY0_SSH_KEY, NULL};

	if (access(system_path(DAY0_SSH_KEY), F_OK) == 0)
		return 0;
	return system_run(command) == 0 ? 0 : log_err_r(-EIO, "cannot make the SSH host key");
}

int apply_boot(void)
{
	boot_hostname();
	return boot_network() < 0 ? -EIO : boot_ssh_key();
}

int apply_done(const char *origin)
{
	char text[256];
	time_t now = time(NULL);
	struct tm tm;
	int n = snprintf(text, sizeof(text), "settings from %s\n", origin);

	n += strftime(text + n, sizeof(text) - n, "applied %Y-%m-%dT%H:%M:%SZ\n", gmtime_r(&now, &tm));
	return system_write_file(DAY0_DONE, 0644, text, n);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "day0/snmp.h"

#include <errno.h>
#include <string.h>

#include "base/common.h"
#include "day0/draft.h"
#include "base/system.h"

#define SNMP_SECRETS "/var/lib/snmp/snmpd.conf" /* snmpd's own file: it replaces createUser by a key when it starts */

static int snmp_apply_users(const struct tree_node *user)
{
	struct draft secrets, access;
	int r, written;

	if (!user)
		return 0;
	if (draft_open(&secrets) < 0 || draft_open(&access) < 0)
		return -ENOMEM;
	for (; user; user = user->next) {
		fprintf(secrets.file, "createUser %s SHA-256 \"%s\" AES \"%s\"\n", day0_item_text(user, "name"),
			day0_item_text(user, "auth_passphrase"), day0_item_text(user, "privacy_passphrase"));
		fprintf(access.file, "rouser %s authpriv\n", day0_item_text(user, "name"));
	}
	r = draft_write(&secrets, SNMP_SECRETS, 0600);
	system_own_like(SNMP_SECRETS, "/var/lib/snmp");
	written = draft_write(&access, "/data/etc/snmp/users.conf", 0644);
	return r < 0 ? r : written;
}

static int snmp_apply_engine(const char *engine)
{
	struct draft draft;

	if (!engine)
		return 0;
	if (draft_open(&draft) < 0)
		return -ENOMEM;
	fprintf(draft.file, "exactEngineID 0x%s\n", engine);
	return draft_write(&draft, "/data/etc/snmp/engine.conf", 0644);
}

/* A trap is sealed with the appliance's own engine id, for which snmpd has made the user's keys: no passphrase stands
 * here. An inform is sealed with the receiver's, which snmpd asks for: that takes the passphrases, for as long as
 * informs are sent. */
static void snmp_write_receiver(FILE *out, const struct day0_settings *settings, const struct tree_node *receiver)
{
	const char *name = day0_item_text(receiver, "user"), *port = day0_item_text(receiver, "port");
	const char *kind = day0_item_text(receiver, "kind");
	const struct tree_node *user = day0_find_item(settings, "snmp_users", name);

	fprintf(out, "trapsess -v 3 -l authPriv -u %s -a SHA-256 -x AES ", name);
	if (kind && strcmp(kind, "inform") == 0)
		fprintf(out, "-Ci -A \"%s\" -X \"%s\" ", day0_item_text(user, "auth_passphrase"),
			day0_item_text(user, "privacy_passphrase"));
	fprintf(out, "udp:%s:%s\n", day0_item_text(receiver, "host"), port ? port : "162");
}

static int snmp_apply_receivers(const struct day0_settings *settings)
{
	const struct tree_node *receiver = tree_item(day0_node(settings, "snmp_traps"), 0);
	struct draft draft;

	if (!receiver)
		return 0;
	if (draft_open(&draft) < 0)
		return -ENOMEM;
	for (; receiver; receiver = receiver->next)
		snmp_write_receiver(draft.file, settings, receiver);
	return draft_write(&draft, "/data/etc/snmp/receivers.conf", 0600);
}

int snmp_apply(const struct day0_settings *settings)
{
	int r = snmp_apply_users(tree_item(day0_node(settings, "snmp_users"), 0));

	if (r >= 0)
		r = snmp_apply_engine(day0_text(settings, "snmp_engine_id"));
	return r < 0 ? r : snmp_apply_receivers(settings);
}

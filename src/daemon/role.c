/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/role.h"

#include <cap-ng.h>
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>

const struct role_info role_info[ROLES] = {
	[ROLE_WORKER] = {"worker", "sluice-proxy", NULL, "sluice-proxy", 64501, true, false},
	[ROLE_COMPILER] = {"compiler", "sluice-proxy", "--compile", "sluice-proxy", 64501, false, true},
	[ROLE_KEEPER] = {"key keeper", "sluice-keys", NULL, "sluice-keys", 64502, false, false},
	[ROLE_IMPORTER] = {"importer", "sluice-keys", "--import", "sluice-keys", 64502, false, true},
	[ROLE_KEYSTORE] = {"keystore", "sluice-keys", "--keystore", "sluice-keys", 64502, false, true},
	[ROLE_FETCHER] = {"key fetcher", "sluice-keys", "--fetch", "sluice-keys", 64502, false, true},
	[ROLE_EXPORTER] = {"key exporter", "sluice-keys", "--export", "sluice-keys", 64502, false, true},
	[ROLE_OPENER] = {"key opener", "sluice-keys", "--open", "sluice-keys", 64502, false, true},
	[ROLE_LOG] = {"log", "sluice-log", NULL, "sluice-log", 64503, false, false},
	[ROLE_TARGET] = {"log target", "sluice-relp", NULL, "sluice-log", 64503, false, false},
	[ROLE_SNMP] = {"SNMP sub-agent", "sluice-snmp", NULL, "sluice-snmp", 64504, false, true},
};

void role_ids(enum role role, uid_t *uid, gid_t *gid)
{
	const struct passwd *user = getpwnam(role_info[role].user);

	*uid = user ? user->pw_uid : role_info[role].fallback_uid;
	*gid = user ? user->pw_gid : role_info[role].fallback_uid;
}

int role_enter(enum role role)
{
	uid_t uid;
	gid_t gid;

	role_ids(role, &uid, &gid);
	capng_clear(CAPNG_SELECT_ALL);
	if (role_info[role].net_raw)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_INHERITABLE | CAPNG_BOUNDING_SET,
			CAP_NET_RAW);
	if (capng_change_id(uid, gid, CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING) < 0)
		return errno ? -errno : -EPERM;
	/* ambient: kept over exec of a program without file capabilities */
	if (role_info[role].net_raw && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0) < 0)
		return -errno;
	/* after the change of user, which would undo it */
	if (role_info[role].one_shot && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The supervisor's children by role: program, arguments, user, and the one capability a worker keeps. */
#include <stdbool.h>
#include <sys/types.h>

enum role {
	ROLE_WORKER,
	ROLE_COMPILER,
	ROLE_KEEPER,
	ROLE_IMPORTER,
	ROLE_LOG,
	ROLE_TARGET,
	ROLE_SNMP,
	ROLE_KEYSTORE,
	ROLE_FETCHER,
	ROLE_EXPORTER,
	ROLE_OPENER,
	ROLES
};

struct role_info {
	const char *name;     /* in messages and records */
	const char *program;  /* beside sluiced, or under --bin-dir */
	const char *argument; /* NULL: none */
	const char *user;     /* looked up by name */
	uid_t fallback_uid;   /* user and group number where the name does not exist: no other role's, nobody's */
	bool net_raw;         /* CAP_NET_RAW, for IP_TRANSPARENT in `inspect` */
	bool one_shot;        /* ends with the supervisor: of no use without it, or started anew by the next */
};
extern const struct role_info role_info[ROLES];

/* the user and group a role runs under on this machine */
void role_ids(enum role role, uid_t *uid, gid_t *gid);
/* in the child, before exec: drops to the role's user and capabilities. 0 or -errno */
int role_enter(enum role role);

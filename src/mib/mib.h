/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the appliance shows to monitoring systems, as arrays: SLUICE-MIB's text (snmp-mib/SLUICE-MIB.txt), the values
 * that the sub-agent serves, OpenMetrics and the files of provisioning/monitoring all come from here. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stats/stats.h"

/* Where the module hangs: netSnmpPlaypen.7583 until its owner has an enterprise number. The module's text says the same
 * around sluRoot (snmp/mib_text.c); docs/monitoring.md says how to move it. */
#define MIB_ROOT {1, 3, 6, 1, 4, 1, 8072, 9999, 9999, 7583}

enum mib_syntax {
	MIB_TEXT,       /* SnmpAdminString, up to 255 bytes; a list is joined by ", " */
	MIB_NAME,       /* SnmpAdminString, 1 to 63 bytes: an object's name; as an index IMPLIED */
	MIB_COUNTER,    /* Counter64 */
	MIB_GAUGE,      /* Gauge32, held at its highest value */
	MIB_GAUGE64,    /* CounterBasedGauge64 */
	MIB_NUMBER,     /* Unsigned32 */
	MIB_TIME,       /* DateAndTime in UTC; from microseconds since 1970 or RFC 3339 text */
	MIB_TRUTH,      /* TruthValue */
	MIB_IP_TYPE,    /* InetAddressType, always ipv4(1) */
	MIB_IP,         /* InetAddress, four bytes */
	MIB_PORT,       /* InetPortNumber */
	MIB_SESSION_ID, /* eight bytes, from 16 hex digits */
	MIB_WORD,       /* enumeration: words */
};

struct mib_object {
	uint32_t number;
	const char *name; /* descriptor in the MIB */
	enum mib_syntax syntax;
	const char *key; /* in the JSON object it is taken from */
	const char *units, *description;
	const char *const *words; /* of MIB_WORD: enumeration from 1, ends with NULL; other values have no instance */
};

/* the supervisor's reports that objects are taken from */
enum mib_report {
	MIB_STATUS,
	MIB_SERVERS,
	MIB_SESSIONS,
	MIB_CERTIFICATES,
	MIB_GRAPH,
	MIB_TARGETS,
	MIB_SEGMENTS,
	MIB_HEALTH,
	MIB_RATES,
	MIB_PORTS,
	MIB_REPORT_N
};
extern const char *const mib_report_names[MIB_REPORT_N]; /* as the supervisor knows them */

struct mib_table {
	uint32_t number;
	const char *name, *entry, *row; /* descriptors: table, entry, type of a row */
	const char *description, *entry_description;
	enum mib_report report;
	const char *rows; /* key of the report's array */
	/* the first object is the index; without a key it is the row's place, from 1 */
	const struct mib_object *objects;
	size_t n;
	bool counters;      /* each row has the counters of an SSL server as well */
	const char *metric; /* its rows in OpenMetrics: prefix of the names, and the label; NULL: they are not there */
};

enum mib_branch {
	MIB_DEVICE = 1,
	MIB_COUNTERS = 2,
	MIB_CLOSED = 3, /* tables have numbers from 4 on */
	MIB_NOTIFY = 99 /* objects that only notifications have */
};
/* columns of a row's counters: their number and one of these */
#define MIB_COLUMN_COUNTERS 100
#define MIB_COLUMN_CLOSED 1000

/* in the order of their numbers, from 1 */
enum mib_notification_id {
	NOTIFY_INSPECTION,
	NOTIFY_KEY_KEEPER,
	NOTIFY_SERVER_KEY,
	NOTIFY_LOG_TARGET,
	NOTIFY_CERTIFICATE,
	NOTIFY_DRIFT,
	NOTIFY_SESSIONS,
	NOTIFY_CONFIGURATION,
	NOTIFY_BLOCK,
	NOTIFY_FALLBACK,
	NOTIFY_PORT,
	NOTIFY_N
};
#define MIB_NOTIFIED_MAX 4

struct mib_notification {
	const char *name, *word; /* descriptor; in the configuration (schema.c) */
	struct mib_notified {    /* what it carries before the number of hits; branch 0: no more */
		uint32_t branch; /* MIB_DEVICE, MIB_COUNTERS or a table's number */
		uint32_t number; /* of the object or the column; the counter's id */
	} objects[MIB_NOTIFIED_MAX];
	const char *description;
};

extern const struct mib_notification mib_notifications[NOTIFY_N];
extern const struct mib_object mib_notify_hits;
extern const struct mib_object mib_device[];
extern const size_t mib_n_device;
extern const struct mib_table mib_tables[];
extern const size_t mib_n_tables;

/* SPDX-License-Identifier: Apache-2.0 */
#include "snmp/mib.h"

#include "base/common.h"

static const char *const inspection_words[] = {"on", "off", "fallback", "no configuration", NULL};
static const char *const process_words[] = {"live", "restarting", NULL};
static const char *const worker_words[] = {"live", "starting", "restarting", "hung", "draining", NULL};

/* numbers and names here are published: add, never change */
const struct mib_object mib_device[] = {
	{1, "sluDeviceVersion", MIB_TEXT, "version", .description = "Version of the software."},
	{2, "sluDeviceInstance", MIB_TEXT, "instance", .description = "Name of the instance of the supervisor."},
	{3, "sluDeviceName", MIB_TEXT, "device",
		.description = "Name of the appliance in its configuration; empty before the first configuration."},
	{4, "sluDeviceStarted", MIB_TIME, "started",
		.description = "When the supervisor was started. Every counter of this module counts from then: it is "
			       "the time of "
			       "their last discontinuity."},
	{5, "sluDeviceConfigVersion", MIB_GAUGE, "config_version",
		.description = "Version of the configuration in force; 0 before the first one."},
	{6, "sluDeviceInspection", MIB_WORD, "inspection",
		.description = "State of SSL inspection. fallback: there are SSL servers and no worker is live, so "
			       "that new flows of SSL "
			       "servers pass uninspected or are blocked, as configured.",
		.words = inspection_words},
	{7, "sluDeviceFlows", MIB_GAUGE, "flows", .units = "flows",
		.description = "Flows of SSL servers now in the flow table."},
	{8, "sluDeviceSessions", MIB_GAUGE, "sessions", .units = "sessions", .description = "SSL sessions now open."},
	{9, "sluDeviceSessionsMaximum", MIB_GAUGE, "max_sessions", .units = "sessions",
		.description = "Configured maximum of concurrent SSL sessions; 0 before the first configuration."},
	{10, "sluDeviceKeyKeeper", MIB_WORD, "keeper_state",
		.description = "State of the process that holds the private keys.", .words = process_words},
	{11, "sluDeviceLogProcess", MIB_WORD, "log_state", .description = "State of the process that writes the logs.",
		.words = process_words},
	{12, "sluDeviceNotificationsOff", MIB_TEXT, "notifications_off",
		.description = "Notifications that the configuration turns off, by its words for them, joined by "
			       "commas. All others are sent."},
	{13, "sluDeviceConfigsRejected", MIB_COUNTER, "configs_rejected", .units = "configurations",
		.description =
			"Configurations that were to be put in force and were rejected, since sluDeviceStarted."},
	{14, "sluDeviceConfigRejection", MIB_TEXT, "config_rejection",
		.description = "Why the last of them was rejected. There is no instance if none was."},
};
const size_t mib_n_device = ARRAY_SIZE(mib_device);

static const struct mib_object server_objects[] = {
	{1, "sluSrvName", MIB_NAME, "name", .description = "Name of the SSL server."},
	{2, "sluSrvDestinations", MIB_TEXT, "destinations",
		.description = "Its addresses and networks, joined by commas, cut at 255 bytes."},
	{3, "sluSrvDetectionPorts", MIB_TEXT, "detection_ports", .description = "Its TCP ports and ranges of ports."},
	{4, "sluSrvCertificates", MIB_TEXT, "certificates", .description = "Names of its certificates."},
	{5, "sluSrvService", MIB_TEXT, "decrypted_service", .description = "The protocol inside TLS."},
	{6, "sluSrvKeyState", MIB_TEXT, "key_state",
		.description = "available, or why the private key of one of its certificates is not."},
	{7, "sluSrvLogging", MIB_TRUTH, "logging", .description = "Whether the SSL Inspection log is written for it."},
};

static const struct mib_object session_objects[] = {
	{1, "sluSessIndex", MIB_NUMBER, .description = "Place in the list; 1 is the newest session."},
	{2, "sluSessId", MIB_SESSION_ID, "id",
		.description =
			"The session's id in every record: its 16 hexadecimal digits there are these eight bytes."},
	{3, "sluSessStarted", MIB_TIME, "started", .description = "When the session began."},
	{4, "sluSessClientType", MIB_IP_TYPE, "client_ip", .description = "Type of sluSessClient."},
	{5, "sluSessClient", MIB_IP, "client_ip", .description = "The client's address."},
	{6, "sluSessClientPort", MIB_PORT, "client_port", .description = "The client's TCP port."},
	{7, "sluSessServerType", MIB_IP_TYPE, "server_ip", .description = "Type of sluSessServer."},
	{8, "sluSessServer", MIB_IP, "server_ip", .description = "The server's address."},
	{9, "sluSessServerPort", MIB_PORT, "server_port", .description = "The server's TCP port."},
	{10, "sluSessVlan", MIB_NUMBER, "vlan", .description = "VLAN id; 0 when untagged."},
	{11, "sluSessStep", MIB_TEXT, "step",
		.description = "Where the session is: its step, as in the sessions list."},
	{12, "sluSessSslServer", MIB_TEXT, "ssl_server", .description = "Name of its SSL server."},
	{13, "sluSessPolicy", MIB_TEXT, "policy", .description = "Name of its SSL policy."},
	{14, "sluSessVirtualSegment", MIB_TEXT, "virtual_segment", .description = "Name of its virtual segment."},
	{15, "sluSessServerName", MIB_TEXT, "sni",
		.description = "The server name that the client asked for; empty if none."},
	{16, "sluSessClientVersion", MIB_TEXT, "client_version",
		.description = "TLS version of the client leg; empty before its handshake."},
	{17, "sluSessClientCipher", MIB_TEXT, "client_cipher", .description = "Cipher suite of the client leg."},
	{18, "sluSessServerVersion", MIB_TEXT, "server_version",
		.description = "TLS version of the server leg; empty before its handshake."},
	{19, "sluSessServerCipher", MIB_TEXT, "server_cipher", .description = "Cipher suite of the server leg."},
	{20, "sluSessInspected", MIB_TRUTH, "inspected",
		.description = "Whether signature filters act on the session."},
	{21, "sluSessBytesToServer", MIB_COUNTER, "bytes_to_server", .units = "bytes",
		.description = "Decrypted bytes to the server, since sluSessStarted."},
	{22, "sluSessBytesToClient", MIB_COUNTER, "bytes_to_client", .units = "bytes",
		.description = "Decrypted bytes to the client, since sluSessStarted."},
	{23, "sluSessWorker", MIB_NUMBER, "worker", .description = "Slot of the worker that serves it."},
};

static const struct mib_object worker_objects[] = {
	{1, "sluWorkIndex", MIB_NUMBER, .description = "Place in the list, from 1."},
	{2, "sluWorkSlot", MIB_NUMBER, "slot", .description = "The worker's slot."},
	{3, "sluWorkPid", MIB_NUMBER, "pid", .description = "Its process id; 0 while it does not run."},
	{4, "sluWorkState", MIB_WORD, "state", .description = "Its state.", .words = worker_words},
	{5, "sluWorkSessions", MIB_GAUGE, "sessions", .units = "sessions",
		.description = "SSL sessions that it serves now."},
	{6, "sluWorkConfigVersion", MIB_GAUGE, "config_version",
		.description = "Version of the newest configuration that it has acknowledged; 0: none yet."},
};

static const struct mib_object certificate_objects[] = {
	{1, "sluCertName", MIB_NAME, "name", .description = "Name in the certificate store."},
	{2, "sluCertSubject", MIB_TEXT, "subject", .description = "Its subject."},
	{3, "sluCertIssuer", MIB_TEXT, "issuer", .description = "Its issuer."},
	{4, "sluCertNotBefore", MIB_TIME, "not_before", .description = "Beginning of its validity."},
	{5, "sluCertNotAfter", MIB_TIME, "not_after", .description = "End of its validity."},
	{6, "sluCertNames", MIB_TEXT, "sans", .description = "Names it is for, joined by commas, cut at 255 bytes."},
	{7, "sluCertKeyType", MIB_TEXT, "key_type", .description = "Type of its key."},
	{8, "sluCertKeyBits", MIB_NUMBER, "key_bits", .units = "bits", .description = "Size of its key."},
	{9, "sluCertKeyState", MIB_TEXT, "key_state", .description = "available, or why its private key is not."},
};

static const struct mib_object graph_objects[] = {
	{1, "sluGraphMinute", MIB_NUMBER, "minute", .units = "minutes",
		.description = "The interval: whole minutes since 1970, UTC."},
	{2, "sluGraphTime", MIB_TIME, "time", .description = "Beginning of the interval."},
	{3, "sluGraphBytes", MIB_GAUGE64, "bytes", .units = "bytes",
		.description = "SSL Decrypted Traffic: decrypted bytes of sessions of SSL servers, both directions, "
			       "inspected or not."},
	{4, "sluGraphBytesInspected", MIB_GAUGE64, "bytes_inspected", .units = "bytes",
		.description = "SSL Decrypted Traffic: of sluGraphBytes, those given to signature filters."},
	{5, "sluGraphActiveRate", MIB_GAUGE, "active_rate", .units = "sessions",
		.description = "Active SSL Connection Rate: new SSL connections in the interval."},
	{6, "sluGraphNewRate", MIB_GAUGE, "new_rate_hundredths", .units = "hundredths of a session per second",
		.description =
			"New SSL Connection Rate: average number of new SSL connections per second in the interval, in "
			"hundredths: 30 in the minute are 50."},
};

static const struct mib_object target_objects[] = {
	{1, "sluTargetName", MIB_NAME, "name", .description = "Name of the log target."},
	{2, "sluTargetDown", MIB_TRUTH, "down",
		.description = "Whether it does not take records; what it misses waits in the spool."},
	{3, "sluTargetState", MIB_TEXT, "state", .description = "State of the connection to it."},
	{4, "sluTargetError", MIB_TEXT, "error", .description = "The last problem; empty if there is none."},
	{5, "sluTargetHost", MIB_TEXT, "host", .description = "The host in use."},
	{6, "sluTargetPort", MIB_PORT, "port", .description = "Its port."},
	{7, "sluTargetProtocol", MIB_TEXT, "protocol", .description = "How it is spoken to."},
	{8, "sluTargetSent", MIB_COUNTER, "sent", .units = "records",
		.description = "Records sent since its sender started."},
	{9, "sluTargetLag", MIB_GAUGE, "lag_records", .units = "records",
		.description = "Records that it has not received yet."},
	{10, "sluTargetLagSeconds", MIB_GAUGE, "lag_seconds", .units = "seconds",
		.description = "Age of the oldest of them."},
};

#define OBJECTS(array) .objects = (array), .n = ARRAY_SIZE(array)

const struct mib_table mib_tables[] = {
	{4, "sluServerTable", "sluServerEntry", "SluServerEntry", "The SSL servers of the configuration in force.",
		"An SSL server, with every counter that is kept per server.", MIB_SERVERS, "servers",
		OBJECTS(server_objects), .counters = true},
	{5, "sluSessionTable", "sluSessionEntry", "SluSessionEntry",
		"The 50 newest SSL sessions that are open, newest first. A session's place changes as others come and "
		"go: "
		"sluSessId tells sessions apart.",
		"An open session.", MIB_SESSIONS, "sessions", OBJECTS(session_objects)},
	{6, "sluWorkerTable", "sluWorkerEntry", "SluWorkerEntry", "The processes that inspect.", "A worker.",
		MIB_STATUS, "workers", OBJECTS(worker_objects)},
	{7, "sluCertificateTable", "sluCertificateEntry", "SluCertificateEntry", "The certificate store.",
		"A certificate whose private key is held.", MIB_CERTIFICATES, "certificates",
		OBJECTS(certificate_objects)},
	{8, "sluGraphTable", "sluGraphEntry", "SluGraphEntry",
		"History of the three graphs by the minute, 24 hours, kept over restarts. Minutes in which no "
		"supervisor "
		"ran have no row; the running minute is added when it is over.",
		"One minute.", MIB_GRAPH, "graph", OBJECTS(graph_objects)},
	{9, "sluTargetTable", "sluTargetEntry", "SluTargetEntry", "The log targets of the configuration in force.",
		"A log target.", MIB_TARGETS, "targets", OBJECTS(target_objects)},
};
const size_t mib_n_tables = ARRAY_SIZE(mib_tables);

/* --- notifications -------------------------------------------------------------------------------------------------
 */

const struct mib_object mib_notify_hits = {1, "sluNotifyHits", MIB_NUMBER, .units = "events",
	.description = "Changes or events of this kind since the last look, a second before, of which this "
		       "notification tells. More rows of a table than notifications mean that the others are only "
		       "counted."};

const struct mib_notification mib_notifications[NOTIFY_N] = {
	[NOTIFY_INSPECTION] = {"sluNotifyInspection", "inspection", {{MIB_DEVICE, 6}, {MIB_DEVICE, 5}},
		"SSL inspection entered or left a state, fallback above all."},
	[NOTIFY_KEY_KEEPER] = {"sluNotifyKeyKeeper", "key_keeper", {{MIB_DEVICE, 10}},
		"The process that holds the private keys ended, or is back."},
	[NOTIFY_SERVER_KEY] = {"sluNotifyServerKey", "server_key", {{4, 6}},
		"The private key of an SSL server became available or unavailable."},
	[NOTIFY_LOG_TARGET] = {"sluNotifyLogTarget", "log_target", {{9, 2}, {9, 3}, {9, 4}},
		"A log target went down or came up."},
	[NOTIFY_CERTIFICATE] = {"sluNotifyCertificate", "certificate", {{7, 5}, {7, 2}},
		"A certificate came within another of the configured numbers of days before its end "
		"(certificate_warning_days), or ended. Sent again for those concerned when the sub-agent starts."},
	[NOTIFY_DRIFT] = {"sluNotifyDrift", "drift", {{MIB_COUNTERS, COUNTER_CERTIFICATE_DRIFTS}},
		"Servers showed certificates other than those held, and they were taken."},
	[NOTIFY_SESSIONS] = {"sluNotifySessions", "sessions", {{MIB_DEVICE, 8}, {MIB_DEVICE, 9}},
		"The number of open sessions reached nine tenths of their maximum, or fell below eight tenths after "
		"that."},
	[NOTIFY_CONFIGURATION] = {"sluNotifyConfiguration", "configuration", {{MIB_DEVICE, 13}, {MIB_DEVICE, 14}},
		"A configuration was rejected; the one in force is unchanged."},
	[NOTIFY_BLOCK] = {"sluNotifyBlock", "block", {{MIB_COUNTERS, COUNTER_SESSIONS_BLOCKED}},
		"Sessions were ended by a signature filter: at most one notification a second, sluNotifyHits says how "
		"many sessions. Which ones is in the Block log."},
};

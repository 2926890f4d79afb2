/* SPDX-License-Identifier: Apache-2.0 */
#include "mib/mib.h"

#include "base/common.h"

static const char *const inspection_words[] = {"on", "off", "fallback", "no configuration", NULL};
static const char *const process_words[] = {"live", "restarting", NULL};
static const char *const thresholds_words[] = {"normal", "warning", "critical", NULL};
static const char *const choice_words[] = {"bypass", "block", NULL};
static const char *const cause_words[] = {"none", "no live worker", "overload", "command", NULL};
static const char *const health_words[] = {"good", "note", "warning", "refused", NULL};
static const char *const link_words[] = {"up", "down", "missing", NULL};
static const char *const side_words[] = {"a", "b", NULL};
static const char *const duplex_words[] = {"full", "half", NULL};
static const char *const direction_words[] = {"a_to_b", "b_to_a", NULL};
static const char *const worker_words[] = {"live", "starting", "restarting", "hung", "draining", NULL};

/* numbers and names here are published: add, never change */
const struct mib_object mib_device[] = {
	{1, "sluDeviceVersion", MIB_TEXT, "version", .description = "Version of the software."},
	{2, "sluDeviceInstance", MIB_TEXT, "instance", .description = "Name of the instance of the supervisor."},
	{3, "sluDeviceName", MIB_TEXT, "device",
		.description = "Name of the appliance in its configuration; empty before the first configuration."},
	{4, "sluDeviceStarted", MIB_TIME, "started",
		.description = "When the supervisor was started. Most often the counters go on from where they were: "
			       "sluDeviceCountersSince is the time of their last discontinuity."},
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
	{15, "sluDeviceCountersSince", MIB_TIME, "counters_since",
		.description =
			"When the counters of this module began at 0: the time of their last discontinuity. When it "
			"changes, no difference may be taken across the change. Counters of an SSL server begin "
			"anew as well when it is removed and another takes its place."},
	{16, "sluDeviceSessionsHighWater", MIB_GAUGE, "sessions_high_water", .units = "sessions",
		.description =
			"Most SSL sessions that were open at once since sluDeviceStarted, as the wire counts them."},
	{17, "sluDeviceSessionsWarning", MIB_GAUGE, "warning_sessions", .units = "sessions",
		.description = "Warning threshold of concurrent SSL sessions."},
	{18, "sluDeviceSessionsCritical", MIB_GAUGE, "critical_sessions", .units = "sessions",
		.description =
			"Critical threshold of concurrent SSL sessions; from it on sluDeviceSessionsAction holds."},
	{19, "sluDeviceSessionsState", MIB_WORD, "sessions_state",
		.description = "Which threshold was reached; it is left five points below.", .words = thresholds_words},
	{20, "sluDeviceSessionsAction", MIB_WORD, "sessions_action",
		.description = "What becomes of new sessions from the critical threshold on.", .words = choice_words},
	{21, "sluDeviceFallbackCause", MIB_WORD, "fallback_cause",
		.description = "Why segments are in layer-2 fallback, of the first one that is.", .words = cause_words},
	{22, "sluDeviceFallbackSegments", MIB_GAUGE, "fallback_segments", .units = "segments",
		.description = "Segments in layer-2 fallback now."},
	{23, "sluDeviceCrashLoop", MIB_TRUTH, "crash_loop",
		.description =
			"Whether workers have ended again and again, so that when_crash_loop of each SSL server holds "
			"while none is live."},
	{24, "sluDeviceKeyEngine", MIB_TEXT, "key_engine", .description = "What computes private-key operations."},
	{25, "sluDeviceKeyEngineReason", MIB_TEXT, "key_engine_reason",
		.description = "Why it is not the batch engine; empty where it is."},
	{26, "sluDeviceKeysAvailable", MIB_GAUGE, "keys_available", .units = "keys",
		.description = "Private keys that the key keeper holds ready."},
	{27, "sluDeviceKeysUnavailable", MIB_GAUGE, "keys_unavailable", .units = "keys",
		.description = "Private keys that are wanted and that it cannot use now."},
	{28, "sluDeviceKeystoreLocked", MIB_TRUTH, "keystore_locked",
		.description = "Whether the keystore waits for its passphrase."},
	{29, "sluDeviceCpuModel", MIB_TEXT, "cpu_model", .description = "Name of the processor."},
	{30, "sluDeviceCpus", MIB_GAUGE, "cpus", .units = "processors", .description = "Processors online at start."},
	{31, "sluDeviceMemory", MIB_GAUGE, "memory_megabytes", .units = "megabytes",
		.description = "Memory of the machine."},
	{32, "sluDeviceHealth", MIB_WORD, "health",
		.description = "The worst state in sluHealthTable; refused: the machine is below the minimum for SSL "
			       "inspection.",
		.words = health_words},
	{33, "sluDeviceRdrand", MIB_TRUTH, "rdrand",
		.description = "Whether the processor's random number generator works (RDRAND)."},
	{34, "sluDeviceSpool", MIB_GAUGE64, "spool_bytes", .units = "bytes",
		.description = "Log records on disk that log targets have not certainly received."},
	{35, "sluDeviceSpoolDropped", MIB_COUNTER, "spool_dropped", .units = "records",
		.description = "Log records that left the spool by its bounds before every log target had them, as "
			       "sluLogSpoolDropped."},
	{36, "sluDeviceSpoolFailing", MIB_TRUTH, "spool_failing",
		.description = "Whether the spool cannot be written now."},
	{37, "sluDeviceNotificationInterval", MIB_GAUGE, "notification_interval", .units = "seconds",
		.description =
			"Least time between two notifications of one kind: what happens meanwhile is told together."},
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
	{10, "sluCertServers", MIB_TEXT, "servers",
		.description = "SSL servers that use it, joined by commas, cut at 255 bytes."},
};

static const struct mib_object graph_objects[] = {
	{1, "sluGraphMinute", MIB_NUMBER, "minute", .units = "minutes",
		.description = "The interval: whole minutes since 1970, UTC."},
	{2, "sluGraphTime", MIB_TIME, "time", .description = "Beginning of the interval."},
	{3, "sluGraphBytes", MIB_GAUGE64, "bytes", .units = "bytes",
		.description = "SSL Decrypted Traffic: all traffic of connections to SSL servers, both directions: "
			       "decrypted bytes, and "
			       "frames of those that passed uninspected."},
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

static const struct mib_object segment_objects[] = {
	{1, "sluSegName", MIB_NAME, "name", .description = "Name of the segment."},
	{2, "sluSegPortA", MIB_TEXT, "port_a", .description = "Its port A."},
	{3, "sluSegLinkA", MIB_WORD, "link_a", .description = "Link of port A.", .words = link_words},
	{4, "sluSegPortB", MIB_TEXT, "port_b", .description = "Its port B."},
	{5, "sluSegLinkB", MIB_WORD, "link_b", .description = "Link of port B.", .words = link_words},
	{6, "sluSegState", MIB_WORD, "state",
		.description = "State of SSL inspection on the segment, fallback above all.",
		.words = inspection_words},
	{7, "sluSegCause", MIB_WORD, "cause",
		.description = "Why it is in layer-2 fallback. There is no instance while it is not.",
		.words = cause_words},
};

static const struct mib_object virtual_segment_objects[] = {
	{1, "sluVsegPlace", MIB_NUMBER, .description = "Its place in the order in which they are tried, from 1."},
	{2, "sluVsegName", MIB_TEXT, "name", .description = "Name of the virtual segment."},
	{3, "sluVsegSegment", MIB_TEXT, "segment", .description = "Name of its segment."},
	{4, "sluVsegDirection", MIB_WORD, "direction", .description = "Direction of the connections that it takes.",
		.words = direction_words},
	{5, "sluVsegVlans", MIB_TEXT, "vlans", .description = "Its VLANs, joined by commas; empty: all."},
	{6, "sluVsegSources", MIB_TEXT, "sources", .description = "Its source networks; empty: all."},
	{7, "sluVsegDestinations", MIB_TEXT, "destinations", .description = "Its destination networks; empty: all."},
	{8, "sluVsegProfile", MIB_TEXT, "profile", .description = "Name of the profile that it assigns."},
};

static const struct mib_object health_objects[] = {
	{1, "sluHealthName", MIB_NAME, "name", .description = "What was looked at."},
	{2, "sluHealthTitle", MIB_TEXT, "title", .description = "The same for people."},
	{3, "sluHealthState", MIB_WORD, "state",
		.description = "What was found. refused: SSL inspection is refused for it.", .words = health_words},
	{4, "sluHealthFound", MIB_TEXT, "found", .description = "What there is."},
	{5, "sluHealthCost", MIB_TEXT, "cost",
		.description = "What the operator pays for what is missing, and the mend; empty when all is good."},
};

#define HUNDREDTHS "hundredths of the counter's unit per second"

static const struct mib_object rate_objects[] = {
	{1, "sluRateCounter", MIB_NAME, "name", .description = "Name of the counter, as in the command line."},
	{2, "sluRateUnit", MIB_TEXT, "unit", .description = "Its unit."},
	{3, "sluRateSecond", MIB_GAUGE64, "second_hundredths", .units = HUNDREDTHS,
		.description = "Its rate over the last second."},
	{4, "sluRateMinute", MIB_GAUGE64, "minute_hundredths", .units = HUNDREDTHS,
		.description = "Its rate over the last minute."},
	{5, "sluRateFiveMinutes", MIB_GAUGE64, "five_minutes_hundredths", .units = HUNDREDTHS,
		.description = "Its rate over the last five minutes."},
};

static const struct mib_object port_objects[] = {
	{1, "sluPortName", MIB_NAME, "name", .description = "Name of the port's interface."},
	{2, "sluPortSegment", MIB_TEXT, "segment", .description = "Name of its segment."},
	{3, "sluPortSide", MIB_WORD, "side", .description = "Which port of the segment it is.", .words = side_words},
	{4, "sluPortLink", MIB_WORD, "link", .description = "Its link; missing: there is no such interface.",
		.words = link_words},
	{5, "sluPortDriver", MIB_TEXT, "driver", .description = "Its driver."},
	{6, "sluPortSpeed", MIB_GAUGE, "speed_megabits", .units = "megabits per second",
		.description = "Its speed; 0: not known."},
	{7, "sluPortDuplex", MIB_WORD, "duplex", .description = "Its duplex mode.", .words = duplex_words},
	{8, "sluPortRxQueues", MIB_GAUGE, "rx_queues", .units = "queues", .description = "Its receive queues."},
	{9, "sluPortTxQueues", MIB_GAUGE, "tx_queues", .units = "queues", .description = "Its transmit queues."},
	{10, "sluPortMtu", MIB_GAUGE, "mtu", .units = "bytes", .description = "Its MTU."},
	{11, "sluPortOffloads", MIB_TEXT, "offloads", .description = "Offloads that are on, joined by commas."},
	{12, "sluPortRxFrames", MIB_COUNTER, "rx_frames", .units = "frames",
		.description = "Frames received since the interface was made."},
	{13, "sluPortRxBytes", MIB_COUNTER, "rx_bytes", .units = "bytes",
		.description = "Bytes received since the interface was made."},
	{14, "sluPortTxFrames", MIB_COUNTER, "tx_frames", .units = "frames",
		.description = "Frames sent since the interface was made."},
	{15, "sluPortTxBytes", MIB_COUNTER, "tx_bytes", .units = "bytes",
		.description = "Bytes sent since the interface was made."},
	{16, "sluPortDropped", MIB_COUNTER, "dropped", .units = "frames",
		.description = "Frames that the card lost, and those that came in here and that Sluice dropped."},
	{17, "sluPortDrops", MIB_TEXT, "drops",
		.description = "Their causes, each with its number, joined by commas; those that there were."},
	{18, "sluPortWarnings", MIB_TEXT, "warnings",
		.description = "Settings that keep the wire from being transparent, by their names, joined by commas; "
			       "sluice show ports says what each means."},
};

static const struct mib_object notification_objects[] = {
	{1, "sluNoteNumber", MIB_NUMBER, .description = "Number of the notification below sluNotifications."},
	{2, "sluNoteWord", MIB_TEXT, "word", .description = "The configuration's word for it."},
	{3, "sluNoteEnabled", MIB_TRUTH, "enabled",
		.description = "Whether it is sent; snmp.notifications_off of the configuration turns it off."},
};

static const char *const stage_words[] = {"connection", "decrypted", NULL};

static const struct mib_object stage_objects[] = {
	{1, "sluStagePlace", MIB_NUMBER, .description = "Its place in the order of precedence, from 1."},
	{2, "sluStageName", MIB_TEXT, "name", .description = "Name of the stage."},
	{3, "sluStageActsOn", MIB_WORD, "acts_on",
		.description = "What it acts on: connections before decryption, or the decrypted bytes.",
		.words = stage_words},
	{4, "sluStageBuilt", MIB_TRUTH, "built",
		.description = "false: its place is kept, and nothing can be configured for it in this version."},
	{5, "sluStageActed", MIB_COUNTER, "acted", .units = "events",
		.description = "How often it acted: flows passed by a bypass rule, matches of signature filters."},
};

const char *const mib_report_names[MIB_REPORT_N] = {
	[MIB_STATUS] = "status",
	[MIB_SERVERS] = "servers",
	[MIB_SESSIONS] = "sessions",
	[MIB_CERTIFICATES] = "certificates",
	[MIB_GRAPH] = "graph",
	[MIB_TARGETS] = "targets",
	[MIB_SEGMENTS] = "segments",
	[MIB_HEALTH] = "health",
	[MIB_RATES] = "rates",
	[MIB_PORTS] = "ports",
};

#define OBJECTS(array) .objects = (array), .n = ARRAY_SIZE(array)

const struct mib_table mib_tables[] = {
	{4, "sluServerTable", "sluServerEntry", "SluServerEntry", "The SSL servers of the configuration in force.",
		"An SSL server, with every counter that is kept per server.", MIB_SERVERS, "servers",
		OBJECTS(server_objects), .counters = true, .metric = "server"},
	{5, "sluSessionTable", "sluSessionEntry", "SluSessionEntry",
		"The 50 newest SSL sessions that are open, newest first. A session's place changes as others come and "
		"go: "
		"sluSessId tells sessions apart.",
		"An open session.", MIB_SESSIONS, "sessions", OBJECTS(session_objects)},
	{6, "sluWorkerTable", "sluWorkerEntry", "SluWorkerEntry", "The processes that inspect.", "A worker.",
		MIB_STATUS, "workers", OBJECTS(worker_objects), .metric = "worker"},
	{7, "sluCertificateTable", "sluCertificateEntry", "SluCertificateEntry", "The certificate store.",
		"A certificate whose private key is held.", MIB_CERTIFICATES, "certificates",
		OBJECTS(certificate_objects), .metric = "certificate"},
	{8, "sluGraphTable", "sluGraphEntry", "SluGraphEntry",
		"History of the three graphs by the minute, 24 hours, kept over restarts. Minutes in which no "
		"supervisor "
		"ran have no row; the running minute is added when it is over.",
		"One minute.", MIB_GRAPH, "graph", OBJECTS(graph_objects)},
	{9, "sluTargetTable", "sluTargetEntry", "SluTargetEntry", "The log targets of the configuration in force.",
		"A log target.", MIB_TARGETS, "targets", OBJECTS(target_objects), .metric = "log_target"},
	{10, "sluSegmentTable", "sluSegmentEntry", "SluSegmentEntry", "The segments: pairs of ports.", "A segment.",
		MIB_SEGMENTS, "segments", OBJECTS(segment_objects), .metric = "segment"},
	{11, "sluVirtualSegmentTable", "sluVirtualSegmentEntry", "SluVirtualSegmentEntry",
		"The virtual segments, in the order in which they are tried.", "A virtual segment.", MIB_SEGMENTS,
		"virtual_segments", OBJECTS(virtual_segment_objects)},
	{12, "sluHealthTable", "sluHealthEntry", "SluHealthEntry",
		"What the machine offers, found at the start of the supervisor.", "One thing that was looked at.",
		MIB_HEALTH, "checks", OBJECTS(health_objects), .metric = "health"},
	{13, "sluRateTable", "sluRateEntry", "SluRateEntry",
		"How often the important things happen now. All counters are in this module: this table is for "
		"managers "
		"that take no differences.",
		"A counter's rate.", MIB_RATES, "rates", OBJECTS(rate_objects)},
	{14, "sluNotificationTable", "sluNotificationEntry", "SluNotificationEntry",
		"Which notifications are sent. The configuration says so; this table is read-only as all others.",
		"A notification.", MIB_STATUS, "notifications", OBJECTS(notification_objects)},
	{15, "sluPortTable", "sluPortEntry", "SluPortEntry", "The ports of the segments, two of each.", "A port.",
		MIB_PORTS, "ports", OBJECTS(port_objects), .metric = "port"},
	{16, "sluStageTable", "sluStageEntry", "SluStageEntry",
		"The stages of filters, in the order in which they act.", "A stage.", MIB_STATUS, "stages",
		OBJECTS(stage_objects), .metric = "stage"},
};
const size_t mib_n_tables = ARRAY_SIZE(mib_tables);

/* --- notifications -------------------------------------------------------------------------------------------------
 */

const struct mib_object mib_notify_hits = {1, "sluNotifyHits", MIB_NUMBER, .units = "events",
	.description =
		"Changes or events of this kind since the last notification of it that this one tells of. More rows of "
		"a table than notifications mean that the others are only counted."};

const struct mib_notification mib_notifications[NOTIFY_N] = {
	[NOTIFY_INSPECTION] = {"sluNotifyInspection", "inspection",
		{{MIB_DEVICE, 6}, {MIB_DEVICE, 5}, {MIB_DEVICE, 21}},
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
	[NOTIFY_SESSIONS] = {"sluNotifySessions", "sessions", {{MIB_DEVICE, 8}, {MIB_DEVICE, 9}, {MIB_DEVICE, 19}},
		"The number of open sessions reached the warning or critical threshold, or fell below it again."},
	[NOTIFY_CONFIGURATION] = {"sluNotifyConfiguration", "configuration", {{MIB_DEVICE, 13}, {MIB_DEVICE, 14}},
		"A configuration was rejected; the one in force is unchanged."},
	[NOTIFY_BLOCK] = {"sluNotifyBlock", "block", {{MIB_COUNTERS, COUNTER_SESSIONS_BLOCKED}},
		"Sessions were ended by a signature filter: at most one notification a second, sluNotifyHits says how "
		"many sessions. Which ones is in the Block log."},
	[NOTIFY_FALLBACK] = {"sluNotifyFallback", "fallback", {{10, 6}, {10, 7}},
		"A segment entered or left layer-2 fallback, or its cause changed."},
	[NOTIFY_PORT] = {"sluNotifyPort", "port", {{15, 4}, {15, 2}, {15, 3}},
		"The link of a port came up or went down, or the port is missing."},
};

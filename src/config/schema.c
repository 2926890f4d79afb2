/* SPDX-License-Identifier: Apache-2.0 */
#include "config/schema.h"

#include <string.h>

#include "base/common.h"
#include "config/config.h"
#include "events/event.h"
#include "stats/stats.h"

/* Two generations of workers share the slots while sessions move from one to the next. */
#define SCHEMA_WORKERS_MAX (STATS_WORKERS_MAX / 2)

_Static_assert(sizeof(enum config_service) == sizeof(unsigned int), "words are stored as unsigned int");
_Static_assert(offsetof(struct config_ssl_server, protocol_max) ==
		       offsetof(struct config_ssl_server, protocol_min) + sizeof(uint16_t),
	"the protocol range is stored as two neighbours");

static const struct schema_word unavailable_words[] = {
	{"bypass", CONFIG_UNAVAILABLE_BYPASS},
	{"block", CONFIG_UNAVAILABLE_BLOCK},
	{NULL, 0},
};
static const struct schema_word key_unavailable_words[] = {
	{"same", CONFIG_KEY_SAME},
	{"bypass", CONFIG_KEY_BYPASS},
	{"block", CONFIG_KEY_BLOCK},
	{NULL, 0},
};
static const struct schema_word undecryptable_words[] = {
	{"block", CONFIG_UNDECRYPTABLE_BLOCK},
	{"reset", CONFIG_UNDECRYPTABLE_RESET},
	{"bypass", CONFIG_UNDECRYPTABLE_BYPASS},
	{"bypass_and_remember", CONFIG_UNDECRYPTABLE_REMEMBER},
	{NULL, 0},
};
static const struct schema_word drift_words[] = {
	{"pin", CONFIG_DRIFT_PIN},
	{"verify", CONFIG_DRIFT_VERIFY},
	{"ignore", CONFIG_DRIFT_IGNORE},
	{NULL, 0},
};
const struct schema_word schema_key_exchange_words[] = {
	{"ecdhe", CONFIG_KEY_EXCHANGE_ECDHE},
	{"rsa", CONFIG_KEY_EXCHANGE_RSA},
	{NULL, 0},
};
const struct schema_word schema_bulk_words[] = {
	{"aes256", CONFIG_BULK_AES256},
	{"aes128", CONFIG_BULK_AES128},
	{"chacha20", CONFIG_BULK_CHACHA20},
	{"3des", CONFIG_BULK_3DES},
	{"des", CONFIG_BULK_DES},
	{NULL, 0},
};
const struct schema_word schema_mac_words[] = {
	{"sha1", CONFIG_MAC_SHA1},
	{"sha256", CONFIG_MAC_SHA256},
	{"sha384", CONFIG_MAC_SHA384},
	{NULL, 0},
};
static const struct schema_word quic_words[] = {
	{"block", CONFIG_QUIC_BLOCK},
	{"forward", CONFIG_QUIC_FORWARD},
	{NULL, 0},
};
static const struct schema_word direction_words[] = {
	{"a_to_b", CONFIG_DIRECTION_A_TO_B},
	{"b_to_a", CONFIG_DIRECTION_B_TO_A},
	{"both", CONFIG_DIRECTION_BOTH},
	{NULL, 0},
};
static const struct schema_word ip_protocol_words[] = {
	{"any", 0},
	{"icmp", 1},
	{"tcp", 6},
	{"udp", 17},
	{NULL, 0},
};
static const struct schema_word side_words[] = {
	{"a_to_b", CONFIG_SIDE_A},
	{"b_to_a", CONFIG_SIDE_B},
	{NULL, 0},
};
const struct schema_word schema_log_protocol_words[] = {
	{"relp", CONFIG_LOG_RELP},
	{"relp_tls", CONFIG_LOG_RELP_TLS},
	{"syslog_tcp", CONFIG_LOG_SYSLOG_TCP},
	{"syslog_tls", CONFIG_LOG_SYSLOG_TLS},
	{NULL, 0},
};
const struct schema_word schema_log_format_words[] = {
	{"rfc5424_json", CONFIG_LOG_RFC5424_JSON},
	{"cef", CONFIG_LOG_CEF},
	{NULL, 0},
};
/* RFC 5424 section 6.2.1 */
static const struct schema_word severity_words[] = {
	{"error", 3},
	{"warning", 4},
	{"notice", 5},
	{"info", 6},
	{NULL, 0},
};
/* the classes of src/events/event_privacy.def; the first, of what is always sent, is no choice */
static const struct schema_word privacy_words[] = {
	{"addresses", EVENT_PRIVACY_ADDRESS},
	{"macs", EVENT_PRIVACY_MAC},
	{"uris", EVENT_PRIVACY_URI},
	{"xff", EVENT_PRIVACY_XFF},
	{"excerpts", EVENT_PRIVACY_EXCERPT},
	{"users", EVENT_PRIVACY_USER},
	{"texts", EVENT_PRIVACY_TEXT},
	{NULL, 0},
};
_Static_assert(ARRAY_SIZE(privacy_words) == EVENT_PRIVACY_N, "every class but none has its word");
/* as mib_notifications (mib/mib.c) has them: a test compares the two */
const struct schema_word schema_notification_words[] = {
	{"inspection", 0},
	{"key_keeper", 1},
	{"server_key", 2},
	{"log_target", 3},
	{"certificate", 4},
	{"drift", 5},
	{"sessions", 6},
	{"configuration", 7},
	{"block", 8},
	{"fallback", 9},
	{"port", 10},
	{NULL, 0},
};
const struct schema_word schema_service_words[] = {
	{"http", CONFIG_SERVICE_HTTP},
	{"imap", CONFIG_SERVICE_IMAP},
	{"pop3", CONFIG_SERVICE_POP3},
	{"smtp", CONFIG_SERVICE_SMTP},
	{"other", CONFIG_SERVICE_OTHER},
	{"any", CONFIG_SERVICE_ANY},
	{NULL, 0},
};
/* ssl3.0 can be selected and has no effect (D2) */
const struct schema_word schema_protocol_words[] = {
	{"ssl3.0", 0x0300},
	{"tls1.0", 0x0301},
	{"tls1.1", 0x0302},
	{"tls1.2", 0x0303},
	{"tls1.3", 0x0304},
	{NULL, 0},
};

static const struct schema_word action_words[] = {
	{"permit", CONFIG_ACTION_PERMIT},
	{"trust", CONFIG_ACTION_TRUST},
	{"block", CONFIG_ACTION_BLOCK},
	{NULL, 0},
};
static const struct schema_refusal action_refused[] = {
	{"rate_limit", "this version limits no rates of decrypted sessions, use block or permit"},
	{"quarantine", "this version's signature filters quarantine no host, use block"},
	{NULL, NULL},
};
static const struct schema_word exception_words[] = {
	{"bypass", CONFIG_EXCEPTION_BYPASS},
	{"block", CONFIG_EXCEPTION_BLOCK},
	{"reset", CONFIG_EXCEPTION_RESET},
	{NULL, 0},
};
static const struct schema_word reset_words[] = {
	{"none", CONFIG_RESET_NONE},
	{"client", CONFIG_RESET_CLIENT},
	{"server", CONFIG_RESET_SERVER},
	{"both", CONFIG_RESET_BOTH},
	{NULL, 0},
};
static const struct schema_word notify_words[] = {
	{"log", CONFIG_NOTIFY_LOG},
	{NULL, 0},
};
static const struct schema_refusal notify_refused[] = {
	{"trap", "this version's action sets send no traps, use log"},
	{"syslog", "use log: its records go to the servers of log_targets too"},
	{"packet_trace", "this version's action sets trace no packets, use log"},
	{NULL, NULL},
};

#define LIST_OF(field) .list = {offsetof(struct config, field), offsetof(struct config, n_##field)}
#define OBJECT(type) .size = sizeof(struct type), .line_offset = offsetof(struct type, line)

const struct schema_section_info schema_sections[SCHEMA_SECTION_N] = {
	[SCHEMA_ROOT] = {.noun = "configuration", .heading = "", .help = "The sections of a configuration."},
	[SCHEMA_DEVICE] = {.noun = "device", .heading = "device", .help = "The appliance itself."},
	[SCHEMA_LIMITS] = {.noun = "limits",
		.heading = "limits",
		.help = "Bounds of every session and of all together."},
	[SCHEMA_EXCEPTION_POLICIES] = {.noun = "exception policies",
		.heading = "exception_policies",
		.help = "What is done with a decrypted session when a limit keeps it from being inspected as its "
			"filters "
			"mean it. bypass: it goes on, and what can be inspected is; block: it ends without a reset; "
			"reset: it ends with one on both sides. The first five act only where a filter that blocks "
			"might "
			"have been missed. Each has a counter inspect_NAME. Not in profiles with monitor_only."},
	[SCHEMA_SEGMENT] = {.noun = "segment",
		.plural = "segments",
		.heading = "segments[]",
		OBJECT(config_segment),
		LIST_OF(segments),
		.help = "A pair of Ethernet ports that Sluice joins as a cable would."},
	[SCHEMA_SSL_SERVER] = {.noun = "SSL server",
		.plural = "SSL servers",
		.heading = "ssl_servers[]",
		OBJECT(config_ssl_server),
		.id_offset = offsetof(struct config_ssl_server, id),
		LIST_OF(ssl_servers),
		.help = "A server whose certificate and private key Sluice holds."},
	[SCHEMA_ACTION_SET] = {.noun = "action set",
		.plural = "action sets",
		.heading = "action_sets[]",
		OBJECT(config_action_set),
		LIST_OF(action_sets),
		.help = "What is done when a signature filter matches. Without one a filter's own action holds: alert "
			"permits and logs, drop blocks and logs, reject and its kin reset as well (docs/filters.md)."},
	[SCHEMA_PROFILE] = {.noun = "profile",
		.plural = "profiles",
		.heading = "profiles[]",
		OBJECT(config_profile),
		.id_offset = offsetof(struct config_profile, id),
		LIST_OF(profiles),
		.inherits = true,
		.help = "An inspection profile: what is decrypted and which filters act on it. With `parent`, every "
			"key "
			"that is not given here is the parent's; filter packages, filter categories, filter overrides "
			"and SSL policies are the parent's and then those given here, and one of the last three that "
			"is given here takes the place of the inherited one of the same name, as a whole."},
	[SCHEMA_FILTER_CATEGORY] = {.noun = "filter category",
		.plural = "filter categories",
		.heading = "profiles[].filter_categories[]",
		OBJECT(config_filter_category),
		.help = "What this profile makes of the filters of one category (their classtype)."},
	[SCHEMA_FILTER_OVERRIDE] = {.noun = "filter override",
		.plural = "filter overrides",
		.heading = "profiles[].filter_overrides[]",
		OBJECT(config_filter_override),
		.help = "What this profile makes of one filter, whatever is said of its category."},
	[SCHEMA_SSL_POLICY] = {.noun = "SSL policy",
		.plural = "SSL policies",
		.heading = "profiles[].ssl_policies[]",
		OBJECT(config_ssl_policy),
		.id_offset = offsetof(struct config_ssl_policy, id),
		.origin_offset = offsetof(struct config_ssl_policy, origin),
		.help = "Selects an SSL server for inspection in this profile, with the clients that are excepted."},
	[SCHEMA_VIRTUAL_SEGMENT] = {.noun = "virtual segment",
		.plural = "virtual segments",
		.heading = "virtual_segments[]",
		OBJECT(config_virtual_segment),
		.id_offset = offsetof(struct config_virtual_segment, id),
		LIST_OF(virtual_segments),
		.help = "Assigns a profile to traffic. Matched in the order of the list; the first match wins. "
			"The SSL policy belongs on the virtual segment that receives the client's request."},
	[SCHEMA_RULE_VARIABLE] = {.noun = "rule variable",
		.plural = "rule variables",
		.heading = "rule_variables[]",
		OBJECT(config_rule_variable),
		LIST_OF(rule_variables),
		.help = "What $NAME stands for in the heads of filters (docs/filters.md). An address variable without "
			"a value stands for any address, $HTTP_PORTS and the like for their usual ports."},
	[SCHEMA_BYPASS_RULE] = {.noun = "bypass rule",
		.plural = "bypass rules",
		.heading = "bypass_rules[]",
		OBJECT(config_bypass_rule),
		LIST_OF(bypass_rules),
		.help = "Inspection bypass: connections that all of its keys fit pass as on a cable, both directions "
			"of "
			"them, before anything else is looked at. It acts in the kernel with the commit; a session "
			"that is "
			"open already stays decrypted, and is inspected no longer."},
	[SCHEMA_LOG_TARGET] = {.noun = "log target",
		.plural = "log targets",
		.heading = "log_targets[]",
		OBJECT(config_log_target),
		LIST_OF(log_targets),
		.help = "A central log server (docs/logging.md). Records wait in the spool until it has received "
			"them."},
	[SCHEMA_SNMP] = {.noun = "snmp", .heading = "snmp", .help = "SNMP through snmpd (docs/monitoring.md)."},
};

#define IN(type, field) .offset = offsetof(struct type, field)
#define COUNTED_IN(type, field) .offset = offsetof(struct type, field), .count_offset = offsetof(struct type, n_##field)

const struct schema_row schema_rows[] = {
	{SCHEMA_ROOT, "device", SCHEMA_TYPE_KEYS, .required = true, .target = SCHEMA_DEVICE,
		.help = "the appliance itself"},
	{SCHEMA_ROOT, "limits", SCHEMA_TYPE_KEYS, .target = SCHEMA_LIMITS, .help = "bounds and timeouts"},
	{SCHEMA_ROOT, "exception_policies", SCHEMA_TYPE_KEYS, .target = SCHEMA_EXCEPTION_POLICIES,
		.help = "what is done at the limits of inspection"},
	{SCHEMA_ROOT, "segments", SCHEMA_TYPE_OBJECTS, .target = SCHEMA_SEGMENT, .max = 64,
		COUNTED_IN(config, segments), .help = "pairs of ports"},
	{SCHEMA_ROOT, "ssl_servers", SCHEMA_TYPE_OBJECTS, .target = SCHEMA_SSL_SERVER, .max = STATS_SERVERS_MAX,
		COUNTED_IN(config, ssl_servers), .help = "servers whose traffic can be decrypted"},
	{SCHEMA_ROOT, "action_sets", SCHEMA_TYPE_OBJECTS, .target = SCHEMA_ACTION_SET, .max = 256,
		COUNTED_IN(config, action_sets), .help = "what is done when a filter matches"},
	{SCHEMA_ROOT, "profiles", SCHEMA_TYPE_OBJECTS, .target = SCHEMA_PROFILE, .max = 256,
		COUNTED_IN(config, profiles), .help = "inspection profiles"},
	{SCHEMA_ROOT, "virtual_segments", SCHEMA_TYPE_OBJECTS, .target = SCHEMA_VIRTUAL_SEGMENT, .max = 1024,
		COUNTED_IN(config, virtual_segments), .help = "which traffic has which profile"},
	{SCHEMA_ROOT, "rule_variables", SCHEMA_TYPE_OBJECTS, .target = SCHEMA_RULE_VARIABLE, .max = 256,
		COUNTED_IN(config, rule_variables), .help = "$HOME_NET and the like in filter packages"},
	{SCHEMA_ROOT, "bypass_rules", SCHEMA_TYPE_OBJECTS, .target = SCHEMA_BYPASS_RULE, .max = 65536,
		COUNTED_IN(config, bypass_rules), .help = "connections that are not inspected"},
	{SCHEMA_ROOT, "log_targets", SCHEMA_TYPE_OBJECTS, .target = SCHEMA_LOG_TARGET, .max = CONFIG_LOG_TARGETS_MAX,
		COUNTED_IN(config, log_targets), .help = "central log servers, each of which receives every record"},
	{SCHEMA_ROOT, "snmp", SCHEMA_TYPE_KEYS, .target = SCHEMA_SNMP, .help = "the SNMP sub-agent"},

	{SCHEMA_DEVICE, "name", SCHEMA_TYPE_NAME, .required = true, IN(config, device_name), .example = "sluice-1",
		.help = "name of the appliance in logs and counters"},
	{SCHEMA_DEVICE, "workers", SCHEMA_TYPE_NUMBER, IN(config, workers), .max = SCHEMA_WORKERS_MAX,
		.unit = "processes", .default_text = "0", .example = "2",
		.help = "processes that inspect; 0 starts one per core"},
	{SCHEMA_DEVICE, "ssl_inspection", SCHEMA_TYPE_SWITCH, IN(config, ssl_inspection), .default_text = "on",
		.example = "on", .help = "off: no worker runs and all traffic is forwarded"},
	{SCHEMA_DEVICE, "persist_private_keys", SCHEMA_TYPE_SWITCH, IN(config, persist_private_keys),
		.default_text = "on", .example = "on",
		.help = "off: private keys are in memory only and gone after a restart: import them again, or name a "
			"key provider"},
	{SCHEMA_DEVICE, "key_provider_socket", SCHEMA_TYPE_PATH, IN(config, key_provider_socket),
		.example = "/run/sluice-keys.socket",
		.help = "Unix socket of a key provider (docs/key-provider.md), asked for private keys that are not in "
			"the keystore"},
	{SCHEMA_DEVICE, "tpm_device", SCHEMA_TYPE_PATH, IN(config, tpm_device), .default_text = "/dev/tpmrm0",
		.example = "/dev/tpmrm0",
		.help = "the TPM 2.0 that seals the device key (sluice keystore protect tpm): a device, or the Unix "
			"socket of a software TPM"},
	{SCHEMA_DEVICE, "enterprise_number", SCHEMA_TYPE_NUMBER, IN(config, enterprise_number), .min = 1,
		.max = 4294967295, .unit = "", .default_text = "32473", .example = "32473",
		.help = "private enterprise number in the structured data of log messages, sluice@NUMBER (RFC 5424 "
			"section "
			"7.2.2); the default is for documentation (RFC 5612)"},
	{SCHEMA_DEVICE, "certificate_warning_days", SCHEMA_TYPE_DAYS, IN(config, certificate_warning_days), .max = 8,
		.example = "[60, 30, 7, 1]",
		.help = "a warning so many days before a certificate expires; without it 60, 30, 7 and 1; in "
			"proportion "
			"less for certificates that are made for less than a year"},

	{SCHEMA_LIMITS, "max_sessions", SCHEMA_TYPE_NUMBER, IN(config, limits.max_sessions), .min = 1, .max = 1000000,
		.unit = "sessions", .default_text = "100000", .example = "100000",
		.help = "maximum of concurrent SSL sessions of the device"},
	{SCHEMA_LIMITS, "warning_threshold_percent", SCHEMA_TYPE_NUMBER, IN(config, limits.warning_threshold_percent),
		.min = 6, .max = 100, .unit = "percent", .default_text = "80", .example = "80",
		.help = "of max_sessions: from there on a warning in the System log, until 5 points below"},
	{SCHEMA_LIMITS, "critical_threshold_percent", SCHEMA_TYPE_NUMBER, IN(config, limits.critical_threshold_percent),
		.min = 6, .max = 100, .unit = "percent", .default_text = "100", .example = "100",
		.help = "of max_sessions: from there on, until 5 points below, when_max_sessions applies"},
	{SCHEMA_LIMITS, "when_max_sessions", SCHEMA_TYPE_WORD, IN(config, limits.when_max_sessions),
		.words = unavailable_words, .default_text = "bypass", .example = "bypass",
		.help = "new sessions from the critical threshold on: bypass inspection, or are blocked"},
	{SCHEMA_LIMITS, "max_sessions_per_source", SCHEMA_TYPE_NUMBER, IN(config, limits.max_sessions_per_source),
		.max = 1000000, .unit = "sessions", .default_text = "0", .example = "2000",
		.help = "of one client address, so that no client alone brings about the critical threshold; 0: no "
			"limit"},
	{SCHEMA_LIMITS, "when_max_sessions_per_source", SCHEMA_TYPE_WORD,
		IN(config, limits.when_max_sessions_per_source), .words = unavailable_words, .default_text = "block",
		.example = "block",
		.help = "further sessions of that client; with bypass a client escapes inspection by opening many"},
	{SCHEMA_LIMITS, "memory_reserve_megabytes", SCHEMA_TYPE_NUMBER, IN(config, limits.memory_reserve_megabytes),
		.max = 1048576, .unit = "megabytes", .default_text = "32", .example = "64",
		.help = "with less of the machine's memory available, all segments are in layer-2 fallback until there "
			"is a quarter more; 0: never"},
	{SCHEMA_LIMITS, "client_hello_timeout_seconds", SCHEMA_TYPE_NUMBER,
		IN(config, limits.client_hello_timeout_seconds), .min = 1, .max = 300, .unit = "seconds",
		.default_text = "10", .example = "10",
		.help = "a client that has not sent its whole ClientHello by then is dropped"},
	{SCHEMA_LIMITS, "handshake_timeout_seconds", SCHEMA_TYPE_NUMBER, IN(config, limits.handshake_timeout_seconds),
		.min = 1, .max = 300, .unit = "seconds", .default_text = "10", .example = "10",
		.help = "for the connection to the server and for each of the two handshakes"},
	{SCHEMA_LIMITS, "idle_timeout_seconds", SCHEMA_TYPE_NUMBER, IN(config, limits.idle_timeout_seconds), .min = 10,
		.max = 86400, .unit = "seconds", .default_text = "300", .example = "300",
		.help = "a session without a byte in either direction for so long is reset"},
	{SCHEMA_LIMITS, "drain_timeout_seconds", SCHEMA_TYPE_NUMBER, IN(config, limits.drain_timeout_seconds), .min = 1,
		.max = 3600, .unit = "seconds", .default_text = "30", .example = "30",
		.help = "after one side has closed, the other must close by then; so long a last alert waits behind "
			"data"},
	{SCHEMA_LIMITS, "ticket_key_seconds", SCHEMA_TYPE_NUMBER, IN(config, limits.ticket_key_seconds), .min = 1,
		.max = 604800, .unit = "seconds", .default_text = "14400", .example = "14400",
		.help = "the key that seals session tickets is renewed so often; the one before opens tickets for as "
			"long again"},
	{SCHEMA_LIMITS, "request_body_hold_bytes", SCHEMA_TYPE_NUMBER, IN(config, limits.request_body_hold_bytes),
		.min = 0, .max = 16777216, .unit = "bytes", .default_text = "65536", .example = "65536",
		.help = "a request body is held back until its verdict up to this size"},
	{SCHEMA_LIMITS, "log_spool_megabytes", SCHEMA_TYPE_NUMBER, IN(config, limits.log_spool_megabytes), .min = 32,
		.max = 1048576, .unit = "megabytes", .default_text = "1024", .example = "1024",
		.help = "of log records that wait for a log target on disk; beyond it the oldest are dropped and "
			"counted"},
	{SCHEMA_LIMITS, "log_spool_hours", SCHEMA_TYPE_NUMBER, IN(config, limits.log_spool_hours), .min = 1,
		.max = 8760, .unit = "hours", .default_text = "168", .example = "168",
		.help = "log records that wait for a log target longer are dropped and counted"},
	{SCHEMA_LIMITS, "log_megabytes", SCHEMA_TYPE_NUMBER, IN(config, limits.log_megabytes), .min = 5, .max = 1000000,
		.unit = "MB", .default_text = "320", .example = "320",
		.help = "size of each log's local files; the oldest fifth goes when there is more"},
	{SCHEMA_LIMITS, "log_days", SCHEMA_TYPE_NUMBER, IN(config, limits.log_days), .min = 1, .max = 3650,
		.unit = "days", .default_text = "90", .example = "90",
		.help = "age at which records leave the local files, at most a fifth later"},
	{SCHEMA_LIMITS, "log_aggregation_seconds", SCHEMA_TYPE_NUMBER, IN(config, limits.log_aggregation_seconds),
		.max = 3600, .unit = "seconds", .default_text = "0", .example = "60",
		.help = "repeated matches of one filter with the same action, client, server and port within so long "
			"become one Block or "
			"Alert record with their number in hits, after the first, which is written at once; 0: every "
			"match has its "
			"record"},

#define EXCEPTION(key, id, text)                                                                          \
	{SCHEMA_EXCEPTION_POLICIES, key, SCHEMA_TYPE_WORD, IN(config, exceptions[CONFIG_EXCEPTION_##id]), \
		.words = exception_words, .default_text = "bypass", .example = "bypass", .help = text}
	EXCEPTION("confirm_limit", CONFIRM_LIMIT, "a filter's evaluation would cost too much"),
	EXCEPTION("matches_dropped", MATCHES_DROPPED, "more filters match at one point than can be recorded"),
	EXCEPTION("decode_limit", DECODE_LIMIT, "a body shows the signs of a decompression bomb"),
	EXCEPTION("decode_failed", DECODE_FAILED, "a body's content coding is broken or not known"),
	EXCEPTION("engine_failed", ENGINE_FAILED, "memory is short, or the engine fails"),
	EXCEPTION("http_anomaly", HTTP_ANOMALY,
		"what should be HTTP/1 is not, or is beyond its bounds (a head of 64 KB, 256 fields, 64 requests under "
		"way)"),
	EXCEPTION("http_smuggling", HTTP_SMUGGLING,
		"two readers could see the end of an HTTP message in different places (both lengths, a broken chunk, "
		"...)"),
	EXCEPTION("mail_starttls", MAIL_STARTTLS,
		"inside TLS, a client of imap, pop3 or smtp asks for TLS (STARTTLS, STLS): what follows cannot be "
		"read"),
	EXCEPTION("websocket_anomaly", WEBSOCKET_ANOMALY,
		"a WebSocket has a frame that RFC 6455 forbids: what follows is inspected as raw bytes"),
#undef EXCEPTION

	{SCHEMA_SEGMENT, "name", SCHEMA_TYPE_NAME, .required = true, IN(config_segment, name), .example = "dmz",
		.help = "unique name"},
	{SCHEMA_SEGMENT, "port_a", SCHEMA_TYPE_INTERFACE, .required = true, IN(config_segment, port[CONFIG_SIDE_A]),
		.example = "ens4", .help = "network interface of port A"},
	{SCHEMA_SEGMENT, "port_b", SCHEMA_TYPE_INTERFACE, .required = true, IN(config_segment, port[CONFIG_SIDE_B]),
		.example = "ens5", .help = "network interface of port B"},
	{SCHEMA_SEGMENT, "link_propagation", SCHEMA_TYPE_SWITCH, IN(config_segment, link_propagation),
		.default_text = "on", .example = "on",
		.help = "on: while one port has no link the other is taken down too, so that routers and bonds on both "
			"sides notice; it comes back with the link. off: each port's link is its own"},
	{SCHEMA_SEGMENT, "when_down", SCHEMA_TYPE_WORD, IN(config_segment, when_down), .words = unavailable_words,
		.default_text = "bypass", .example = "bypass",
		.help = "frames while inspection is down, where no SSL server's own choice applies"},

	{SCHEMA_SSL_SERVER, "name", SCHEMA_TYPE_NAME, .required = true, IN(config_ssl_server, name), .example = "web",
		.help = "unique name"},
	{SCHEMA_SSL_SERVER, "destinations", SCHEMA_TYPE_CIDRS, .required = true, IN(config_ssl_server, destinations),
		.min = 1, .max = 256, .example = "[10.9.0.2, 10.9.1.0/24]",
		.help = "the server's addresses and networks"},
	{SCHEMA_SSL_SERVER, "detection_ports", SCHEMA_TYPE_PORTS, .required = true,
		IN(config_ssl_server, detection_ports), .min = 1, .max = 64, .example = "[443, 8443-8450]",
		.help = "TCP ports on which the server speaks TLS"},
	{SCHEMA_SSL_SERVER, "certificates", SCHEMA_TYPE_NAMES, .required = true, IN(config_ssl_server, certificates),
		.min = 1, .max = 16, .example = "[web-rsa]",
		.help = "names in the certificate store, chosen by SNI; the first is for clients without a matching "
			"one"},
	{SCHEMA_SSL_SERVER, "decrypted_service", SCHEMA_TYPE_WORD, .required = true,
		IN(config_ssl_server, decrypted_service), .words = schema_service_words, .example = "http",
		.help = "protocol inside TLS; other: no signature filter acts, any: generic filters only"},
	{SCHEMA_SSL_SERVER, "logging", SCHEMA_TYPE_SWITCH, IN(config_ssl_server, logging), .default_text = "off",
		.example = "on", .help = "write the SSL Inspection log for this server"},
	{SCHEMA_SSL_SERVER, "tcp_reset_to_server", SCHEMA_TYPE_SWITCH, IN(config_ssl_server, tcp_reset_to_server),
		.default_text = "off", .example = "off",
		.help = "send TCP reset to server for blocked sessions, whatever the action set says"},
	{SCHEMA_SSL_SERVER, "protocols", SCHEMA_TYPE_PROTOCOLS, IN(config_ssl_server, protocol_min), .min = 1, .max = 5,
		.words = schema_protocol_words, .default_text = "tls1.2, tls1.3", .example = "[tls1.2, tls1.3]",
		.help = "a range without gaps; ssl3.0 is accepted and has no effect in this version"},
	{SCHEMA_SSL_SERVER, "key_exchange", SCHEMA_TYPE_WORDS, IN(config_ssl_server, key_exchange), .min = 1, .max = 2,
		.words = schema_key_exchange_words, .example = "[ecdhe, rsa]",
		.help = "key exchange up to TLS 1.2; not given: all. Where two certificates are held, their keys "
			"decide between RSA and ECDSA"},
	{SCHEMA_SSL_SERVER, "bulk", SCHEMA_TYPE_WORDS, IN(config_ssl_server, bulk), .min = 1, .max = 5,
		.words = schema_bulk_words, .example = "[aes256, aes128, chacha20]",
		.help = "encryption algorithms; not given: all but 3des and des. This version's TLS engine lacks des"},
	{SCHEMA_SSL_SERVER, "mac", SCHEMA_TYPE_WORDS, IN(config_ssl_server, mac), .min = 1, .max = 3,
		.words = schema_mac_words, .example = "[sha1, sha256, sha384]",
		.help = "hash in the suite's name: sha1 is that of CBC suites, sha256 and sha384 those of AEAD "
			"suites; not given: all"},
	{SCHEMA_SSL_SERVER, "cipher_suites_disabled", SCHEMA_TYPE_NAMES, IN(config_ssl_server, cipher_suites_disabled),
		.max = 64, .example = "[AES128-SHA, TLS_RSA_WITH_3DES_EDE_CBC_SHA]",
		.help = "single suites to leave out, by IANA or OpenSSL name; sluice show ciphers lists them"},
	{SCHEMA_SSL_SERVER, "certificate_drift", SCHEMA_TYPE_WORD, IN(config_ssl_server, certificate_drift),
		.words = drift_words, .default_text = "pin", .example = "pin",
		.help = "pin: the server must present a certificate held here; verify: or one for the same name that a "
			"CA in the chain of a certificate held here has signed; ignore: any will do"},
#define UNDECRYPTABLE_OPTIONS
#define UNDECRYPTABLE(id, word, scope, alert, text)                                                            \
	{SCHEMA_SSL_SERVER, "undecryptable_" word, SCHEMA_TYPE_WORD,                                           \
		IN(config_ssl_server, undecryptable[CONFIG_UNDECRYPTABLE_##id]), .words = undecryptable_words, \
		.default_text = "block", .example = "block", .help = "what to do when " text},
#include "config/undecryptable.def"
#undef UNDECRYPTABLE
#undef UNDECRYPTABLE_OPTIONS
	{SCHEMA_SSL_SERVER, "bypass_seconds", SCHEMA_TYPE_NUMBER, IN(config_ssl_server, bypass_seconds), .min = 1,
		.max = 604800, .unit = "seconds", .default_text = "3600", .example = "3600",
		.help = "how long bypass_and_remember remembers; sluice show bypasses lists what is remembered"},
	{SCHEMA_SSL_SERVER, "max_sessions", SCHEMA_TYPE_NUMBER, IN(config_ssl_server, max_sessions), .max = 1000000,
		.unit = "sessions", .default_text = "0", .example = "20000",
		.help = "concurrent sessions of this server; 0: no limit of its own"},
	{SCHEMA_SSL_SERVER, "max_new_sessions_per_second", SCHEMA_TYPE_NUMBER,
		IN(config_ssl_server, max_new_sessions_per_second), .max = 1000000, .unit = "sessions",
		.default_text = "0", .example = "5000", .help = "new sessions of this server; 0: no limit"},
	{SCHEMA_SSL_SERVER, "when_limited", SCHEMA_TYPE_WORD, IN(config_ssl_server, when_limited),
		.words = unavailable_words, .default_text = "block", .example = "block",
		.help = "new sessions beyond max_sessions or max_new_sessions_per_second; with bypass who opens many "
			"escapes inspection"},
	{SCHEMA_SSL_SERVER, "when_unavailable", SCHEMA_TYPE_WORD, IN(config_ssl_server, when_unavailable),
		.words = unavailable_words, .default_text = "bypass", .example = "bypass",
		.help = "new sessions while no worker is live or the flow table is full"},
	{SCHEMA_SSL_SERVER, "when_crash_loop", SCHEMA_TYPE_WORD, IN(config_ssl_server, when_crash_loop),
		.words = unavailable_words, .default_text = "bypass", .example = "block",
		.help = "new sessions while no worker is live and workers have ended five times within a minute: block "
			"where whoever can crash a worker must not be able to switch inspection off"},
	{SCHEMA_SSL_SERVER, "when_key_unavailable", SCHEMA_TYPE_WORD, IN(config_ssl_server, when_key_unavailable),
		.words = key_unavailable_words, .default_text = "same", .example = "block",
		.help = "new sessions while a private key of the server cannot be used (keystore locked, key not yet "
			"fetched, "
			"key keeper down); same: as when_unavailable"},
	{SCHEMA_SSL_SERVER, "asymmetric_bypass_seconds", SCHEMA_TYPE_NUMBER,
		IN(config_ssl_server, asymmetric_bypass_seconds), .max = 65535, .unit = "seconds",
		.default_text = "600", .example = "600",
		.help = "where the server's answers reach clients on another way, new sessions to that address and "
			"port "
			"pass uninspected for so long since it was last seen; the System log tells. 0: they are not "
			"bypassed, and fail. Who can see the server's answers on another way can bring it about"},
	{SCHEMA_SSL_SERVER, "quic", SCHEMA_TYPE_WORD, IN(config_ssl_server, quic), .words = quic_words,
		.default_text = "block", .example = "block",
		.help = "QUIC (HTTP/3) to the destinations and detection ports, which cannot be decrypted; block: "
			"clients "
			"are told that there is none (ICMP port unreachable in the server's name) and use TCP; "
			"forward: it passes undecrypted, and is counted and logged. Other UDP passes in any case"},
	{SCHEMA_SSL_SERVER, "rekey_interval_seconds", SCHEMA_TYPE_NUMBER, IN(config_ssl_server, rekey_interval_seconds),
		.max = 86400, .unit = "seconds", .default_text = "0", .example = "0",
		.help = "interval at which the server renews keys, by renegotiation (TLS 1.2 and older) or key update "
			"(TLS 1.3): honoured, and counted when none comes within twice as long; 0: a renegotiation "
			"ends the session, key updates are honoured and not counted"},
	{SCHEMA_SSL_SERVER, "allow_compression", SCHEMA_TYPE_SWITCH, IN(config_ssl_server, allow_compression),
		.default_text = "off", .no_effect = "TLS compression is never negotiated",
		.help = "let TLS compression be negotiated"},

	{SCHEMA_ACTION_SET, "name", SCHEMA_TYPE_NAME, .required = true, IN(config_action_set, name),
		.example = "block-reset", .help = "unique name, shown in records"},
	{SCHEMA_ACTION_SET, "action", SCHEMA_TYPE_WORD, .required = true, IN(config_action_set, action),
		.words = action_words, .refused = action_refused, .example = "block",
		.help = "permit: the session goes on; trust: it goes on and is inspected no further; block: it ends, "
			"and the byte that completed the match is never sent"},
	{SCHEMA_ACTION_SET, "tcp_reset", SCHEMA_TYPE_WORD, IN(config_action_set, tcp_reset), .words = reset_words,
		.default_text = "none", .example = "both",
		.help = "which sides of a blocked session are reset; the others are closed without a close_notify. An "
			"SSL server's tcp_reset_to_server resets the server's side in any case"},
	{SCHEMA_ACTION_SET, "notify", SCHEMA_TYPE_WORDS, IN(config_action_set, notify), .max = 4, .words = notify_words,
		.refused = notify_refused, .default_text = "log", .example = "[log]",
		.help = "log: a record in the Block or Alert log and at the log targets; [] for none"},

	{SCHEMA_PROFILE, "name", SCHEMA_TYPE_NAME, .required = true, .own = true, IN(config_profile, name),
		.example = "default", .help = "unique name"},
	{SCHEMA_PROFILE, "parent", SCHEMA_TYPE_REFERENCE, .own = true, .target = SCHEMA_PROFILE,
		IN(config_profile, parent), .help = "profile from which this one inherits; at most 8 above each other"},
	{SCHEMA_PROFILE, "filter_packages", SCHEMA_TYPE_PATHS, .adds = true, IN(config_profile, filter_packages),
		.max = 64, .example = "[local.rules]",
		.help = "rule files, absolute or relative to the configuration file"},
	{SCHEMA_PROFILE, "inspect_server_response", SCHEMA_TYPE_SWITCH, IN(config_profile, inspect_server_response),
		.default_text = "on", .example = "on", .help = "off: only what clients send is inspected"},
	{SCHEMA_PROFILE, "monitor_only", SCHEMA_TYPE_SWITCH, IN(config_profile, monitor_only), .default_text = "off",
		.example = "off",
		.help = "on: no filter blocks; the Alert log says what would have been (configured_action block, "
			"action permit)"},
	{SCHEMA_PROFILE, "default_action_set", SCHEMA_TYPE_REFERENCE, .target = SCHEMA_ACTION_SET,
		IN(config_profile, default_action_set), .example = "block-reset",
		.help = "for filters of which nothing else is said; without it each filter's own action"},
	{SCHEMA_PROFILE, "filter_categories", SCHEMA_TYPE_OBJECTS, .adds = true, .target = SCHEMA_FILTER_CATEGORY,
		.max = 256, COUNTED_IN(config_profile, filter_categories), .help = "filters by category"},
	{SCHEMA_PROFILE, "filter_overrides", SCHEMA_TYPE_OBJECTS, .adds = true, .target = SCHEMA_FILTER_OVERRIDE,
		.max = 4096, COUNTED_IN(config_profile, filter_overrides), .help = "single filters"},
	{SCHEMA_PROFILE, "ssl_policies", SCHEMA_TYPE_OBJECTS, .adds = true, .target = SCHEMA_SSL_POLICY,
		.max = STATS_SERVERS_MAX, COUNTED_IN(config_profile, ssl_policies),
		.help = "which SSL servers are decrypted"},

	{SCHEMA_FILTER_CATEGORY, "category", SCHEMA_TYPE_NAME, .required = true, IN(config_filter_category, name),
		.example = "policy-violation", .help = "a classtype; none: filters without one"},
	{SCHEMA_FILTER_CATEGORY, "enabled", SCHEMA_TYPE_SWITCH, IN(config_filter_category, enabled),
		.default_text = "on", .example = "on", .help = "off: its filters do not act"},
	{SCHEMA_FILTER_CATEGORY, "action_set", SCHEMA_TYPE_REFERENCE, .target = SCHEMA_ACTION_SET,
		IN(config_filter_category, action_set), .example = "block-reset",
		.help = "of its filters; without it the profile's default"},

	{SCHEMA_FILTER_OVERRIDE, "filter", SCHEMA_TYPE_FILTER, .required = true, IN(config_filter_override, filter),
		.example = "2024001", .help = "the filter's number (sid)"},
	{SCHEMA_FILTER_OVERRIDE, "enabled", SCHEMA_TYPE_SWITCH, IN(config_filter_override, enabled),
		.default_text = "on", .example = "off",
		.help = "off: it does not act; on: it does, also where its category is off"},
	{SCHEMA_FILTER_OVERRIDE, "action_set", SCHEMA_TYPE_REFERENCE, .target = SCHEMA_ACTION_SET,
		IN(config_filter_override, action_set), .example = "block-reset",
		.help = "without it that of its category, or the profile's default"},

	{SCHEMA_SSL_POLICY, "name", SCHEMA_TYPE_NAME, .required = true, IN(config_ssl_policy, name),
		.example = "web-policy", .help = "name, unique in its profile"},
	{SCHEMA_SSL_POLICY, "ssl_server", SCHEMA_TYPE_REFERENCE, .required = true, .target = SCHEMA_SSL_SERVER,
		IN(config_ssl_policy, ssl_server), .example = "web", .help = "name of an SSL server"},
	{SCHEMA_SSL_POLICY, "source_address_exceptions", SCHEMA_TYPE_CIDRS,
		IN(config_ssl_policy, source_address_exceptions), .max = 1024, .example = "[10.9.0.99]",
		.help = "clients whose sessions pass undecrypted"},
	{SCHEMA_SSL_POLICY, "locked", SCHEMA_TYPE_SWITCH, IN(config_ssl_policy, locked), .default_text = "off",
		.example = "off",
		.help = "on: a commit or rollback that would change or remove it is refused without --override-locked, "
			"which the "
			"Audit log records; also where another profile inherits it"},

	{SCHEMA_VIRTUAL_SEGMENT, "name", SCHEMA_TYPE_NAME, .required = true, IN(config_virtual_segment, name),
		.example = "dmz-in", .help = "unique name"},
	{SCHEMA_VIRTUAL_SEGMENT, "segment", SCHEMA_TYPE_REFERENCE, .required = true, .target = SCHEMA_SEGMENT,
		IN(config_virtual_segment, segment), .example = "dmz", .help = "name of a segment"},
	{SCHEMA_VIRTUAL_SEGMENT, "direction", SCHEMA_TYPE_WORD, .required = true, IN(config_virtual_segment, direction),
		.words = side_words, .example = "a_to_b",
		.help = "the way of a connection's first packet, from the port it arrives on"},
	{SCHEMA_VIRTUAL_SEGMENT, "vlans", SCHEMA_TYPE_VLANS, IN(config_virtual_segment, vlans), .max = 256,
		.example = "[10, 20-30, untagged]", .help = "VLAN ids; none: any, also untagged"},
	{SCHEMA_VIRTUAL_SEGMENT, "sources", SCHEMA_TYPE_CIDRS, IN(config_virtual_segment, sources), .max = 1024,
		.example = "[]", .help = "addresses of clients; none: any"},
	{SCHEMA_VIRTUAL_SEGMENT, "destinations", SCHEMA_TYPE_CIDRS, IN(config_virtual_segment, destinations),
		.max = 1024, .example = "[]", .help = "addresses of servers; none: any"},
	{SCHEMA_VIRTUAL_SEGMENT, "profile", SCHEMA_TYPE_REFERENCE, .required = true, .target = SCHEMA_PROFILE,
		IN(config_virtual_segment, profile), .example = "default", .help = "name of a profile"},

	{SCHEMA_RULE_VARIABLE, "name", SCHEMA_TYPE_NAME, .required = true, IN(config_rule_variable, name),
		.example = "HOME_NET", .help = "unique name, without the $"},
	{SCHEMA_RULE_VARIABLE, "values", SCHEMA_TYPE_ITEMS, .required = true, IN(config_rule_variable, values),
		.min = 1, .max = 1024, .example = "[10.9.0.0/16, \"!10.9.7.0/24\"]",
		.help = "addresses and networks, or ports and ranges (8000:8099), or other variables; with ! excluded"},

	{SCHEMA_BYPASS_RULE, "name", SCHEMA_TYPE_NAME, .required = true, IN(config_bypass_rule, name),
		.example = "backup", .help = "unique name"},
	{SCHEMA_BYPASS_RULE, "segment", SCHEMA_TYPE_REFERENCE, .target = SCHEMA_SEGMENT,
		IN(config_bypass_rule, segment), .example = "dmz", .help = "name of a segment; without it any"},
	{SCHEMA_BYPASS_RULE, "direction", SCHEMA_TYPE_WORD, IN(config_bypass_rule, direction), .words = direction_words,
		.default_text = "both", .example = "a_to_b",
		.help = "the way of a connection's first packet; its answers pass in any case"},
	{SCHEMA_BYPASS_RULE, "protocol", SCHEMA_TYPE_WORD, IN(config_bypass_rule, protocol), .words = ip_protocol_words,
		.default_text = "any", .example = "tcp", .help = "IP protocol"},
	{SCHEMA_BYPASS_RULE, "sources", SCHEMA_TYPE_CIDRS, IN(config_bypass_rule, sources), .max = 1024,
		.example = "[10.9.0.0/24]", .help = "addresses of clients; none: any"},
	{SCHEMA_BYPASS_RULE, "destinations", SCHEMA_TYPE_CIDRS, IN(config_bypass_rule, destinations), .max = 1024,
		.example = "[10.9.0.2]", .help = "addresses of servers; none: any"},
	{SCHEMA_BYPASS_RULE, "ports", SCHEMA_TYPE_PORTS, IN(config_bypass_rule, ports), .max = 64, .example = "[8443]",
		.help = "ports of servers; none: any"},
	{SCHEMA_BYPASS_RULE, "vlans", SCHEMA_TYPE_VLANS, IN(config_bypass_rule, vlans), .max = 64,
		.example = "[10, 20-30, untagged]", .help = "VLAN ids; none: any, also untagged"},

	{SCHEMA_LOG_TARGET, "name", SCHEMA_TYPE_NAME, .required = true, IN(config_log_target, name), .example = "siem",
		.help = "unique name; another name begins with what the spool still holds"},
	{SCHEMA_LOG_TARGET, "host", SCHEMA_TYPE_HOST, .required = true, IN(config_log_target, host),
		.example = "logs.example.net", .help = "the log server's name or address"},
	{SCHEMA_LOG_TARGET, "standby_hosts", SCHEMA_TYPE_HOSTS, IN(config_log_target, standby_hosts), .max = 3,
		.example = "[logs2.example.net]",
		.help = "servers that stand in, in this order, where `host` cannot be reached; after a minute `host` "
			"is tried again. For a copy on every server name several targets"},
	{SCHEMA_LOG_TARGET, "port", SCHEMA_TYPE_NUMBER, .required = true, IN(config_log_target, port), .min = 1,
		.max = 65535, .unit = "", .example = "2514", .help = "TCP port"},
	{SCHEMA_LOG_TARGET, "protocol", SCHEMA_TYPE_WORD, IN(config_log_target, protocol),
		.words = schema_log_protocol_words, .default_text = "relp", .example = "relp_tls",
		.help = "`relp` RELP over TCP without encryption; `relp_tls` RELP over TLS; `syslog_tls` (RFC 5425) "
			"and "
			"`syslog_tcp` (RFC 6587) for receivers without RELP, which acknowledge nothing: what such a "
			"server "
			"held in memory when it died is lost"},
	{SCHEMA_LOG_TARGET, "credentials", SCHEMA_TYPE_NAME, IN(config_log_target, credentials), .example = "siem",
		.help = "what TLS needs, by the name under which `sluice log credentials import` brought it in: the CA "
			"of the server's certificate and, for mutual authentication, our certificate and key"},
	{SCHEMA_LOG_TARGET, "certificate_name", SCHEMA_TYPE_HOST, IN(config_log_target, certificate_name),
		.example = "logs.example.net",
		.help = "name that the server's certificate must have; without it that of the host connected to"},
	{SCHEMA_LOG_TARGET, "format", SCHEMA_TYPE_WORD, IN(config_log_target, format), .words = schema_log_format_words,
		.default_text = "rfc5424_json", .example = "rfc5424_json",
		.help = "body of the RFC 5424 messages: JSON in EVE's shape, or ArcSight's CEF"},
	{SCHEMA_LOG_TARGET, "logs", SCHEMA_TYPE_NAMES, IN(config_log_target, logs), .max = 16,
		.example = "[system, audit, ssl_inspection, block, alert]", .help = "which logs; none: all"},
	{SCHEMA_LOG_TARGET, "severity", SCHEMA_TYPE_WORD, IN(config_log_target, severity), .words = severity_words,
		.default_text = "info", .example = "info", .help = "records less urgent than this are not sent"},
	{SCHEMA_LOG_TARGET, "mask", SCHEMA_TYPE_WORDS, IN(config_log_target, mask), .max = 7, .words = privacy_words,
		.example = "[addresses, uris]",
		.help = "classes of fields of which part is sent (docs/log-fields.md says which part)"},
	{SCHEMA_LOG_TARGET, "omit", SCHEMA_TYPE_WORDS, IN(config_log_target, omit), .max = 7, .words = privacy_words,
		.example = "[macs, excerpts]", .help = "classes of fields that are not sent"},
	{SCHEMA_SNMP, "agentx_socket", SCHEMA_TYPE_PATH, IN(config, agentx_socket), .example = "/var/agentx/master",
		.help = "absolute path of snmpd's AgentX socket; without it no sub-agent runs"},
	{SCHEMA_SNMP, "notifications_off", SCHEMA_TYPE_WORDS, IN(config, notifications_off), .max = 11,
		.words = schema_notification_words, .example = "[block, drift]",
		.help = "notifications that are not sent; none: all are (docs/monitoring.md)"},
	{SCHEMA_SNMP, "notification_interval_seconds", SCHEMA_TYPE_NUMBER, IN(config, notification_interval_seconds),
		.min = 1, .max = 3600, .unit = "seconds", .default_text = "1", .example = "60",
		.help = "least time between two notifications of one kind; what happens meanwhile is told together, "
			"with "
			"a number of hits"},
};
const size_t schema_n_rows = ARRAY_SIZE(schema_rows);

const char *schema_word_name(const struct schema_word *words, int value)
{
	for (; words->name; words++)
		if (words->value == value)
			return words->name;
	return NULL;
}

const struct schema_row *schema_next(enum schema_section section, const struct schema_row *row)
{
	for (row = row ? row + 1 : schema_rows; row < schema_rows + schema_n_rows; row++)
		if (row->section == section)
			return row;
	return NULL;
}

static void schema_free_strings(struct config_strings *strings)
{
	for (size_t i = 0; i < strings->n; i++)
		free(strings->items[i]);
	free(strings->items);
}

static void schema_free_objects(const struct schema_row *row, void *parent)
{
	char *items = *(char **)((char *)parent + row->offset);
	size_t n = *(size_t *)((char *)parent + row->count_offset);

	for (size_t i = 0; i < n; i++)
		schema_free_object(row->target, items + i * schema_sections[row->target].size);
	free(items);
}

static void schema_free_field(const struct schema_row *row, void *object)
{
	void *field = (char *)object + row->offset;

	switch (row->type) {
	case SCHEMA_TYPE_NAME:
	case SCHEMA_TYPE_INTERFACE:
	case SCHEMA_TYPE_PATH:
	case SCHEMA_TYPE_FILTER:
	case SCHEMA_TYPE_HOST:
		free(*(char **)field);
		break;
	case SCHEMA_TYPE_CIDRS:
		free(((struct config_cidrs *)field)->items);
		break;
	case SCHEMA_TYPE_PORTS:
	case SCHEMA_TYPE_VLANS:
	case SCHEMA_TYPE_DAYS:
		free(((struct config_ranges *)field)->items);
		break;
	case SCHEMA_TYPE_NAMES:
	case SCHEMA_TYPE_PATHS:
	case SCHEMA_TYPE_HOSTS:
	case SCHEMA_TYPE_ITEMS:
		schema_free_strings(field);
		break;
	case SCHEMA_TYPE_OBJECTS:
		schema_free_objects(row, object);
		break;
	case SCHEMA_TYPE_KEYS: /* sections of keys name their fields from struct config */
		schema_free_object(row->target, object);
		break;
	default:
		break;
	}
}

void schema_free_object(enum schema_section section, void *object)
{
	for (const struct schema_row *row = NULL; (row = schema_next(section, row));)
		schema_free_field(row, object);
}

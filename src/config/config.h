/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The configuration as objects (spec rows E1, F1, F3, F6). Made only by config_parse() from one YAML document through
 * the schema table in schema.c; immutable afterwards. The supervisor turns it into eBPF maps, each worker into its
 * policy snapshot: both parse the same text, so there is one definition of what a configuration means.
 * Ownership: struct config owns everything reachable from it; config_unref() frees it with the last reference. */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_NAME_MAX 63 /* bytes of an object's name: letters, digits, '-', '_', '.' */

struct config_cidr {
	struct in_addr address; /* network byte order, host bits zero */
	uint8_t prefix;         /* 0 to 32 */
};

struct config_range { /* inclusive; ports or VLAN ids */
	uint16_t low, high;
};

/* counted arrays; items NULL when n is 0 */
struct config_cidrs {
	size_t n;
	struct config_cidr *items;
};
struct config_ranges {
	size_t n;
	struct config_range *items;
};
struct config_strings {
	size_t n;
	char **items;
};

enum config_side { CONFIG_SIDE_A, CONFIG_SIDE_B, CONFIG_SIDE_N }; /* port A, port B of a segment */

enum config_service { /* decrypted service (C3) */
	CONFIG_SERVICE_HTTP,
	CONFIG_SERVICE_IMAP,
	CONFIG_SERVICE_POP3,
	CONFIG_SERVICE_SMTP,
	CONFIG_SERVICE_OTHER,
	CONFIG_SERVICE_ANY,
	CONFIG_SERVICE_N
};
/* D3; an SSL server's selection is a set of bits 1 << value, 0 when the option is not given */
enum config_key_exchange { CONFIG_KEY_EXCHANGE_ECDHE, CONFIG_KEY_EXCHANGE_RSA };
enum config_bulk {
	CONFIG_BULK_AES256,
	CONFIG_BULK_AES128,
	CONFIG_BULK_CHACHA20,
	CONFIG_BULK_3DES,
	CONFIG_BULK_DES, /* the engine lacks it (D2) */
};
enum config_mac { CONFIG_MAC_SHA1, CONFIG_MAC_SHA256, CONFIG_MAC_SHA384 };
enum config_unavailable { CONFIG_UNAVAILABLE_BYPASS, CONFIG_UNAVAILABLE_BLOCK, CONFIG_UNAVAILABLE_N };
enum config_key_unavailable { CONFIG_KEY_SAME, CONFIG_KEY_BYPASS, CONFIG_KEY_BLOCK }; /* as when_unavailable, or */
enum config_quic { CONFIG_QUIC_BLOCK, CONFIG_QUIC_FORWARD, CONFIG_QUIC_N };           /* A12 */
enum config_drift { CONFIG_DRIFT_PIN, CONFIG_DRIFT_VERIFY, CONFIG_DRIFT_IGNORE, CONFIG_DRIFT_N }; /* D9 */

/* what becomes of a session that cannot be decrypted, by cause */
enum config_undecryptable {
#define UNDECRYPTABLE(id, key, scope, alert, help) CONFIG_UNDECRYPTABLE_##id,
#include "config/undecryptable.def"
#undef UNDECRYPTABLE
	CONFIG_UNDECRYPTABLE_N
};
enum config_undecryptable_action {
	CONFIG_UNDECRYPTABLE_BLOCK,    /* ended, the client is told by an alert */
	CONFIG_UNDECRYPTABLE_RESET,    /* ended, both legs are reset */
	CONFIG_UNDECRYPTABLE_BYPASS,   /* this one goes on undecrypted */
	CONFIG_UNDECRYPTABLE_REMEMBER, /* as do those after it, for a time */
	CONFIG_UNDECRYPTABLE_ACTION_N
};

struct config_segment {
	char *name;
	char *port[CONFIG_SIDE_N];         /* interface names */
	bool link_propagation;             /* A11: a port without link takes the other one down */
	enum config_unavailable when_down; /* frames while inspection is down and no server's own choice applies */
	unsigned int line;
};

struct config_ssl_server {
	char *name;
	uint16_t id; /* index in config->ssl_servers; stable within one configuration version */
	struct config_cidrs destinations;
	struct config_ranges detection_ports;
	struct config_strings certificates; /* names in the certificate store; the first is the default (D8) */
	enum config_service decrypted_service;
	unsigned int rekey_interval_seconds; /* 0: blank (D7) */
	bool logging;                        /* SSL Inspection log, off by default (E1, G2) */
	bool allow_compression;
	bool tcp_reset_to_server;             /* Send TCP reset to server for blocked sessions (B9) */
	uint16_t protocol_min, protocol_max;  /* 0x0301 to 0x0304 */
	unsigned int key_exchange, bulk, mac; /* sets of words; 0: not given, all but DES and 3DES (policy/suite.h) */
	struct config_strings cipher_suites_disabled;
	enum config_drift certificate_drift;
	unsigned int asymmetric_bypass_seconds; /* A6; 0: not */
	enum config_quic quic;                  /* UDP to the detection ports that begins a QUIC connection */
	enum config_undecryptable_action undecryptable[CONFIG_UNDECRYPTABLE_N];
	unsigned int bypass_seconds;                            /* how long a bypass is remembered */
	enum config_unavailable when_crash_loop;                /* no live worker because they keep dying (A8) */
	unsigned int max_sessions, max_new_sessions_per_second; /* F6; 0: no bound */
	enum config_unavailable when_limited;                   /* new sessions beyond those */
	enum config_unavailable when_unavailable;               /* no live worker: bypass or block new sessions (A8) */
	enum config_key_unavailable when_key_unavailable;       /* a private key cannot be used (E6) */
	unsigned int line;
};

struct config_ssl_policy {
	char *name;
	const struct config_ssl_server *ssl_server;
	struct config_cidrs source_address_exceptions; /* these clients pass undecrypted */
	bool locked;
	bool overrides_locked; /* stands in the place of a Locked one that the profile would inherit (F2) */
	uint16_t id;           /* unique over all profiles */
	uint16_t origin;       /* 0: the profile's own; else 1 + index of the profile that it is inherited from */
	unsigned int line;
};

enum config_action { CONFIG_ACTION_PERMIT, CONFIG_ACTION_TRUST, CONFIG_ACTION_BLOCK };
enum config_reset { /* which legs of a blocked session are reset; a bit each */
	CONFIG_RESET_NONE,
	CONFIG_RESET_CLIENT,
	CONFIG_RESET_SERVER,
	CONFIG_RESET_BOTH,
};
enum config_notify { CONFIG_NOTIFY_LOG };

struct config_action_set { /* B8 */
	char *name;
	enum config_action action;
	enum config_reset tcp_reset;
	unsigned int notify; /* a set of words */
	unsigned int line;
};

struct config_filter_category { /* what a profile makes of the filters of one classtype (B11) */
	char *name;             /* classtype; "none": filters without one */
	bool enabled;
	const struct config_action_set *action_set; /* NULL: not said */
	unsigned int line;
};

struct config_filter_override { /* of one filter; goes before its category */
	char *filter;           /* its sid in digits */
	bool enabled;
	const struct config_action_set *action_set;
	unsigned int line;
};

struct config_profile { /* inspection profile (F1) */
	char *name;
	uint16_t id;
	const struct config_profile *parent;   /* NULL: none. What it gives is in this profile already */
	struct config_strings filter_packages; /* paths of rule files, absolute or relative to the configuration file */
	bool inspect_server_response;          /* B11 */
	bool monitor_only;                     /* nothing is blocked: records say what would have been */
	const struct config_action_set *default_action_set; /* NULL: each filter's own action */
	size_t n_filter_categories;
	struct config_filter_category *filter_categories;
	size_t n_filter_overrides;
	struct config_filter_override *filter_overrides;
	size_t n_ssl_policies;
	struct config_ssl_policy *ssl_policies;
	unsigned int line;
};

struct config_rule_variable { /* C1: $NAME in the heads of filters */
	char *name;
	struct config_strings values; /* items of a list as rule files write it */
	unsigned int line;
};

struct config_virtual_segment { /* F3; matched in order, first match wins */
	char *name;
	uint16_t id;
	const struct config_segment *segment;
	enum config_side direction;       /* side on which the connection's first packet arrives */
	struct config_ranges vlans;       /* none: any, also untagged; 0 means untagged */
	struct config_cidrs sources;      /* none: any */
	struct config_cidrs destinations; /* none: any */
	const struct config_profile *profile;
	unsigned int line;
};

enum config_direction { CONFIG_DIRECTION_A_TO_B, CONFIG_DIRECTION_B_TO_A, CONFIG_DIRECTION_BOTH };

struct config_bypass_rule { /* B5; the order says nothing */
	char *name;
	const struct config_segment *segment;      /* NULL: any */
	enum config_direction direction;           /* of the connection's first packet */
	unsigned int protocol;                     /* IP protocol number, 0: any */
	struct config_cidrs sources, destinations; /* none: any */
	struct config_ranges ports;                /* the server's; none: any */
	struct config_ranges vlans;                /* none: any, also untagged; 0 means untagged */
	unsigned int line;
};

struct config_limits {
	unsigned int max_sessions;                                          /* F6 */
	unsigned int warning_threshold_percent, critical_threshold_percent; /* of max_sessions */
	enum config_unavailable when_max_sessions; /* new sessions from the critical threshold on */
	unsigned int max_sessions_per_source;      /* 0: no bound */
	enum config_unavailable when_max_sessions_per_source;
	unsigned int memory_reserve_megabytes;     /* A8: less left of the device's memory is overload */
	unsigned int client_hello_timeout_seconds; /* D10: a silent client is dropped after it */
	unsigned int handshake_timeout_seconds;    /* each of: server connect, either handshake */
	unsigned int idle_timeout_seconds;         /* an established session without a byte */
	unsigned int drain_timeout_seconds;        /* after one side closed */
	unsigned int ticket_key_seconds;           /* D5: session tickets are good for once to twice this */
	unsigned int request_body_hold_bytes;      /* B8: a request body is held until its verdict up to this */
	unsigned int log_spool_megabytes;          /* G6: bounds of what waits for log targets */
	unsigned int log_spool_hours;
	unsigned int log_megabytes; /* G7, G8: bounds of each log's local files */
	unsigned int log_days;
	unsigned int log_aggregation_seconds; /* G3; 0: every match has its record */
};

/* B12: what is done when a limit keeps traffic from being inspected as its filters mean it. One key each, in the order
 * of enum inspect_limit. */
enum config_exception_policy { CONFIG_EXCEPTION_BYPASS, CONFIG_EXCEPTION_BLOCK, CONFIG_EXCEPTION_RESET };
enum config_exception {
	CONFIG_EXCEPTION_CONFIRM_LIMIT,
	CONFIG_EXCEPTION_MATCHES_DROPPED,
	CONFIG_EXCEPTION_DECODE_LIMIT,
	CONFIG_EXCEPTION_DECODE_FAILED,
	CONFIG_EXCEPTION_ENGINE_FAILED,
	CONFIG_EXCEPTION_HTTP_ANOMALY,
	CONFIG_EXCEPTION_HTTP_SMUGGLING,
	CONFIG_EXCEPTION_MAIL_STARTTLS,
	CONFIG_EXCEPTION_WEBSOCKET_ANOMALY,
	CONFIG_EXCEPTION_N
};

enum config_log_protocol {
	CONFIG_LOG_RELP,
	CONFIG_LOG_RELP_TLS,
	CONFIG_LOG_SYSLOG_TCP,
	CONFIG_LOG_SYSLOG_TLS,
	CONFIG_LOG_PROTOCOLS
};
enum config_log_format { CONFIG_LOG_RFC5424_JSON, CONFIG_LOG_CEF, CONFIG_LOG_FORMATS };

struct config_log_target { /* G5 */
	char *name;
	char *host;                          /* name or address */
	struct config_strings standby_hosts; /* in the order in which they stand in */
	unsigned int port;
	enum config_log_protocol protocol;
	enum config_log_format format;
	char *credentials;          /* name in the store of log credentials; NULL: none */
	char *certificate_name;     /* that the receiver's certificate must have; NULL: the host's */
	struct config_strings logs; /* names of logs; none: all */
	unsigned int severity;      /* RFC 5424's number; less urgent records are not sent */
	unsigned int mask, omit;    /* G8: bits 1 << enum event_privacy */
	unsigned int line;
};

struct config {
	unsigned int refs;
	char *text; /* the document as it was read; NUL-terminated */
	size_t text_len;
	char *device_name;
	unsigned int workers;                          /* 0: one per core */
	bool persist_private_keys;                     /* E5 */
	char *key_provider_socket;                     /* NULL: none */
	char *tpm_device;                              /* of the TPM that seals the device key (E5) */
	bool ssl_inspection;                           /* F5 */
	unsigned int enterprise_number;                /* of RFC 5424 structured data */
	struct config_ranges certificate_warning_days; /* E4; none: 60, 30, 7, 1 */
	struct config_limits limits;
	enum config_exception_policy exceptions[CONFIG_EXCEPTION_N];
	char *agentx_socket;            /* absolute path; NULL: no SNMP sub-agent */
	unsigned int notifications_off; /* H4: bits 1 << value of schema_notification_words */
	unsigned int notification_interval_seconds;
	size_t n_segments, n_ssl_servers, n_profiles, n_virtual_segments;
	struct config_segment *segments;
	struct config_ssl_server *ssl_servers;
	struct config_profile *profiles;
	struct config_virtual_segment *virtual_segments;
	size_t n_rule_variables;
	struct config_rule_variable *rule_variables;
	size_t n_bypass_rules;
	struct config_bypass_rule *bypass_rules;
	size_t n_log_targets;
	struct config_log_target *log_targets;
	size_t n_action_sets;
	struct config_action_set *action_sets;
};

/* Problems found, in document order. Each message names what is wrong, what is allowed, and the mend. */
enum config_severity { CONFIG_ERROR, CONFIG_WARNING };
struct config_problem {
	enum config_severity severity;
	unsigned int line, column; /* from 1 */
	char *message;             /* without position */
};
struct config_problems {
	size_t n;
	struct config_problem *items;
};
void config_problems_add(struct config_problems *problems, enum config_severity severity, unsigned int line,
	unsigned int column, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void config_problems_clear(struct config_problems *problems);

/* Parses and checks one document, all or nothing: 0 with *out set (one reference), or -EINVAL with at least one
 * CONFIG_ERROR in problems and *out untouched. A pure function of text: opens no file, looks no interface up. */
int config_parse(const char *text, size_t len, struct config **out, struct config_problems *problems);
struct config *config_ref(struct config *config);
void config_unref(struct config **config);

#define CONFIG_LOG_TARGETS_MAX 8
/* a bit per enum event_log */
bool config_log_target_has_tls(const struct config_log_target *target);
const char *config_log_protocol_name(enum config_log_protocol protocol);
const char *config_log_format_name(enum config_log_format format);
uint32_t config_log_target_mask(const struct config_log_target *target);
const struct config_profile *config_find_profile(const struct config *config, const char *name);
/* what becomes of new sessions of a server whose key cannot be used (E6) */
bool config_blocks_without_key(const struct config_ssl_server *server);
const struct config_ssl_server *config_find_ssl_server(const struct config *config, const char *name);
/* by config_ssl_policy.id; profile may be NULL */
const struct config_ssl_policy *config_find_ssl_policy(
	const struct config *config, uint16_t id, const struct config_profile **profile);
const char *config_service_name(enum config_service service);

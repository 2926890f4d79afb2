/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/common.h"
#include "cli/command.h"

#define SERVER_OPTION {.option = "--server", .metavar = "NAME", .key = "server", .help = "only this SSL server"}
#define GRAPH_COMMAND(name, fn, text)                                                        \
	{                                                                                    \
		.words = "show graph " name,                                                 \
		.request = "graph",                                                          \
		.help = text,                                                                \
		.parameters =                                                                \
			{                                                                    \
				{.option = "--minutes",                                      \
					.metavar = "N",                                      \
					.key = "minutes",                                    \
					.kind = CLI_NUMBER,                                  \
					.help = "the last N minutes (default 1440: a day)"}, \
				{.option = "--svg",                                          \
					.metavar = "SVG",                                    \
					.kind = CLI_FLAG,                                    \
					.help = "a picture on standard output"},             \
			},                                                                   \
		.run = cli_run_graph,                                                        \
		.render = fn,                                                                \
	}
#define LOG_DETAIL                                                                                                     \
	"All that is asked for must hold. WHEN is 2026-11-25T19:00:00Z, \"2026-11-25 19:00\" or 19:00 in local time, " \
	"or how "                                                                                                      \
	"long ago: 90s, 10m, 2h, 3d. CONDITIONS are NAME OP VALUE with spaces between, such as \"http_status>=500 "    \
	"url~admin\": "                                                                                                \
	"NAME of a field (docs/log-fields.md), OP one of = != < <= > >= ~ (contains) and !~, VALUE a word or text in " \
	"quotes, of "                                                                                                  \
	"an address also a network."
#define LOG_COMMAND(name, text)                                                                                     \
	{                                                                                                           \
		.words = "show log " name,                                                                          \
		.fixed = name,                                                                                      \
		.help = text,                                                                                       \
		.detail = LOG_DETAIL,                                                                               \
		.run = cli_run_log,                                                                                 \
		.parameters =                                                                                       \
			{                                                                                           \
				{.option = "--since", .metavar = "SINCE", .help = "not before WHEN"},               \
				{.option = "--until", .metavar = "UNTIL", .help = "before WHEN"},                   \
				{.option = "--server",                                                              \
					.metavar = "SERVER",                                                        \
					.help = "SSL server's name, or a server's address or network"},             \
				{.option = "--client", .metavar = "CLIENT", .help = "client's address or network"}, \
				{.option = "--action", .metavar = "ACTION", .help = "action taken"},                \
				{.option = "--filter",                                                              \
					.metavar = "FILTER",                                                        \
					.help = "filter's number, or part of its name"},                            \
				{.option = "--text", .metavar = "TEXT", .help = "anywhere in the record"},          \
				{.option = "--where", .metavar = "WHERE", .help = "CONDITIONS on any field"},       \
				{.option = "--limit",                                                               \
					.metavar = "N",                                                             \
					.kind = CLI_NUMBER,                                                         \
					.help = "the newest N records (default 50)"},                               \
				{.option = "--follow",                                                              \
					.metavar = "FOLLOW",                                                        \
					.kind = CLI_FLAG,                                                           \
					.help = "go on with what is written from now on, until interrupted; with "  \
						"--json one line each"},                                            \
			},                                                                                          \
	}

/* where a password or passphrase comes from: password.c reads these */
#define PASSWORD_FILE_OPTION(what) \
	{.option = "--password-file", .metavar = "PWFILE", .help = "file that holds the " what}
#define PASSWORD_STDIN_OPTION(word)    \
	{.option = "--password-stdin", \
		.metavar = "PWSTDIN",  \
		.kind = CLI_FLAG,      \
		.help = "read the " word " from standard input"}
#define OVERRIDE_LOCKED_OPTION            \
	{.option = "--override-locked",   \
		.metavar = "OVERRIDE",    \
		.key = "override_locked", \
		.kind = CLI_FLAG,         \
		.help = "let Locked SSL policies change; the Audit log says which"}
#define REBOOT_OPTION                \
	{.option = "--reboot",       \
		.metavar = "REBOOT", \
		.kind = CLI_FLAG,    \
		.help = "boot it at once: the wire is interrupted and sessions end"}

#define IMPORT_DETAIL                                                                                                 \
	"FILE is the certificate with its chain in any order, PEM or DER, or PKCS#12 with the key in it. Without "    \
	"--key the private key is in FILE too. A password is read from --password-file, from standard input, or "     \
	"asked for on the terminal; it never stands on the command line. With --without-key the key is fetched from " \
	"the "                                                                                                        \
	"key provider (device: key_provider_socket) and has to be the certificate's."
#define IMPORT_PARAMETERS                                                                                           \
	{                                                                                                           \
		{.metavar = "NAME", .key = "name", .help = "name in the store, as the configuration refers to it"}, \
		{.option = "--cert",                                                                                \
			.metavar = "FILE",                                                                          \
			.required = true,                                                                           \
			.help = "certificate and chain, PEM or DER, or PKCS#12"},                                   \
		{.option = "--key",                                                                                 \
			.metavar = "KEYFILE",                                                                       \
			.help = "private key, PEM or DER, where FILE does not hold it"},                            \
		{.option = "--without-key",                                                                         \
			.metavar = "WITHOUTKEY",                                                                    \
			.key = "without_key",                                                                       \
			.kind = CLI_FLAG,                                                                           \
			.help = "there is no key here: the key provider has it"},                                   \
		PASSWORD_FILE_OPTION("password of the key or of PKCS#12"),                                          \
		PASSWORD_STDIN_OPTION("password"),                                                                  \
	}

/* what every protection does besides */
#define NEW_DEVICE_KEY_ALONE                                                                                          \
	"A new device key is made and every private key is sealed with it, all or none: a copy of an old device.key " \
	"opens nothing that is in the keystore from then on."
#define NEW_DEVICE_KEY " " NEW_DEVICE_KEY_ALONE

#define PASSPHRASE_PARAMETERS                                         \
	{                                                             \
		PASSWORD_FILE_OPTION("passphrase in its first line"), \
		PASSWORD_STDIN_OPTION("passphrase"),                  \
	}

#define CERTIFICATE_NAME {.metavar = "NAME", .key = "name", .help = "name in the store"}

const struct cli_command cli_commands[] = {
	{.words = "check",
		.request = "check",
		.help = "say what is wrong with a configuration, change nothing",
		.detail = "Problems are printed as FILE:LINE:COLUMN: error: text. The rule files that the "
			  "configuration names "
			  "are read too, relative to FILE, and refused filters are listed with their reason.",
		.parameters = {{.metavar = "FILE", .help = "the configuration, YAML (docs/configuration.md)"}},
		.run = cli_run_files,
		.render = cli_render_checked},
	{.words = "commit",
		.request = "commit",
		.help = "put a configuration into force, all of it or nothing",
		.detail =
			"Sessions that are open go on under the configuration they began with. On any error the one in "
			"force stays as it is.",
		.signs = true,
		.parameters =
			{
				{.metavar = "FILE", .help = "the configuration, YAML (docs/configuration.md)"},
				{.option = "--comment",
					.metavar = "TEXT",
					.key = "comment",
					.help = "why, for sluice history and the Audit log"},
				OVERRIDE_LOCKED_OPTION,
			},
		.run = cli_run_files,
		.render = cli_render_committed},
	{.words = "rollback",
		.request = "rollback",
		.help = "put an earlier version of the configuration into force again",
		.detail = "The earlier version, with the rule files it had, becomes a new version: nothing is lost, "
			  "and a "
			  "second rollback goes back to where the first began. It goes through the same checks as a "
			  "commit, "
			  "and open sessions go on.",
		.signs = true,
		.parameters =
			{
				{.metavar = "VERSION",
					.key = "version",
					.kind = CLI_NUMBER,
					.optional = true,
					.help = "as sluice history lists it (default: the one before the one in "
						"force)"},
				{.option = "--comment",
					.metavar = "TEXT",
					.key = "comment",
					.help = "why, for sluice history and the Audit log"},
				OVERRIDE_LOCKED_OPTION,
			},
		.render = cli_render_committed},
	{.words = "history",
		.request = "history",
		.help = "versions of the configuration: who, when, from where, why",
		.detail = "The user is the kernel's word for who asked; the place is what the asking program said of "
			  "itself. The newest 20 versions are kept.",
		.parameters = {{.option = "--limit",
			.metavar = "N",
			.key = "limit",
			.kind = CLI_NUMBER,
			.help = "the newest N versions (default 50)"}},
		.render = cli_render_history},
	{.words = "diff",
		.help = "what changes between two configurations, as unified diff",
		.detail = "Without A: from the version before to the one in force. With a version A alone: from A to "
			  "the one "
			  "in force. With a file A alone: what a commit of that file would change. Between versions, "
			  "rule "
			  "files with other contents are named.",
		.parameters =
			{
				{.metavar = "A",
					.optional = true,
					.help = "a version as sluice history lists it, or a file"},
				{.metavar = "B", .optional = true, .help = "a version or a file"},
			},
		.run = cli_run_diff},

	{.words = "diagnose",
		.request = "diagnose",
		.help = "why a connection is inspected or not: the first thing wrong, and the mend",
		.detail =
			"Walks the live system in the order in which one looks for the fault: workers, SSL inspection "
			"enabled, certificate and key, server address and port, virtual segment, profile, SSL policy, "
			"source address exceptions, limits, links of the ports, and what became of the last session "
			"between the two. What is not "
			"said with an option is taken as it suits.",
		.parameters =
			{
				{.metavar = "CLIENT",
					.key = "client",
					.kind = CLI_ADDRESS,
					.help = "the client's IPv4 address"},
				{.metavar = "SERVER[:PORT]",
					.help = "the server's IPv4 address and port (default 443)"},
				{.option = "--from",
					.metavar = "SIDE",
					.key = "from",
					.help = "the segment's port, a or b, on which the client's frames arrive"},
				{.option = "--vlan",
					.metavar = "VLAN",
					.key = "vlan",
					.kind = CLI_NUMBER,
					.help = "the VLAN of the client's frames"},
				{.option = "--segment",
					.metavar = "SEGMENT",
					.key = "segment",
					.help = "the segment that the connection crosses"},
			},
		.run = cli_run_diagnose},

	{.words = "watch",
		.help = "rates, sessions, why sessions end and health, each second",
		.detail = "On a terminal a screen that q leaves; with --json one object per line and second.",
		.parameters = {{.option = "--count",
			.metavar = "N",
			.kind = CLI_NUMBER,
			.help = "end after N times (default: go on)"}},
		.run = cli_run_watch},

	{.words = "show status",
		.request = "status",
		.help = "processes, configuration version, segments at a glance",
		.render = cli_render_status},
	{.words = "show sessions",
		.request = "sessions",
		.help = "SSL sessions that are open, newest first",
		.parameters =
			{
				{.option = "--limit",
					.metavar = "N",
					.key = "limit",
					.kind = CLI_NUMBER,
					.help = "at most N sessions (default 50)"},
				SERVER_OPTION,
				{.option = "--client",
					.metavar = "IP",
					.key = "client",
					.kind = CLI_ADDRESS,
					.help = "only sessions from this address"},
			},
		.render = cli_render_sessions},
	{.words = "show bypasses",
		.request = "bypasses",
		.help = "what is passed undecrypted because an earlier session could not be decrypted",
		.detail = "Learned where an SSL server's undecryptable_ option is bypass_and_remember, for its "
			  "bypass_seconds. Cleared with sluice clear bypasses.",
		.parameters = {SERVER_OPTION},
		.render = cli_render_bypasses},
	{.words = "show counters",
		.request = "counters",
		.help = "every counter, with its unit and meaning",
		.parameters = {SERVER_OPTION},
		.render = cli_render_counters},
	{.words = "show metrics",
		.help = "every counter, of the device and of each SSL server, and every state, as OpenMetrics text",
		.detail = "For Prometheus and what reads the same: docs/monitoring.md says how to serve it.",
		.run = cli_run_metrics},
	{.words = "show configuration",
		.request = "configuration",
		.help = "the configuration in force, or an earlier version, as it was committed",
		.parameters = {{.metavar = "VERSION",
			.key = "version",
			.kind = CLI_NUMBER,
			.optional = true,
			.help = "as sluice history lists it (default: the one in force)"}},
		.render = cli_render_configuration},
	{.words = "show servers",
		.request = "servers",
		.help = "SSL servers with key state and sessions",
		.render = cli_render_servers},
	{.words = "show ciphers",
		.request = "ciphers",
		.help = "cipher suites: all that are known, or those of an SSL server",
		.detail = "In the order of preference. With --server: what its options select (protocols, "
			  "key_exchange, bulk, mac, cipher_suites_disabled) and what of it this version's TLS engine "
			  "can do.",
		.parameters = {SERVER_OPTION},
		.render = cli_render_ciphers},
	{.words = "show health",
		.request = "health",
		.help = "what this machine offers, and what each thing that is missing costs",
		.detail =
			"Found at start: RDRAND executed, AES-NI, SSSE3, AVX2, AVX-512 IFMA, processors, memory, "
			"entropy, drivers of the network interfaces. A check that is \"refused\" keeps SSL inspection "
			"off.",
		.render = cli_render_health},
	{.words = "show precedence",
		.request = "status",
		.help = "the order in which filters act, and how often each stage did",
		.render = cli_render_stages},
	{.words = "show rates",
		.request = "rates",
		.help = "how often the important things happen now, per second",
		.detail = "Averages over the last second, minute and five minutes. In JSON and in SNMP they are "
			  "hundredths per "
			  "second.",
		.render = cli_render_rates},
	{.words = "show segments",
		.request = "segments",
		.help = "segments, their ports, and virtual segments",
		.render = cli_render_segments},
	{.words = "show ports",
		.request = "ports",
		.help = "ports of the segments: driver, speed, queues, offloads, traffic, drops by cause, warnings",
		.detail =
			"Frames and bytes are the interface's own since it was made. DROPPED is what the card lost "
			"(rx_missed and its like) and what Sluice dropped of the frames that came in there, by the "
			"names of its counters. A warning names a setting that keeps the wire from being transparent, "
			"and the mend; the System log has them after each commit. To set something by hand: ip netns "
			"exec INSTANCE-wire ethtool -K PORT ...",
		.render = cli_render_ports},
	{.words = "show flows",
		.request = "flows",
		.help = "the flow table: connections of SSL servers as the wire knows them",
		.detail = "Only what is proxied has an entry; what passes leaves none. STATE is held (the server is "
			  "asked), answered, opening, established, closing, reset or refused.",
		.parameters =
			{
				{.option = "--limit",
					.metavar = "N",
					.key = "limit",
					.kind = CLI_NUMBER,
					.help = "so many of them (default 50, at most 1000)"},
				{.option = "--skip",
					.metavar = "SKIP",
					.key = "skip",
					.kind = CLI_NUMBER,
					.help = "leave the first SKIP of those that match out: the next page"},
				{.option = "--client",
					.metavar = "CLIENT",
					.key = "client",
					.kind = CLI_ADDRESS,
					.help = "of this client's address"},
				{.option = "--address",
					.metavar = "ADDRESS",
					.key = "address",
					.kind = CLI_ADDRESS,
					.help = "to this server's address"},
				{.option = "--vlan",
					.metavar = "VLAN",
					.key = "vlan",
					.kind = CLI_NUMBER,
					.help = "of this VLAN (the outer tag)"},
				{.option = "--segment",
					.metavar = "SEGMENT",
					.key = "segment",
					.help = "on this segment"},
				{.option = "--state", .metavar = "STATE", .key = "state", .help = "in this state"},
			},
		.render = cli_render_flows},
	{.words = "show bypass-rules",
		.request = "bypass_rules",
		.help = "inspection bypass rules, and how many flows each has let pass since the last commit",
		.render = cli_render_bypass_rules},
	{.words = "show filters refused",
		.request = "filters_refused",
		.help = "filters of the packages in force that could not be loaded",
		.render = cli_render_refused},
	{.words = "show filters top",
		.request = "filters_top",
		.help = "filters by what they cost, or how often they match",
		.detail = "Added up over the workers that take new sessions, for each profile, since the configuration "
			  "in "
			  "force was loaded: a commit begins anew. The cost is that of evaluating a filter once its "
			  "pattern was found, measured on one evaluation in 64; searching for the patterns of all "
			  "filters at "
			  "once is not in it.",
		.parameters =
			{
				{.option = "--limit",
					.metavar = "N",
					.key = "limit",
					.kind = CLI_NUMBER,
					.help = "the first N filters (default 20, at most 1000)"},
				{.option = "--by", .metavar = "KEY", .key = "by", .help = "cost (default) or hits"},
			},
		.render = cli_render_filters_top},
	GRAPH_COMMAND("decrypted-traffic", cli_render_graph_traffic, "SSL Decrypted Traffic, by the minute"),
	GRAPH_COMMAND("active-rate", cli_render_graph_active, "Active SSL Connection Rate: new connections a minute"),
	GRAPH_COMMAND("new-rate", cli_render_graph_new, "New SSL Connection Rate: new connections per second"),
	LOG_COMMAND("system", "the System log"),
	LOG_COMMAND("audit", "the Audit log: who changed what"),
	LOG_COMMAND("ssl_inspection", "the SSL Inspection log: one record per session"),
	LOG_COMMAND("block", "the Block log"),
	LOG_COMMAND("alert", "the Alert log"),
	LOG_COMMAND("quarantine", "the Quarantine log"),
	LOG_COMMAND("reputation_block", "the Reputation Block log"),
	LOG_COMMAND("reputation_alert", "the Reputation Alert log"),

	{.words = "show tse ssl-inspection",
		.request = "status",
		.help = "SSL inspection and its sessions at a glance",
		.render = cli_render_tse},
	{.words = "show connections refused",
		.fixed = "refused",
		.help = "connections that were refused, by reason, with what the figures mean",
		.run = cli_run_np},
	{.words = "debug np ssl-clear",
		.request = "clear_sessions",
		.fixed = "all",
		.help = "reset every SSL session, both legs",
		.render = cli_render_cleared},
	{.words = "debug np stats show npSslInspStats",
		.fixed = "npSslInspStats",
		.help = "SSL inspection as a whole, with what the figures mean",
		.run = cli_run_np},
	{.words = "debug np stats show npSslInspProtocolStats",
		.fixed = "npSslInspProtocolStats",
		.help = "handshakes, and why they failed",
		.run = cli_run_np},
	{.words = "debug np stats show npTcpProxyStats",
		.fixed = "npTcpProxyStats",
		.help = "what the wire handed to SSL inspection; all zero: no matching traffic",
		.run = cli_run_np},

	{.words = "clear sessions all",
		.request = "clear_sessions",
		.fixed = "all",
		.help = "reset every SSL session, both legs",
		.render = cli_render_cleared},
	{.words = "clear bypasses all",
		.request = "clear_bypasses",
		.fixed = "all",
		.help = "forget every remembered bypass: new sessions are decrypted again where they can be",
		.render = cli_render_bypasses_cleared},
	{.words = "clear bypasses server",
		.request = "clear_bypasses",
		.help = "forget the remembered bypasses of an SSL server",
		.parameters = {{.metavar = "NAME", .key = "server", .help = "name of the SSL server"}},
		.render = cli_render_bypasses_cleared},
	{.words = "clear sessions server",
		.request = "clear_sessions",
		.help = "reset the sessions of an SSL server",
		.parameters = {{.metavar = "NAME", .key = "server", .help = "name of the SSL server"}},
		.render = cli_render_cleared},
	{.words = "clear sessions client",
		.request = "clear_sessions",
		.help = "reset the sessions of a client",
		.parameters =
			{{.metavar = "IP", .key = "client", .kind = CLI_ADDRESS, .help = "the client's IPv4 address"}},
		.render = cli_render_cleared},
	{.words = "clear sessions id",
		.request = "clear_sessions",
		.help = "reset one session",
		.parameters = {{.metavar = "ID",
			.key = "id",
			.help = "session id, as show sessions and every log print it"}},
		.render = cli_render_cleared},

	{.words = "certificate import",
		.request = "certificate_import",
		.help = "bring a certificate and its private key into the store",
		.detail = IMPORT_DETAIL,
		.parameters = IMPORT_PARAMETERS,
		.run = cli_run_import,
		.render = cli_render_imported},
	{.words = "certificate replace",
		.request = "certificate_replace",
		.help = "put another certificate in the place of one, for new sessions",
		.detail = "Everything that refers to NAME uses the new one from then on, tickets of the old one are no "
			  "longer taken, and open sessions go on. The old one stays in the store as NAME_REPLACED, "
			  "numbered when that is taken; until it is removed its server may still show it. On any error "
			  "nothing changes. " IMPORT_DETAIL,
		.parameters = IMPORT_PARAMETERS,
		.run = cli_run_import,
		.render = cli_render_replaced},
	{.words = "certificate show",
		.request = "certificate_show",
		.help = "one certificate, and the SSL servers that use it",
		.parameters = {CERTIFICATE_NAME},
		.render = cli_render_certificate},
	{.words = "certificate remove",
		.request = "certificate_remove",
		.help = "remove a certificate and its private key from the store",
		.detail = "Refused while an SSL server of the configuration in force uses it.",
		.parameters = {CERTIFICATE_NAME},
		.render = cli_render_removed},
	{.words = "certificate export-chain",
		.request = "certificate_chain",
		.help = "print a certificate and its chain as PEM; the private key never leaves the store",
		.parameters = {CERTIFICATE_NAME},
		.render = cli_render_chain},
	{.words = "certificate list",
		.request = "certificate_list",
		.help = "certificates in the store",
		.render = cli_render_certificates},

	{.words = "keystore show",
		.request = "keystore_show",
		.help = "how the stored private keys are protected, and whether they can be used",
		.render = cli_render_keystore},
	{.words = "keystore unlock",
		.request = "keystore_unlock",
		.help = "after a start: open the device key, with its passphrase or by the TPM that sealed it",
		.detail =
			"The passphrase is asked for on the terminal, or comes from a file or standard input; it is "
			"never an argument. Until then no private key can be used and new sessions of SSL servers are "
			"bypassed or blocked, as their when_key_unavailable says. A TPM is asked by itself at every "
			"start; with this word, at once.",
		.parameters = PASSPHRASE_PARAMETERS,
		.run = cli_run_keystore,
		.render = cli_render_keystore},
	{.words = "keystore protect passphrase",
		.request = "keystore_protect",
		.help = "put the device key under a passphrase, or under another one",
		.detail = "At least 12 bytes. From the next start of Sluice on no private key can be used before "
			  "\"sluice keystore unlock\". Without the passphrase the stored keys are lost." NEW_DEVICE_KEY,
		.parameters = PASSPHRASE_PARAMETERS,
		.run = cli_run_keystore,
		.render = cli_render_keystore},
	{.words = "keystore protect tpm",
		.request = "keystore_protect",
		.fixed = "tpm",
		.help = "let the TPM seal the device key: a copy of the disk opens nothing without it",
		.detail =
			"The TPM is the one that device: tpm_device names. Without --pcrs it opens the key for this "
			"machine whatever it has booted; with --pcrs only while those PCRs of its SHA-256 bank are as "
			"they are now, so that a new kernel or firmware needs \"keystore protect file\" before and "
			"\"keystore protect tpm\" after it." NEW_DEVICE_KEY,
		.parameters = {{.option = "--pcrs",
			.metavar = "LIST",
			.key = "pcrs",
			.help = "numbers from 0 to 23 with commas between them, as 0,2,4,7"}},
		.render = cli_render_keystore},
	{.words = "keystore protect file",
		.request = "keystore_protect",
		.help = "keep the device key in a file that needs no passphrase: who can read the disk as root has it",
		.detail = NEW_DEVICE_KEY_ALONE,
		.render = cli_render_keystore},
	{.words = "keystore rotate",
		.request = "keystore_protect",
		.fixed = "same",
		.help = "another device key, protected as the one before",
		.detail = NEW_DEVICE_KEY_ALONE
		" A passphrase is asked for, or comes from a file or standard input: the one to use from now on.",
		.parameters = PASSPHRASE_PARAMETERS,
		.run = cli_run_keystore,
		.render = cli_render_keystore},

	{.words = "log status",
		.request = "log_status",
		.help = "delivery of the logs: the spool, and per log target state, lag, what is sent and received",
		.render = cli_render_log_status},

	{.words = "log credentials import",
		.request = "log_credentials_import",
		.help = "bring in what a log target needs for TLS",
		.detail =
			"The CA is that of the log server's certificate; with --cert the log server can be sure of us "
			"too. What was there under NAME is replaced, and log targets that use it connect anew. The "
			"files are checked as those of certificate import are; the key is sealed with the device key. "
			"A password is asked for on the terminal, or comes from a file or standard input.",
		.parameters =
			{
				{.metavar = "NAME",
					.key = "name",
					.help = "name, as log_targets refer to it with credentials"},
				{.option = "--ca",
					.metavar = "CAFILE",
					.required = true,
					.help = "CA certificates that the log server's certificate must chain to, PEM "
						"or DER"},
				{.option = "--cert",
					.metavar = "FILE",
					.help = "our certificate and its chain, PEM or DER, or PKCS#12"},
				{.option = "--key",
					.metavar = "KEYFILE",
					.help = "our private key, PEM or DER, where FILE does not hold it"},
				PASSWORD_FILE_OPTION("password of the key or of PKCS#12"),
				PASSWORD_STDIN_OPTION("password"),
			},
		.run = cli_run_log_credentials,
		.render = cli_render_log_credentials_changed},
	{.words = "log credentials list",
		.request = "log_credentials_list",
		.help = "what log targets can refer to with credentials",
		.render = cli_render_log_credentials},
	{.words = "log credentials remove",
		.request = "log_credentials_remove",
		.help = "remove credentials of log targets",
		.detail = "Refused while a log target of the configuration in force uses them.",
		.parameters = {{.metavar = "NAME", .key = "name", .help = "name of the credentials"}},
		.render = cli_render_log_credentials_changed},

	{.words = "fallback enter",
		.request = "fallback_enter",
		.help = "forward port to port, inspect nothing, until fallback leave",
		.detail =
			"New sessions of SSL servers are bypassed, or blocked, as when_unavailable and the segment's "
			"when_down say. Sessions that are open are reset on both legs. It lasts over a restart of the "
			"supervisor, not of the machine.",
		.parameters = {{.option = "--segment",
			.metavar = "SEGMENT",
			.key = "segment",
			.help = "only this segment (default: all)"}},
		.render = cli_render_fallback},
	{.words = "fallback leave",
		.request = "fallback_leave",
		.help = "inspect new sessions again",
		.parameters = {{.option = "--segment",
			.metavar = "SEGMENT",
			.key = "segment",
			.help = "only this segment (default: all)"}},
		.render = cli_render_fallback},
	{.words = "backup",
		.help = "write the configuration in force, certificates and log credentials into a file",
		.detail = "The rule files are in it, and each private key that is stored here, as PKCS#12 under the "
			  "password "
			  "(12 bytes at least). Without the password the keys of a backup are lost. Not in it: logs, "
			  "graphs, "
			  "settings of day 0.",
		.parameters =
			{
				{.metavar = "FILE", .help = "where to; readable by its owner only"},
				PASSWORD_FILE_OPTION("password in its first line"),
				PASSWORD_STDIN_OPTION("password"),
				{.option = "--without-keys",
					.metavar = "WITHOUT",
					.kind = CLI_FLAG,
					.help = "certificates only; no password is needed"},
			},
		.run = cli_run_backup},
	{.words = "restore",
		.request = "commit",
		.help = "bring back what a backup holds: certificates, log credentials and keys, then the "
			"configuration",
		.detail = "All of it or nothing: certificates and log credentials that were brought are taken out "
			  "again when the "
			  "configuration "
			  "cannot be put into force. Those that are in the store already stay; another one under the "
			  "same name "
			  "is in the way. Open sessions go on. A backup of a newer version may have options that this "
			  "one does "
			  "not know: they are named with their line.",
		.signs = true,
		.parameters =
			{
				{.metavar = "FILE", .help = "the backup"},
				PASSWORD_FILE_OPTION("password in its first line"),
				PASSWORD_STDIN_OPTION("password"),
				OVERRIDE_LOCKED_OPTION,
			},
		.run = cli_run_backup},
	{.words = "system slots",
		.fixed = "slots",
		.help = "the appliance's two root slots: which one runs, what the other one holds",
		.run = cli_run_system},
	{.words = "system upgrade",
		.fixed = "upgrade",
		.help = "put another version of the appliance into the slot that does not run",
		.detail =
			"The file's signature is checked, the slot is written, and the new version is asked whether it "
			"takes the configuration in force; traffic goes on meanwhile. After the reboot it stays only "
			"if "
			"the appliance is as well as before (supervisor, configuration, inspection, ports; ten minutes "
			"at "
			"most); else the version that runs now boots again. Configuration, keys and logs are on a "
			"partition of their own.",
		.parameters =
			{
				{.metavar = "FILE", .help = "the update file, sluice-VERSION.update"},
				REBOOT_OPTION,
			},
		.run = cli_run_system},
	{.words = "system rollback",
		.fixed = "rollback",
		.help = "boot the version in the other slot again, or take back an upgrade that was not booted yet",
		.detail = "That version must take the configuration in force; what it refuses is said with its line.",
		.parameters = {REBOOT_OPTION},
		.run = cli_run_system},
	{.words = "system confirm",
		.fixed = "confirm",
		.help = "hold the appliance against what it was before an upgrade; the appliance does it after each "
			"boot",
		.parameters = {{.option = "--wait",
			.metavar = "SECONDS",
			.kind = CLI_NUMBER,
			.help = "how long it may take to be as well as before (default 600)"}},
		.run = cli_run_system},
	{.words = "stop",
		.request = "stop",
		.help = "end the supervisor; the wire stays up in layer-2 fallback",
		.render = cli_render_stopped},
	{.words = "version", .help = "version of this program", .run = cli_run_version},
};
const size_t cli_n_commands = ARRAY_SIZE(cli_commands);
_Static_assert(ARRAY_SIZE(cli_commands) <= CLI_COMMANDS_MAX, "a command line narrows a set of that many");

bool cli_command_word(const struct cli_command *command, unsigned int i, char out[CLI_WORD_MAX])
{
	const char *at = command->words;

	for (; i && *at; i--) {
		at = strchrnul(at, ' ');
		at += *at == ' ';
	}
	if (i || !*at)
		return false;
	snprintf(out, CLI_WORD_MAX, "%.*s", (int)strcspn(at, " "), at);
	return true;
}

unsigned int cli_command_n_words(const struct cli_command *command)
{
	char word[CLI_WORD_MAX];
	unsigned int n = 0;

	while (cli_command_word(command, n, word))
		n++;
	return n;
}

const char *cli_call_value(const struct cli_call *call, const char *metavar)
{
	for (unsigned int i = 0; i < CLI_PARAMETERS_MAX; i++)
		if (call->command->parameters[i].metavar && strcmp(call->command->parameters[i].metavar, metavar) == 0)
			return call->values[i];
	return NULL;
}

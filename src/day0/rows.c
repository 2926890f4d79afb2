/* SPDX-License-Identifier: Apache-2.0 */
#include "day0/rows.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"

static bool all_of(const char *text, size_t min, size_t max, const char *more)
{
	size_t len = strlen(text);

	if (len < min || len > max)
		return false;
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr(more, *text))
			return false;
	return true;
}

/* RFC 1123, section 2.1 */
static bool is_host_name(const char *text)
{
	return all_of(text, 1, 63, "-.") && *text != '-' && *text != '.';
}

static bool is_host(const char *text)
{
	return all_of(text, 1, 253, "-.:") && *text != '-';
}

static bool is_ipv4(const char *text)
{
	struct in_addr address;

	return inet_pton(AF_INET, text, &address) == 1;
}

static bool is_management_address(const char *text)
{
	const char *slash = strchr(text, '/');
	char address[INET_ADDRSTRLEN];

	if (strcmp(text, "dhcp") == 0)
		return true;
	if (!slash || (size_t)(slash - text) >= sizeof(address) || !all_of(slash + 1, 1, 2, "") ||
		!isdigit((unsigned char)slash[1]) || atoi(slash + 1) < 1 || atoi(slash + 1) > 32)
		return false;
	snprintf(address, sizeof(address), "%.*s", (int)(slash - text), text);
	return is_ipv4(address);
}

static bool is_ssh_key(const char *text)
{
	static const char *const types[] = {"ssh-ed25519 AAAA", "ssh-rsa AAAA", "ecdsa-sha2-nistp256 AAAA",
		"ecdsa-sha2-nistp384 AAAA", "ecdsa-sha2-nistp521 AAAA", "sk-ssh-ed25519@openssh.com AAAA"};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strncmp(text, types[i], strlen(types[i])) == 0)
			return strlen(text) < 8192;
	return false;
}

/* crypt(5): as it stands in shadow(5) */
static bool is_password_hash(const char *text)
{
	return *text == '$' && all_of(text, 20, 255, "$./=,-_");
}

static bool is_word(const char *text)
{
	return all_of(text, 1, 32, "-_") && isalpha((unsigned char)*text);
}

static bool is_name(const char *text)
{
	return all_of(text, 1, 63, "-_.") && *text != '.';
}

/* RFC 3414, section 11.2, asks for eight characters; quotes and backslashes would end snmpd's own */
static bool is_passphrase(const char *text)
{
	size_t len = strlen(text);

	return len >= 8 && len <= 128 && !strpbrk(text, "\"\\");
}

/* RFC 3411, section 5: SnmpEngineID has 5 to 32 octets */
static bool is_engine_id(const char *text)
{
	size_t len = strlen(text);

	return len >= 10 && len <= 64 && len % 2 == 0 && strspn(text, "0123456789abcdefABCDEF") == len;
}

static bool is_trap_kind(const char *text)
{
	return strcmp(text, "trap") == 0 || strcmp(text, "inform") == 0;
}

static bool is_log_disk(const char *text)
{
	return strcmp(text, "format") == 0 || strcmp(text, "none") == 0;
}

static bool is_pem(const char *text)
{
	return strncmp(text, "-----BEGIN ", 11) == 0;
}

static bool is_port(const char *text)
{
	return all_of(text, 1, 5, "") && strspn(text, "0123456789") == strlen(text) && atoi(text) >= 1 &&
	       atoi(text) <= 65535;
}

static bool is_base64(const char *text)
{
	return all_of(text, 4, 1u << 20, "+/=");
}

static bool is_file_name(const char *text)
{
	return is_name(text);
}

static bool is_anything(const char *text)
{
	return *text;
}

bool day0_is_mac(const char *text)
{
	unsigned int byte[6];
	char end;

	return strlen(text) == 17 && sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &byte[0], &byte[1], &byte[2], &byte[3],
					     &byte[4], &byte[5], &end) == 6;
}

/* 0000:00:05.0, as lspci -D prints it */
static bool is_pci(const char *text)
{
	unsigned int number[4];
	char end;

	return strlen(text) == 12 &&
	       sscanf(text, "%4x:%2x:%2x.%1x%c", &number[0], &number[1], &number[2], &number[3], &end) == 4;
}

static bool is_mac_or_pci(const char *text)
{
	return day0_is_mac(text) || is_pci(text);
}

/* mgmt0, port1a, port1b, port2a … */
bool day0_is_port_name(const char *text)
{
	unsigned int number;
	char side, end;

	if (strcmp(text, "mgmt0") == 0)
		return true;
	return sscanf(text, "port%2u%c%c", &number, &side, &end) == 2 && number >= 1 && (side == 'a' || side == 'b');
}

const char *const day0_section_headings[DAY0_SECTION_N] = {
	[DAY0_ROOT] = "At the root",
	[DAY0_MANAGEMENT] = "management",
	[DAY0_SNMP_USER] = "snmp_users[]",
	[DAY0_SNMP_TRAP] = "snmp_traps[]",
	[DAY0_LOG_HOST] = "log_hosts[]",
	[DAY0_LOG_TARGET] = "log_targets[]",
	[DAY0_LOG_CREDENTIALS] = "log_credentials[]",
	[DAY0_PORTS] = "ports",
	[DAY0_CERTIFICATE] = "certificates[]",
	[DAY0_RULE_FILE] = "rule_files[]",
};

/* text in PEM, or the name of a file that holds it */
#define PEM_ROWS(name, is_secret, what)                                                                              \
	{DAY0_LOG_CREDENTIALS, name, .secret = is_secret, .block = true, .good = is_pem,                             \
		.allowed = "write \"" name ": |\" and the PEM text on the lines below it, indented", .example = "|", \
		.help = what ", in PEM"},                                                                            \
		{DAY0_LOG_CREDENTIALS, name "_file", .good = is_file_name,                                           \
			.allowed = "the name of a file on the same medium is needed", .example = name ".pem",        \
			.help = "the same, as a file on the medium"}

const struct day0_row day0_rows[] = {
	{DAY0_ROOT, "hostname", .good = is_host_name, .allowed = "letters, digits, '-' and '.', at most 63",
		.example = "sluice-1", .help = "name of the appliance"},
	{DAY0_ROOT, "management", DAY0_MAPPING, DAY0_MANAGEMENT, .help = "the management interface"},
	{DAY0_ROOT, "time_servers", DAY0_LIST, .good = is_host, .allowed = "a list of names or addresses is needed",
		.example = "[192.0.2.123]", .help = "NTP servers, beside those that DHCP names"},
	{DAY0_ROOT, "ssh_keys", DAY0_LIST, .good = is_ssh_key,
		.allowed = "a list of public keys as in ssh-keygen's .pub files is needed",
		.example = "[ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA operator]",
		.help = "who may log in as admin over SSH; without one SSH stays off"},
	{DAY0_ROOT, "admin_password_hash", .secret = true, .good = is_password_hash,
		.allowed = "a hash as `openssl passwd -6` prints it is needed", .example = "$6$salt$hash",
		.help = "password of admin on the console; without it nobody can log in there"},
	{DAY0_ROOT, "snmp_users", DAY0_OBJECTS, DAY0_SNMP_USER, .help = "SNMPv3 users; without one SNMP stays off"},
	{DAY0_ROOT, "snmp_traps", DAY0_OBJECTS, DAY0_SNMP_TRAP, .help = "who gets SNMPv3 notifications"},
	{DAY0_ROOT, "snmp_engine_id", .good = is_engine_id, .allowed = "10 to 64 hexadecimal digits, an even number",
		.example = "80001f8804736c756963652d31",
		.help = "SNMP engine id, which receivers of traps have to know; without it snmpd makes one"},
	{DAY0_ROOT, "log_hosts", DAY0_OBJECTS, DAY0_LOG_HOST,
		.help = "where the operating system's own log goes over RELP; Sluice's logs go to log_targets"},
	{DAY0_ROOT, "log_targets", DAY0_OBJECTS, DAY0_LOG_TARGET,
		.help = "where Sluice's logs go; added to the configuration, which can have them instead "
			"(docs/logging.md)"},
	{DAY0_ROOT, "log_credentials", DAY0_OBJECTS, DAY0_LOG_CREDENTIALS,
		.help = "what log targets with TLS need, imported before the configuration is committed"},
	{DAY0_ROOT, "log_disk", .good = is_log_disk, .allowed = "allowed are format and none", .example = "format",
		.help = "format: a second disk that is blank is formatted and takes logs and spool; one that has the "
			"label sluice-log takes them without this"},
	{DAY0_ROOT, "ports", DAY0_MAPPING, DAY0_PORTS,
		.help = "which network interface is which; without it they are taken in the order of their PCI "
			"addresses: mgmt0, port1a, port1b, port2a …"},
	{DAY0_ROOT, "certificates", DAY0_OBJECTS, DAY0_CERTIFICATE,
		.help = "certificates with private keys, imported before the configuration is committed"},
	{DAY0_ROOT, "configuration", .block = true, .good = is_anything,
		.allowed = "write \"configuration: |\" and Sluice's configuration on the lines below it, indented",
		.example = "|", .help = "Sluice's first configuration (docs/configuration.md)"},
	{DAY0_ROOT, "configuration_file", .good = is_file_name,
		.allowed = "the name of a file on the same medium is needed", .example = "sluice.yaml",
		.help = "the same, as a file on the medium"},
	{DAY0_ROOT, "rule_files", DAY0_OBJECTS, DAY0_RULE_FILE, .help = "filter packages that the configuration names"},

	{DAY0_MANAGEMENT, "address", .required = true, .good = is_management_address,
		.allowed = "an IPv4 address with its prefix, such as 192.0.2.10/24, or dhcp is needed",
		.example = "192.0.2.10/24", .help = "address of mgmt0, or dhcp"},
	{DAY0_MANAGEMENT, "gateway", .good = is_ipv4, .allowed = "an IPv4 address is needed", .example = "192.0.2.1",
		.help = "default gateway"},
	{DAY0_MANAGEMENT, "dns", DAY0_LIST, .good = is_ipv4, .allowed = "a list of IPv4 addresses is needed",
		.example = "[192.0.2.53]", .help = "name servers"},

	{DAY0_SNMP_USER, "name", .required = true, .good = is_word,
		.allowed = "letters, digits, '-' and '_', at most 32", .example = "monitor",
		.help = "name of the user"},
	{DAY0_SNMP_USER, "auth_passphrase", .required = true, .secret = true, .good = is_passphrase,
		.allowed = "8 to 128 characters without quotes and backslashes", .example = "a long passphrase",
		.help = "for authentication (SHA-256)"},
	{DAY0_SNMP_USER, "privacy_passphrase", .required = true, .secret = true, .good = is_passphrase,
		.allowed = "8 to 128 characters without quotes and backslashes", .example = "another passphrase",
		.help = "for encryption (AES)"},

	{DAY0_LOG_HOST, "host", .required = true, .good = is_host, .allowed = "a name or an IPv4 address is needed",
		.example = "logs.example.net", .help = "the log server"},
	{DAY0_LOG_HOST, "port", .required = true, .good = is_port, .allowed = "1 to 65535", .example = "2514",
		.help = "TCP port"},

	{DAY0_SNMP_TRAP, "host", .required = true, .good = is_host, .allowed = "a name or an IPv4 address is needed",
		.example = "192.0.2.20", .help = "the receiver"},
	{DAY0_SNMP_TRAP, "port", .good = is_port, .allowed = "1 to 65535", .example = "162",
		.help = "UDP port; without it 162"},
	{DAY0_SNMP_TRAP, "user", .required = true, .good = is_word,
		.allowed = "letters, digits, '-' and '_', at most 32", .example = "monitor",
		.help = "which of snmp_users they are from"},
	{DAY0_SNMP_TRAP, "kind", .good = is_trap_kind, .allowed = "allowed are trap and inform", .example = "trap",
		.help = "trap (without it), or inform, which the receiver acknowledges; for informs the user's "
			"passphrases stay in a file that only root reads"},

	{DAY0_LOG_TARGET, "name", .required = true, .good = is_word,
		.allowed = "letters, digits, '-' and '_', at most 32", .example = "siem", .help = "name of the target"},
	{DAY0_LOG_TARGET, "host", .required = true, .good = is_host, .allowed = "a name or an IPv4 address is needed",
		.example = "logs.example.net", .help = "the log server"},
	{DAY0_LOG_TARGET, "port", .good = is_port, .allowed = "1 to 65535", .example = "2514", .help = "TCP port"},
	{DAY0_LOG_TARGET, "protocol", .good = is_word, .allowed = "a word such as relp_tls is needed",
		.example = "relp_tls", .help = "as in the configuration"},
	{DAY0_LOG_TARGET, "credentials", .good = is_word, .allowed = "letters, digits, '-' and '_', at most 32",
		.example = "siem", .help = "which of log_credentials it uses"},
	{DAY0_LOG_TARGET, "certificate_name", .good = is_host, .allowed = "a name is needed",
		.example = "logs.example.net", .help = "name in the server's certificate; without it that of the host"},

	{DAY0_LOG_CREDENTIALS, "name", .required = true, .good = is_word,
		.allowed = "letters, digits, '-' and '_', at most 32", .example = "siem",
		.help = "name that log targets use"},
	PEM_ROWS("ca", false, "certificate of the CA that the log server's must chain to"),
	PEM_ROWS("certificate", false, "the appliance's own certificate"),
	PEM_ROWS("key", true, "its private key, without a password"),

	{DAY0_PORTS, "", .good = is_mac_or_pci, .good_key = day0_is_port_name,
		.allowed = "a MAC (52:54:00:00:00:0a) or PCI address (0000:00:05.0) is needed",
		.example = "52:54:00:00:00:0a", .help = "mgmt0, port1a, port1b, port2a …: a MAC or a PCI address"},

	{DAY0_CERTIFICATE, "name", .required = true, .good = is_name,
		.allowed = "letters, digits, '-', '_' and '.', at most 63", .example = "web",
		.help = "name in the certificate store"},
	{DAY0_CERTIFICATE, "pkcs12", .secret = true, .block = true, .good = is_base64, .allowed = "base64 is needed",
		.example = "MIIKYA==", .help = "PKCS#12 with certificate, chain and private key, in base64"},
	{DAY0_CERTIFICATE, "pkcs12_file", .good = is_file_name,
		.allowed = "the name of a file on the same medium is needed", .example = "web.p12",
		.help = "the same, as a file on the medium"},
	{DAY0_CERTIFICATE, "password", .required = true, .secret = true, .good = is_anything,
		.allowed = "the password of the PKCS#12 file is needed", .example = "secret", .help = "its password"},

	{DAY0_RULE_FILE, "name", .required = true, .good = is_name,
		.allowed = "letters, digits, '-', '_' and '.', at most 63", .example = "local.rules",
		.help = "as the configuration names it; without text: a file on the medium"},
	{DAY0_RULE_FILE, "text", .block = true, .good = is_anything,
		.allowed = "write \"text: |\" and the rules on the lines below it, indented", .example = "|",
		.help = "its content"},
	{0},
};

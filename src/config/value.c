/* SPDX-License-Identifier: Apache-2.0 */
#include "config/value.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/common.h"
#include "config/config.h"

#define VALUE_PATH_MAX 1023
#define VALUE_HOST_MAX 253   /* RFC 1035 section 3.1, as text */
#define VALUE_SOCKET_MAX 107 /* unix(7) */
#define DAYS_MAX 1000
#define VLAN_ID_MAX 4094 /* IEEE 802.1Q: 4095 is reserved */

/* decimal digits only, no sign, no leading zero (YAML 1.1 would read 010 as eight) */
static bool value_digits(const char *text, size_t len, unsigned int max, unsigned int *out)
{
	uint64_t v = 0;

	if (!len || len > 10 || (text[0] == '0' && len > 1))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)text[i]))
			return false;
		v = v * 10 + (text[i] - '0');
	}
	*out = (unsigned int)v;
	return v <= max;
}

static const char *value_copy(const char *text, void *out)
{
	char *copy = strdup(text);

	if (!copy)
		return "cannot be kept, the memory is full";
	*(char **)out = copy;
	return NULL;
}

static bool value_all(const char *text, const char *more)
{
	for (const char *c = text; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr(more, *c))
			return false;
	return true;
}

static const char *value_parse_name(const struct schema_row *row, const char *text, void *out)
{
	if (!*text || strlen(text) > CONFIG_NAME_MAX || !value_all(text, "-_."))
		return "is not a name";
	if (text[0] == '.') /* names become file names in the state directory */
		return "begins with a dot";
	return value_copy(text, out);
}

/* what the resolver is asked for, and what librelp and certificates know it by */
static const char *value_parse_host(const struct schema_row *row, const char *text, void *out)
{
	if (!*text || strlen(text) > VALUE_HOST_MAX || !value_all(text, "-_.:") || strchr("-.", text[0]))
		return "is not the name or address of a host";
	return value_copy(text, out);
}

static const char *value_parse_interface(const struct schema_row *row, const char *text, void *out)
{
	if (!*text || strlen(text) >= IFNAMSIZ || !value_all(text, "-_.@") || text[0] == '.')
		return "is not a network interface";
	return value_copy(text, out);
}

static const char *value_parse_path(const struct schema_row *row, const char *text, void *out)
{
	if (!*text || strlen(text) > VALUE_PATH_MAX || text[strlen(text) - 1] == '/')
		return "is not a file";
	return value_copy(text, out);
}

static const char *value_parse_absolute_path(const struct schema_row *row, const char *text, void *out)
{
	if (*text != '/' || strlen(text) > VALUE_SOCKET_MAX || text[strlen(text) - 1] == '/')
		return "is not an absolute path";
	return value_copy(text, out);
}

static const char *value_parse_filter(const struct schema_row *row, const char *text, void *out)
{
	unsigned int sid;

	if (!value_digits(text, strlen(text), UINT32_MAX, &sid) || !sid)
		return "is not a filter's number";
	return value_copy(text, out);
}

static const char *value_parse_number(const struct schema_row *row, const char *text, void *out)
{
	unsigned int v;

	if (!value_digits(text, strlen(text), UINT32_MAX, &v))
		return "is not a whole number";
	if (v < row->min || v > row->max)
		return "is out of range";
	*(unsigned int *)out = v;
	return NULL;
}

static const char *value_parse_switch(const struct schema_row *row, const char *text, void *out)
{
	static const char *const words[] = {"off", "no", "false", "on", "yes", "true"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcasecmp(text, words[i]) == 0) {
			*(bool *)out = i >= ARRAY_SIZE(words) / 2;
			return NULL;
		}
	}
	return "is not a switch";
}

int value_word(const struct schema_word *words, const char *text)
{
	for (; words->name; words++)
		if (strcmp(words->name, text) == 0)
			return words->value;
	return -1;
}

static const char *value_parse_word(const struct schema_row *row, const char *text, void *out)
{
	int v = value_word(row->words, text);

	if (v < 0)
		return "is not known";
	*(unsigned int *)out = v;
	return NULL;
}

static const char *value_parse_cidr(const struct schema_row *row, const char *text, void *out)
{
	struct config_cidr *cidr = out;
	char address[INET_ADDRSTRLEN];
	unsigned int prefix = 32;
	const char *slash = strchrnul(text, '/');

	if (strchr(text, ':'))
		return "is an IPv6 address, and only IPv4 is decrypted";
	if ((size_t)(slash - text) >= sizeof(address))
		return "is not an IPv4 address or network";
	snprintf(address, sizeof(address), "%.*s", (int)(slash - text), text);
	if (inet_pton(AF_INET, address, &cidr->address) != 1 ||
		(*slash && !value_digits(slash + 1, strlen(slash + 1), 32, &prefix)))
		return "is not an IPv4 address or network";
	cidr->prefix = prefix;
	if (prefix < 32 && ntohl(cidr->address.s_addr) & UINT32_MAX >> prefix)
		return "has bits set beyond its prefix";
	return NULL;
}

static bool value_cidr_covers(const void *wide, const void *narrow)
{
	const struct config_cidr *w = wide, *n = narrow;
	uint32_t differ = ntohl(w->address.s_addr) ^ ntohl(n->address.s_addr);

	return w->prefix <= n->prefix && (w->prefix == 0 || differ >> (32 - w->prefix) == 0);
}

/* LOW or LOW-HIGH */
static bool value_range(const char *text, unsigned int max, struct config_range *range)
{
	const char *dash = strchrnul(text, '-');
	unsigned int low, high;

	if (!value_digits(text, dash - text, max, &low))
		return false;
	high = low;
	if (*dash && !value_digits(dash + 1, strlen(dash + 1), max, &high))
		return false;
	*range = (struct config_range){low, high};
	return low >= 1;
}

static const char *value_parse_port(const struct schema_row *row, const char *text, void *out)
{
	struct config_range *range = out;

	if (!value_range(text, 65535, range))
		return "is not a port";
	return range->low > range->high ? "is a range that ends before it begins" : NULL;
}

static const char *value_parse_vlan(const struct schema_row *row, const char *text, void *out)
{
	struct config_range *range = out;

	if (strcmp(text, "untagged") == 0) {
		*range = (struct config_range){0, 0};
		return NULL;
	}
	if (!value_range(text, VLAN_ID_MAX, range))
		return "is not a VLAN";
	return range->low > range->high ? "is a range that ends before it begins" : NULL;
}

static const char *value_parse_days(const struct schema_row *row, const char *text, void *out)
{
	struct config_range *range = out;

	return value_range(text, DAYS_MAX, range) && range->low == range->high ? NULL : "is not a number of days";
}

/* LOW:HIGH, either of which may be missing */
static bool value_is_port_item(const char *text)
{
	const char *colon = strchrnul(text, ':');
	unsigned int low = 0, high;

	if (colon > text && !value_digits(text, colon - text, 65535, &low))
		return false;
	if (!*colon || !colon[1])
		return colon > text;
	return value_digits(colon + 1, strlen(colon + 1), 65535, &high) && low <= high;
}

/* one item of a list in a filter's head; a list in a list is another variable */
static const char *value_parse_item(const struct schema_row *row, const char *text, void *out)
{
	const char *item = text + (*text == '!');
	struct config_cidr cidr;

	if (strlen(text) > CONFIG_NAME_MAX)
		return "is too long";
	if (item[0] == '$' ? !item[1] || !value_all(item + 1, "_")
			   : strcmp(item, "any") && !value_is_port_item(item) && value_parse_cidr(row, item, &cidr))
		return "is no address, network, port or variable";
	return value_copy(text, out);
}

static bool value_range_covers(const void *wide, const void *narrow)
{
	const struct config_range *w = wide, *n = narrow;

	return w->low <= n->low && n->high <= w->high;
}

static bool value_string_covers(const void *wide, const void *narrow)
{
	return strcmp(*(char *const *)wide, *(char *const *)narrow) == 0;
}

#define HOST_ALLOWED "allowed are a name of at most 253 characters, an IPv4 or an IPv6 address"
#define NAME_ALLOWED "allowed are 1 to 63 letters, digits, '-', '_' and '.', not beginning with '.'"

const struct value_type value_types[SCHEMA_TYPE_N] = {
	[SCHEMA_TYPE_NAME] = {"name", 0, NAME_ALLOWED, value_parse_name, NULL},
	[SCHEMA_TYPE_INTERFACE] = {"network interface", 0,
		"allowed are 1 to 15 letters, digits, '-', '_', '.' and '@', such as ens4", value_parse_interface,
		NULL},
	[SCHEMA_TYPE_NUMBER] = {"number", 0, NULL, value_parse_number, NULL},
	[SCHEMA_TYPE_SWITCH] = {"switch", 0, "allowed are on and off", value_parse_switch, NULL},
	[SCHEMA_TYPE_WORD] = {"word", 0, NULL, value_parse_word, NULL},
	[SCHEMA_TYPE_REFERENCE] = {"name of another object", 0, NULL, NULL, NULL},
	[SCHEMA_TYPE_CIDRS] = {"list of IPv4 addresses and networks", sizeof(struct config_cidr),
		"allowed are addresses such as 10.9.0.2 and networks such as 10.9.1.0/24, without host bits",
		value_parse_cidr, value_cidr_covers},
	[SCHEMA_TYPE_PORTS] = {"list of ports and ranges", sizeof(struct config_range),
		"allowed are 1 to 65535 or a range such as 8443-8450", value_parse_port, value_range_covers},
	[SCHEMA_TYPE_VLANS] = {"list of VLAN ids and ranges", sizeof(struct config_range),
		"allowed are 1 to 4094, a range such as 20-30, or untagged", value_parse_vlan, value_range_covers},
	[SCHEMA_TYPE_DAYS] = {"list of days", sizeof(struct config_range), "allowed are 1 to 1000", value_parse_days,
		value_range_covers},
	[SCHEMA_TYPE_NAMES] = {"list of names", sizeof(char *), NAME_ALLOWED, value_parse_name, value_string_covers},
	[SCHEMA_TYPE_PATHS] = {"list of files", sizeof(char *),
		"allowed are paths of 1 to 1023 bytes, absolute or relative to the configuration file",
		value_parse_path, value_string_covers},
	[SCHEMA_TYPE_ITEMS] = {"list of addresses or ports", sizeof(char *),
		"allowed are any, 10.9.0.0/16, 443, 8000:8099, $NAME, each with ! before it to exclude it (then in "
		"quotes)",
		value_parse_item, value_string_covers},
	[SCHEMA_TYPE_WORDS] = {"list of words", 0, NULL, NULL, NULL},
	[SCHEMA_TYPE_PATH] = {"absolute path", 0, "allowed are absolute paths of at most 107 bytes",
		value_parse_absolute_path, NULL},
	[SCHEMA_TYPE_FILTER] = {"filter number", 0, "allowed are 1 to 4294967295", value_parse_filter, NULL},
	[SCHEMA_TYPE_HOST] = {"host", 0, HOST_ALLOWED, value_parse_host, NULL},
	[SCHEMA_TYPE_HOSTS] = {"list of hosts", sizeof(char *), HOST_ALLOWED, value_parse_host, value_string_covers},
	[SCHEMA_TYPE_PROTOCOLS] = {"list of protocols", 0, NULL, NULL, NULL},
	[SCHEMA_TYPE_KEYS] = {"keys", 0, NULL, NULL, NULL},
	[SCHEMA_TYPE_OBJECTS] = {"list", 0, NULL, NULL, NULL},
};

static void value_allowed_words(const struct schema_word *words, char out[VALUE_TEXT_MAX])
{
	size_t n = snprintf(out, VALUE_TEXT_MAX, "allowed are");

	for (const struct schema_word *w = words; w->name; w++)
		n += snprintf(out + n, VALUE_TEXT_MAX - n, "%s%s",
			w == words  ? " "
			: w[1].name ? ", "
				    : " and ",
			w->name);
}

void value_allowed(const struct schema_row *row, char out[VALUE_TEXT_MAX])
{
	if (row->words)
		value_allowed_words(row->words, out);
	else if (row->type == SCHEMA_TYPE_NUMBER)
		snprintf(out, VALUE_TEXT_MAX, "allowed are %u to %u %s", row->min, row->max, row->unit);
	else
		snprintf(out, VALUE_TEXT_MAX, "%s", value_types[row->type].allowed);
}

void value_quote(const char *text, char out[VALUE_QUOTE_MAX])
{
	const size_t room = VALUE_QUOTE_MAX - sizeof("\"...\"");
	size_t len = strlen(text);
	bool cut = len > room;

	if (cut)
		for (len = room; len && ((unsigned char)text[len] & 0xc0) == 0x80;)
			len--;
	snprintf(out, VALUE_QUOTE_MAX, "\"%.*s%s\"", (int)len, text, cut ? "..." : "");
}

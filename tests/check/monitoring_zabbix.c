/* SPDX-License-Identifier: Apache-2.0 */
/* A template for Zabbix 6.0 and later. */
#include <string.h>

#include "base/common.h"
#include "monitoring.h"

#define TEMPLATE "Sluice by SNMP"

/* DateAndTime as Zabbix gets it: octets in hexadecimal */
#define TIME_SCRIPT                                                                              \
	"var b = value.trim().split(/\\\\s+/).map(function (h) { return parseInt(h, 16); });\\n" \
	"return Math.floor(Date.UTC(b[0] * 256 + b[1], b[2] - 1, b[3], b[4], b[5], b[6]) / 1000);"
/* the rows' names are in their indexes, byte by byte */
#define NAME_SCRIPT                                                                                            \
	"return JSON.stringify(JSON.parse(value).map(function (row) {\\n"                                      \
	"  row['{#NAME}'] = row['{#SNMPINDEX}'].split('.').map(function (n) { return String.fromCharCode(n); " \
	"}).join('');\\n"                                                                                      \
	"  return row;\\n}));"

/* the same for the same thing, as Zabbix wants it: a version 4 UUID without dashes */
static void write_uuid(FILE *out, const char *indent, const char *kind, const char *name)
{
	uint64_t hash[2] = {0xcbf29ce484222325u, 0x84222325cbf29ce4u};

	for (int half = 0; half < 2; half++) {
		const char *const parts[] = {kind, " ", name};

		for (size_t p = 0; p < ARRAY_SIZE(parts); p++)
			for (const char *c = parts[p]; *c; c++)
				hash[half] = (hash[half] ^ (unsigned char)*c) * 0x100000001b3u;
	}
	hash[0] = (hash[0] & ~0xf000ull) | 0x4000;
	hash[1] = (hash[1] & ~(3ull << 62)) | 2ull << 62;
	fprintf(out, "%suuid: %016llx%016llx\n", indent, (unsigned long long)hash[0], (unsigned long long)hash[1]);
}

static void write_preprocessing(FILE *out, const char *indent, enum mib_syntax syntax)
{
	if (syntax == MIB_COUNTER)
		fprintf(out, "%spreprocessing:\n%s- type: CHANGE_PER_SECOND\n%s  parameters: [\"\"]\n", indent, indent,
			indent);
	if (syntax == MIB_TIME)
		fprintf(out, "%spreprocessing:\n%s- type: JAVASCRIPT\n%s  parameters: [\"" TIME_SCRIPT "\"]\n", indent,
			indent, indent);
}

static void write_unit(FILE *out, const char *indent, const struct mib_object *object)
{
	const char *unit = object->units;

	if (object->syntax == MIB_TIME)
		unit = "unixtime";
	else if (unit && !strcmp(unit, "bytes"))
		unit = object->syntax == MIB_COUNTER ? "Bps" : "B";
	else if (unit && !strcmp(unit, "seconds"))
		unit = "s";
	else if (unit)
		unit = object->syntax == MIB_COUNTER ? "!/s" : NULL; /* an exclamation mark: no prefix like K */
	if (unit)
		fprintf(out, "%sunits: '%s'\n", indent, unit);
}

/* the part of an item that items and prototypes have in common */
static void write_item(FILE *out, const char *indent, const struct monitoring_object *shown)
{
	const struct mib_object *object = shown->object;
	bool text = object->syntax == MIB_TEXT, counter = object->syntax == MIB_COUNTER;

	fprintf(out, "%sdelay: %s\n", indent, text ? "15m" : "1m");
	fprintf(out, "%svalue_type: %s\n", indent, text ? "CHAR" : counter ? "FLOAT" : "UNSIGNED");
	if (text)
		fprintf(out, "%strends: '0'\n", indent);
	write_unit(out, indent, object);
	fprintf(out, "%sdescription: ", indent);
	monitoring_quote(out, object->description);
	fputc('\n', out);
	if (object->syntax == MIB_WORD || object->syntax == MIB_TRUTH)
		fprintf(out, "%svaluemap:\n%s  name: %s\n", indent, indent,
			object->syntax == MIB_TRUTH ? "TruthValue" : object->name);
	write_preprocessing(out, indent, object->syntax);
}

/* --- triggers ------------------------------------------------------------------------------------------------------
 */

/* expression: with %s for the item */
static const struct trigger {
	const char *object, *expression, *name, *priority;
} triggers[] = {
	{"sluDeviceInspection", "last(%s)=3", "SSL inspection is in fallback", "HIGH"},
	{"sluDeviceFallbackSegments", "last(%s)>0", "A segment is in layer-2 fallback", "HIGH"},
	{"sluDeviceCrashLoop", "last(%s)=1", "Workers end again and again", "HIGH"},
	{"sluDeviceSessionsState", "last(%s)=2", "Sessions have reached the warning threshold", "WARNING"},
	{"sluDeviceSessionsState", "last(%s)=3", "Sessions have reached the critical threshold", "HIGH"},
	{"sluDeviceKeysUnavailable", "last(%s)>0", "A private key is not available", "HIGH"},
	{"sluDeviceKeyKeeper", "last(%s)=2", "The key keeper does not run", "HIGH"},
	{"sluDeviceLogProcess", "last(%s)=2", "The log process does not run", "HIGH"},
	{"sluDeviceSpoolFailing", "last(%s)=1", "The spool of log records cannot be written", "HIGH"},
	{"sluDeviceConfigsRejected", "last(%s)>0", "A configuration was rejected", "WARNING"},
	{"sluTargetDown", "last(%s)=1", "Log target {#NAME} is down", "AVERAGE"},
	{"sluPortLink", "last(%s)<>1", "Port {#NAME} has no link", "HIGH"},
	{"sluCertNotAfter", "last(%s)-now()<14*86400", "Certificate {#NAME} ends within 14 days", "WARNING"},
};

static void write_triggers(FILE *out, const char *indent, const char *key, const struct monitoring_object *shown)
{
	bool first = true;
	char item[160];

	snprintf(item, sizeof(item), "/" TEMPLATE "/%s", key);
	for (size_t i = 0; i < ARRAY_SIZE(triggers); i++) {
		const struct trigger *trigger = &triggers[i];
		char expression[256];

		if (strcmp(trigger->object, shown->object->name))
			continue;
		if (first)
			fprintf(out, "%s%s:\n", indent, shown->table ? "trigger_prototypes" : "triggers");
		first = false;
		fprintf(out, "%s", indent);
		write_uuid(out, "- ", "trigger", trigger->name);
		snprintf(expression, sizeof(expression), trigger->expression, item);
		fprintf(out, "%s  expression: ", indent);
		monitoring_quote(out, expression);
		fprintf(out, "\n%s  name: \"%s\"\n%s  priority: %s\n", indent, trigger->name, indent,
			trigger->priority);
	}
}

/* --- items and discovery rules -------------------------------------------------------------------------------------
 */

static void write_device_item(FILE *out, const struct monitoring_object *shown)
{
	char key[128];

	if (shown->table)
		return;
	snprintf(key, sizeof(key), "sluice.%s", shown->object->name);
	fputs("    ", out);
	write_uuid(out, "- ", "item", key);
	fprintf(out, "      name: %s\n      type: SNMP_AGENT\n      snmp_oid: %s.0\n      key: %s\n",
		shown->object->name, shown->oid, key);
	write_item(out, "      ", shown);
	write_triggers(out, "      ", key, shown);
}

static const struct mib_table *discovered;

static void write_prototype(FILE *out, const struct monitoring_object *shown)
{
	char key[128];

	if (shown->table != discovered)
		return;
	snprintf(key, sizeof(key), "sluice.%s[{#SNMPINDEX}]", shown->object->name);
	fputs("      ", out);
	write_uuid(out, "- ", "item", key);
	fprintf(out, "        name: '{#NAME}: %s'\n        type: SNMP_AGENT\n        snmp_oid: '%s.{#SNMPINDEX}'\n",
		shown->object->name, shown->oid);
	fprintf(out, "        key: '%s'\n", key);
	/* a column for every way in which sessions end: there for who wants it */
	if (shown->closed)
		fputs("        discover: NO_DISCOVER\n", out);
	write_item(out, "        ", shown);
	write_triggers(out, "        ", key, shown);
}

static void write_discovery(FILE *out, const struct mib_table *table)
{
	char oid[96];

	monitoring_table_oid(oid, table);
	fputs("    ", out);
	write_uuid(out, "- ", "discovery", table->name);
	fprintf(out,
		"      name: %s\n      type: SNMP_AGENT\n      snmp_oid: 'discovery[{#FACT},%s.1.%u]'\n"
		"      key: sluice.%s\n      delay: 15m\n      description: ",
		table->name, oid, table->objects[1].number, table->name);
	monitoring_quote(out, table->description);
	if (table->objects[0].syntax == MIB_NAME)
		fputs("\n      preprocessing:\n      - type: JAVASCRIPT\n        parameters: [\"" NAME_SCRIPT "\"]\n",
			out);
	else
		fputs("\n      lld_macro_paths:\n      - lld_macro: '{#NAME}'\n        path: \"$.['{#SNMPINDEX}']\"\n",
			out);
	fputs("      item_prototypes:\n", out);
	discovered = table;
	monitoring_each(out, write_prototype);
}

/* --- value maps ----------------------------------------------------------------------------------------------------
 */

static void write_valuemap(FILE *out, const struct monitoring_object *shown)
{
	if (shown->object->syntax != MIB_WORD)
		return;
	fputs("    ", out);
	write_uuid(out, "- ", "valuemap", shown->object->name);
	fprintf(out, "      name: %s\n      mappings:\n", shown->object->name);
	for (int i = 0; shown->object->words[i]; i++)
		fprintf(out, "      - value: '%d'\n        newvalue: '%s'\n", i + 1, shown->object->words[i]);
}

void monitoring_write_zabbix(FILE *out)
{
	fputs("# Written from src/mib and the definitions of the counters: do not edit.\n"
	      "zabbix_export:\n  version: '6.0'\n  groups:\n",
		out);
	write_uuid(out, "  - ", "group", "Templates/Sluice");
	fputs("    name: Templates/Sluice\n  templates:\n", out);
	write_uuid(out, "  - ", "template", TEMPLATE);
	fputs("    template: " TEMPLATE "\n    name: " TEMPLATE
	      "\n    description: \"Sluice, inline TLS inspection: SLUICE-MIB.\"\n"
	      "    groups:\n    - name: Templates/Sluice\n    items:\n",
		out);
	monitoring_each(out, write_device_item);
	fputs("    discovery_rules:\n", out);
	for (size_t i = 0; i < mib_n_tables; i++)
		if (mib_tables[i].metric)
			write_discovery(out, &mib_tables[i]);
	fputs("    valuemaps:\n", out);
	fputs("    ", out);
	write_uuid(out, "- ", "valuemap", "TruthValue");
	fputs("      name: TruthValue\n      mappings:\n      - value: '1'\n        newvalue: 'yes'\n"
	      "      - value: '2'\n        newvalue: 'no'\n",
		out);
	monitoring_each(out, write_valuemap);
}

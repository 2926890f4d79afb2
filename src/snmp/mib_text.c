/* SPDX-License-Identifier: Apache-2.0 */
/* snmp-mib/SLUICE-MIB.txt, written from the arrays of mib.c and from the counters' definitions. */
#include "snmp/mib_text.h"

#include <ctype.h>
#include <string.h>

#include "base/common.h"
#include "snmp/numbers.h"

static const char *const syntax_texts[] = {
	[MIB_TEXT] = "SnmpAdminString (SIZE (0..255))",
	[MIB_NAME] = "SnmpAdminString (SIZE (1..63))",
	[MIB_COUNTER] = "Counter64",
	[MIB_GAUGE] = "Gauge32",
	[MIB_GAUGE64] = "CounterBasedGauge64",
	[MIB_NUMBER] = "Unsigned32",
	[MIB_TIME] = "DateAndTime",
	[MIB_TRUTH] = "TruthValue",
	[MIB_IP_TYPE] = "InetAddressType",
	[MIB_IP] = "InetAddress (SIZE (4))",
	[MIB_PORT] = "InetPortNumber",
	[MIB_SESSION_ID] = "OCTET STRING (SIZE (8))",
};
/* as in a SEQUENCE, without refinement */
static const char *const base_texts[] = {
	[MIB_TEXT] = "SnmpAdminString",
	[MIB_NAME] = "SnmpAdminString",
	[MIB_IP] = "InetAddress",
	[MIB_SESSION_ID] = "OCTET STRING",
	[MIB_WORD] = "INTEGER",
};

void mib_write_descriptor(char out[MIB_DESCRIPTOR_MAX], const char *prefix, const char *words)
{
	size_t n = snprintf(out, MIB_DESCRIPTOR_MAX, "%s", prefix);
	bool upper = n > 0;

	for (; *words && n < MIB_DESCRIPTOR_MAX - 1; words++) {
		if (*words == '_' || *words == ' ') {
			upper = true;
			continue;
		}
		out[n++] = (char)(upper ? toupper((unsigned char)*words) : tolower((unsigned char)*words));
		upper = false;
	}
	out[n] = '\0';
}

static void write_quoted(FILE *out, const char *indent, const char *text)
{
	size_t column = strlen(indent) + 1;

	fprintf(out, "%s\"", indent);
	for (bool first = true; *text; first = false) {
		size_t word = strcspn(text, " ");

		if (!first && column + word + 1 > 78) {
			fprintf(out, "\n%s ", indent);
			column = strlen(indent) + 1;
		} else if (!first) {
			fputc(' ', out);
		}
		for (size_t i = 0; i < word; i++)
			fputc(text[i] == '"' ? '\'' : text[i], out);
		column += word + 1;
		text += word + strspn(text + word, " ");
	}
	fputs("\"\n", out);
}

static void write_syntax(FILE *out, const struct mib_object *object)
{
	char word[MIB_DESCRIPTOR_MAX];

	if (object->syntax != MIB_WORD) {
		fprintf(out, "    SYNTAX      %s\n", syntax_texts[object->syntax]);
		return;
	}
	fputs("    SYNTAX      INTEGER {", out);
	for (int i = 0; object->words[i]; i++) {
		mib_write_descriptor(word, "", object->words[i]);
		fprintf(out, "%s %s(%d)", i ? "," : "", word, i + 1);
	}
	fputs(" }\n", out);
}

static void write_object(FILE *out, const struct mib_object *object, const char *parent, bool index)
{
	fprintf(out, "\n%s OBJECT-TYPE\n", object->name);
	write_syntax(out, object);
	if (object->units)
		fprintf(out, "    UNITS       \"%s\"\n", object->units);
	fprintf(out, "    MAX-ACCESS  %s\n    STATUS      current\n    DESCRIPTION\n",
		index ? "not-accessible" : "read-only");
	write_quoted(out, "        ", object->description);
	fprintf(out, "    ::= { %s %u }\n", parent, object->number);
}

/* --- counters and close reasons as objects ------------------------------------------------------------------------ */

static bool counter_is_in(enum counter_id id, bool server)
{
	return mib_counter_number[id] && (!server || counter_info[id].scope == COUNTER_SCOPE_SERVER);
}

#define COUNTER_NONE UINT32_MAX

/* the counter, or with closed the close reason, of a number */
static unsigned int counter_of_number(uint32_t number, bool server, bool closed)
{
	for (unsigned int i = 0; i < (closed ? (unsigned int)CLOSE_REASON_N : COUNTER_N); i++)
		if (closed ? mib_close_number[i] == number
			   : mib_counter_number[i] == number && counter_is_in(i, server))
			return i;
	return COUNTER_NONE;
}

void mib_each_counter(FILE *out, bool server, bool closed,
	void (*fn)(FILE *out, const struct mib_object *object, const char *parent), const char *parent)
{
	char name[MIB_DESCRIPTOR_MAX], description[512];
	struct mib_object object = {.name = name, .description = description};

	for (uint32_t number = 1; number < MIB_COLUMN_CLOSED; number++) {
		unsigned int i = counter_of_number(number, server, closed);

		if (i == COUNTER_NONE)
			continue;
		object.number = closed ? mib_close_number[i] : mib_counter_number[i];
		if (server)
			object.number += closed ? MIB_COLUMN_CLOSED : MIB_COLUMN_COUNTERS;
		mib_write_descriptor(name, closed ? (server ? "sluSrvEnd" : "sluClosed") : (server ? "sluSrv" : "slu"),
			closed ? close_reason_info[i].name : counter_info[i].name);
		object.units = closed ? "sessions" : counter_info[i].unit;
		object.syntax = !closed && counter_info[i].gauge ? MIB_GAUGE : MIB_COUNTER;
		snprintf(description, sizeof(description), closed ? "Sessions ended: %s." : "%s.",
			closed ? close_reason_info[i].text : counter_info[i].meaning);
		description[0] = (char)toupper((unsigned char)description[0]);
		fn(out, &object, parent);
	}
}

static void write_counter(FILE *out, const struct mib_object *object, const char *parent)
{
	write_object(out, object, parent, false);
}

static void write_column(FILE *out, const struct mib_object *object, const char *parent)
{
	const char *base = base_texts[object->syntax];

	fprintf(out, "%s    %-32s %s", parent, object->name, base ? base : syntax_texts[object->syntax]);
}

static void write_next_column(FILE *out, const struct mib_object *object, const char *parent)
{
	write_column(out, object, ",\n");
}

/* --- tables --------------------------------------------------------------------------------------------------------
 */

static void write_row_type(FILE *out, const struct mib_table *table)
{
	fprintf(out, "\n%s ::= SEQUENCE {\n", table->row);
	for (size_t i = 0; i < table->n; i++)
		write_column(out, &table->objects[i], i ? ",\n" : "");
	if (table->counters) {
		mib_each_counter(out, true, false, write_next_column, NULL);
		mib_each_counter(out, true, true, write_next_column, NULL);
	}
	fputs("\n}\n", out);
}

static void write_table(FILE *out, const struct mib_table *table)
{
	const struct mib_object *index = &table->objects[0];

	fprintf(out,
		"\n%s OBJECT-TYPE\n    SYNTAX      SEQUENCE OF %s\n    MAX-ACCESS  not-accessible\n"
		"    STATUS      current\n    DESCRIPTION\n",
		table->name, table->row);
	write_quoted(out, "        ", table->description);
	fprintf(out, "    ::= { sluObjects %u }\n", table->number);
	fprintf(out,
		"\n%s OBJECT-TYPE\n    SYNTAX      %s\n    MAX-ACCESS  not-accessible\n    STATUS      current\n"
		"    DESCRIPTION\n",
		table->entry, table->row);
	write_quoted(out, "        ", table->entry_description);
	fprintf(out, "    INDEX       { %s%s }\n    ::= { %s 1 }\n", index->syntax == MIB_NAME ? "IMPLIED " : "",
		index->name, table->name);
	write_row_type(out, table);
	for (size_t i = 0; i < table->n; i++)
		write_object(out, &table->objects[i], table->entry, i == 0);
	if (table->counters) {
		mib_each_counter(out, true, false, write_counter, table->entry);
		mib_each_counter(out, true, true, write_counter, table->entry);
	}
}

/* --- notifications -------------------------------------------------------------------------------------------------
 */

static void write_notified_name(FILE *out, const struct mib_notified *notified)
{
	char name[MIB_DESCRIPTOR_MAX];

	if (notified->branch == MIB_COUNTERS) {
		mib_write_descriptor(name, "slu", counter_info[notified->number].name);
		fprintf(out, "%s, ", name);
	}
	for (size_t i = 0; notified->branch == MIB_DEVICE && i < mib_n_device; i++)
		if (mib_device[i].number == notified->number)
			fprintf(out, "%s, ", mib_device[i].name);
	for (size_t t = 0; t < mib_n_tables; t++)
		for (size_t i = 0; notified->branch == mib_tables[t].number && i < mib_tables[t].n; i++)
			if (mib_tables[t].objects[i].number == notified->number)
				fprintf(out, "%s, ", mib_tables[t].objects[i].name);
}

static void write_notifications(FILE *out)
{
	fprintf(out, "\n%s OBJECT-TYPE\n    SYNTAX      Unsigned32\n    UNITS       \"%s\"\n", mib_notify_hits.name,
		mib_notify_hits.units);
	fputs("    MAX-ACCESS  accessible-for-notify\n    STATUS      current\n    DESCRIPTION\n", out);
	write_quoted(out, "        ", mib_notify_hits.description);
	fprintf(out, "    ::= { sluNotify %u }\n", mib_notify_hits.number);
	for (size_t n = 0; n < NOTIFY_N; n++) {
		const struct mib_notification *what = &mib_notifications[n];

		fprintf(out, "\n%s NOTIFICATION-TYPE\n    OBJECTS     { ", what->name);
		for (size_t i = 0; i < MIB_NOTIFIED_MAX; i++)
			write_notified_name(out, &what->objects[i]);
		fprintf(out, "%s }\n    STATUS      current\n    DESCRIPTION\n", mib_notify_hits.name);
		write_quoted(out, "        ", what->description);
		fprintf(out, "    ::= { sluNotifications %zu }\n", n + 1);
	}
}

static void write_notification_groups(FILE *out)
{
	fprintf(out,
		"\nsluNotifyObjectsGroup OBJECT-GROUP\n    OBJECTS { %s }\n    STATUS      current\n    DESCRIPTION\n",
		mib_notify_hits.name);
	fprintf(out, "        \"What only notifications have.\"\n    ::= { sluGroups %u }\n", MIB_NOTIFY);
	fputs("\nsluNotificationsGroup NOTIFICATION-GROUP\n    NOTIFICATIONS {", out);
	for (size_t n = 0; n < NOTIFY_N; n++)
		fprintf(out, "%s\n        %s", n ? "," : "", mib_notifications[n].name);
	fputs("\n    }\n    STATUS      current\n    DESCRIPTION\n        \"What managers are told unasked.\"\n", out);
	fprintf(out, "    ::= { sluGroups %u }\n", MIB_NOTIFY + 1);
}

/* --- conformance ---------------------------------------------------------------------------------------------------
 */

static void write_group_head(FILE *out, const char *name)
{
	fprintf(out, "\n%s OBJECT-GROUP\n    OBJECTS {\n", name);
}

static void write_group_tail(FILE *out, const char *description, unsigned int number)
{
	fprintf(out, "\n    }\n    STATUS      current\n    DESCRIPTION\n");
	write_quoted(out, "        ", description);
	fprintf(out, "    ::= { sluGroups %u }\n", number);
}

/* a separator before all but the first of a group */
static void write_next_member(FILE *out, const struct mib_object *object, const char *group)
{
	static const char *last_group;

	fprintf(out, "%s        %s", last_group == group ? ",\n" : "", object->name);
	last_group = group;
}

static void write_group(FILE *out, const struct mib_table *table)
{
	char name[MIB_DESCRIPTOR_MAX];

	snprintf(name, sizeof(name), "%.*sGroup", (int)(strlen(table->name) - strlen("Table")), table->name);
	write_group_head(out, name);
	for (size_t i = 1; i < table->n; i++)
		write_next_member(out, &table->objects[i], table->name);
	if (table->counters) {
		mib_each_counter(out, true, false, write_next_member, table->name);
		mib_each_counter(out, true, true, write_next_member, table->name);
	}
	write_group_tail(out, table->description, table->number);
}

static void write_groups(FILE *out)
{
	write_group_head(out, "sluDeviceGroup");
	for (size_t i = 0; i < mib_n_device; i++)
		write_next_member(out, &mib_device[i], "sluDevice");
	write_group_tail(out, "The appliance.", MIB_DEVICE);
	write_group_head(out, "sluCountersGroup");
	mib_each_counter(out, false, false, write_next_member, "sluCounters");
	write_group_tail(out, "The device's counters.", MIB_COUNTERS);
	write_group_head(out, "sluClosedGroup");
	mib_each_counter(out, false, true, write_next_member, "sluClosed");
	write_group_tail(out, "Why the device's sessions ended.", MIB_CLOSED);
	for (size_t i = 0; i < mib_n_tables; i++)
		write_group(out, &mib_tables[i]);
}

static void write_compliance(FILE *out)
{
	fputs("\nsluCompliance MODULE-COMPLIANCE\n    STATUS      current\n    DESCRIPTION\n"
	      "        \"What every appliance serves.\"\n    MODULE\n    MANDATORY-GROUPS {\n"
	      "        sluDeviceGroup,\n        sluCountersGroup,\n        sluClosedGroup",
		out);
	for (size_t i = 0; i < mib_n_tables; i++)
		fprintf(out, ",\n        %.*sGroup", (int)(strlen(mib_tables[i].name) - strlen("Table")),
			mib_tables[i].name);
	fputs(",\n        sluNotifyObjectsGroup,\n        sluNotificationsGroup", out);
	fputs("\n    }\n    ::= { sluCompliances 1 }\n", out);
}

/* --- the module ----------------------------------------------------------------------------------------------------
 */

static const char head[] =
	"-- Written from src/snmp and the definitions of the counters: do not edit.\n"
	"SLUICE-MIB DEFINITIONS ::= BEGIN\n"
	"\n"
	"IMPORTS\n"
	"    MODULE-IDENTITY, OBJECT-TYPE, NOTIFICATION-TYPE, Counter64, Gauge32, Unsigned32,\n"
	"    enterprises\n"
	"        FROM SNMPv2-SMI\n"
	"    DateAndTime, TruthValue\n"
	"        FROM SNMPv2-TC\n"
	"    MODULE-COMPLIANCE, OBJECT-GROUP, NOTIFICATION-GROUP\n"
	"        FROM SNMPv2-CONF\n"
	"    SnmpAdminString\n"
	"        FROM SNMP-FRAMEWORK-MIB\n"
	"    InetAddressType, InetAddress, InetPortNumber\n"
	"        FROM INET-ADDRESS-MIB\n"
	"    CounterBasedGauge64\n"
	"        FROM HCNUM-TC;\n"
	"\n"
	"sluiceMIB MODULE-IDENTITY\n"
	"    LAST-UPDATED \"202611252200Z\"\n"
	"    ORGANIZATION \"The Sluice project\"\n"
	"    CONTACT-INFO\n"
	"        \"The operator of the appliance.\"\n"
	"    DESCRIPTION\n"
	"        \"State and counters of Sluice, an inline TLS inspection appliance.\"\n"
	"    REVISION \"202611252200Z\"\n"
	"    DESCRIPTION\n"
	"        \"Segments, virtual segments, health, rates, thresholds, which notifications are\n"
	"         sent; notifications of fallback and of ports.\"\n"
	"    REVISION \"202611250000Z\"\n"
	"    DESCRIPTION\n"
	"        \"Notifications, log targets, rejected configurations.\"\n"
	"    REVISION \"202611230000Z\"\n"
	"    DESCRIPTION\n"
	"        \"First version.\"\n"
	"    ::= { sluRoot 7583 }\n"
	"\n"
	"-- The root: netSnmpPlaypen of NET-SNMP-MIB, which is not imported so that this module loads without it.\n"
	"sluNetSnmp             OBJECT IDENTIFIER ::= { enterprises 8072 }\n"
	"sluNetSnmpExperimental OBJECT IDENTIFIER ::= { sluNetSnmp 9999 }\n"
	"sluRoot                OBJECT IDENTIFIER ::= { sluNetSnmpExperimental 9999 }\n"
	"\n"
	"sluNotifications OBJECT IDENTIFIER ::= { sluiceMIB 0 }\n"
	"sluObjects     OBJECT IDENTIFIER ::= { sluiceMIB 1 }\n"
	"sluConformance OBJECT IDENTIFIER ::= { sluiceMIB 2 }\n"
	"sluGroups      OBJECT IDENTIFIER ::= { sluConformance 1 }\n"
	"sluCompliances OBJECT IDENTIFIER ::= { sluConformance 2 }\n"
	"sluDevice      OBJECT IDENTIFIER ::= { sluObjects 1 }\n"
	"sluCounters    OBJECT IDENTIFIER ::= { sluObjects 2 }\n"
	"sluClosed      OBJECT IDENTIFIER ::= { sluObjects 3 }\n"
	"sluNotify      OBJECT IDENTIFIER ::= { sluObjects 99 }\n";

void mib_write_module(FILE *out)
{
	fputs(head, out);
	for (size_t i = 0; i < mib_n_device; i++)
		write_object(out, &mib_device[i], "sluDevice", false);
	mib_each_counter(out, false, false, write_counter, "sluCounters");
	mib_each_counter(out, false, true, write_counter, "sluClosed");
	for (size_t i = 0; i < mib_n_tables; i++)
		write_table(out, &mib_tables[i]);
	write_notifications(out);
	write_groups(out);
	write_notification_groups(out);
	write_compliance(out);
	fputs("\nEND\n", out);
}

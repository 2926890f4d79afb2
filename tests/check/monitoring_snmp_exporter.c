/* SPDX-License-Identifier: Apache-2.0 */
/* A module for Prometheus' snmp_exporter: metrics are called as in the MIB. */
#include "monitoring.h"

#include "base/common.h"

static const char *indent; /* of the module's keys */

static const char *const types[] = {
	[MIB_TEXT] = "DisplayString",
	[MIB_COUNTER] = "counter",
	[MIB_GAUGE] = "gauge",
	[MIB_GAUGE64] = "gauge",
	[MIB_NUMBER] = "gauge",
	[MIB_TIME] = "DateAndTime",
	[MIB_TRUTH] = "EnumAsStateSet",
	[MIB_PORT] = "gauge",
	[MIB_WORD] = "EnumAsStateSet",
};

static void write_index(FILE *out, const struct mib_object *index)
{
	bool name = index->syntax == MIB_NAME;

	fprintf(out, "%s  indexes:\n%s  - labelname: %s\n%s    type: %s\n", indent, indent, index->name, indent,
		name ? "DisplayString" : "gauge");
	if (name)
		fprintf(out, "%s    implied: true\n", indent);
}

static void write_metric(FILE *out, const struct monitoring_object *shown)
{
	const struct mib_object *object = shown->object;

	fprintf(out, "%s- name: %s\n%s  oid: %s\n%s  type: %s\n%s  help: ", indent, object->name, indent, shown->oid,
		indent, types[object->syntax], indent);
	monitoring_quote(out, object->description);
	fputc('\n', out);
	if (shown->table)
		write_index(out, &shown->table->objects[0]);
	if (object->syntax == MIB_TRUTH)
		fprintf(out, "%s  enum_values:\n%s    1: \"true\"\n%s    2: \"false\"\n", indent, indent, indent);
	if (object->syntax == MIB_WORD)
		fprintf(out, "%s  enum_values:\n", indent);
	for (int i = 0; object->syntax == MIB_WORD && object->words[i]; i++) {
		fprintf(out, "%s    %d: ", indent, i + 1);
		monitoring_quote(out, object->words[i]);
		fputc('\n', out);
	}
}

/* the branches of the MIB that have metrics */
static void write_walk(FILE *out)
{
	char oid[96];

	fprintf(out, "%swalk:\n", indent);
	for (unsigned int branch = MIB_DEVICE; branch <= MIB_CLOSED; branch++) {
		monitoring_table_oid(oid, &(struct mib_table){.number = branch});
		fprintf(out, "%s- %s\n", indent, oid);
	}
	for (size_t i = 0; i < mib_n_tables; i++) {
		if (!mib_tables[i].metric)
			continue;
		monitoring_table_oid(oid, &mib_tables[i]);
		fprintf(out, "%s- %s\n", indent, oid);
	}
}

static void write_module(FILE *out)
{
	write_walk(out);
	fprintf(out, "%smetrics:\n", indent);
	monitoring_each(out, write_metric);
	fprintf(out, "%smax_repetitions: 50\n%sretries: 2\n%stimeout: 10s\n", indent, indent, indent);
}

static const char head[] = "# Written from src/mib and the definitions of the counters: do not edit.\n";

void monitoring_write_snmp_exporter(FILE *out)
{
	fputs(head, out);
	fputs("# For snmp_exporter 0.23 and later. Put your own user and passphrases in.\n"
	      "auths:\n  sluice:\n    version: 3\n    security_level: authPriv\n    username: monitor\n"
	      "    auth_protocol: SHA256\n    password: \"a long passphrase\"\n    priv_protocol: AES\n"
	      "    priv_password: \"another long passphrase\"\n"
	      "modules:\n  sluice:\n",
		out);
	indent = "    ";
	write_module(out);
}

void monitoring_write_snmp_exporter_old(FILE *out)
{
	fputs(head, out);
	fputs("# For snmp_exporter up to 0.22. Put your own user and passphrases in.\nsluice:\n", out);
	indent = "  ";
	write_module(out);
	fputs("  version: 3\n  auth:\n    security_level: authPriv\n    username: monitor\n    auth_protocol: SHA256\n"
	      "    password: \"a long passphrase\"\n    priv_protocol: AES\n"
	      "    priv_password: \"another long passphrase\"\n",
		out);
}

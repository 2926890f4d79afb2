/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-monitoring-doc WHAT: a file of provisioning/monitoring, or docs/counters.md. */
#include "monitoring.h"

#include "generated.h"

static const uint32_t root[] = MIB_ROOT;

static void write_root(char out[96])
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(root); i++)
		n += snprintf(out + n, 96 - n, "%s%u", i ? "." : "", root[i]);
}

void monitoring_table_oid(char out[96], const struct mib_table *table)
{
	write_root(out);
	snprintf(out + strlen(out), 96 - strlen(out), ".1.%u", table->number);
}

/* what mib_each_counter() passes through */
static struct {
	void (*fn)(FILE *out, const struct monitoring_object *object);
	const struct mib_table *table;
	bool closed;
} walk;

static void each_object(FILE *out, const struct mib_object *object, const char *parent)
{
	struct monitoring_object shown = {.table = walk.table, .object = object, .closed = walk.closed};

	write_root(shown.oid);
	snprintf(shown.oid + strlen(shown.oid), sizeof(shown.oid) - strlen(shown.oid), "%s.%u", parent, object->number);
	walk.fn(out, &shown);
}

static void each_table(FILE *out, const struct mib_table *table)
{
	char parent[32];

	snprintf(parent, sizeof(parent), ".1.%u.1", table->number);
	walk.table = table;
	for (size_t i = 1; i < table->n; i++)
		each_object(out, &table->objects[i], parent);
	if (!table->counters)
		return;
	mib_each_counter(out, true, false, each_object, parent);
	walk.closed = true;
	mib_each_counter(out, true, true, each_object, parent);
	walk.closed = false;
}

void monitoring_each(FILE *out, void (*fn)(FILE *out, const struct monitoring_object *object))
{
	walk.fn = fn;
	walk.table = NULL;
	for (size_t i = 0; i < mib_n_device; i++)
		each_object(out, &mib_device[i], ".1.1");
	mib_each_counter(out, false, false, each_object, ".1.2");
	walk.closed = true;
	mib_each_counter(out, false, true, each_object, ".1.3");
	walk.closed = false;
	for (size_t i = 0; i < mib_n_tables; i++)
		if (mib_tables[i].metric)
			each_table(out, &mib_tables[i]);
}

void monitoring_quote(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static const struct {
	const char *name;
	void (*write)(FILE *out);
} documents[] = {
	{"snmp-exporter", monitoring_write_snmp_exporter},
	{"snmp-exporter-old", monitoring_write_snmp_exporter_old},
	{"zabbix", monitoring_write_zabbix},
	{"librenms", monitoring_write_librenms},
	{"grafana", monitoring_write_grafana},
	{"counters", monitoring_write_counters},
};

static int document(int argc, char **argv, void (*write)(FILE *out))
{
	int r = generated_main(argc, argv, write);

	if (r && argc > 1)
		fputs("or all of them: provisioning/monitoring/write\n", stderr);
	return r;
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(documents); i++)
		if (!strcmp(argv[1], documents[i].name))
			return document(argc - 1, argv + 1, documents[i].write);
	fputs("usage: sluice-monitoring-doc snmp-exporter|snmp-exporter-old|zabbix|librenms|grafana|counters [--check "
	      "FILE]\n",
		stderr);
	return 2;
}

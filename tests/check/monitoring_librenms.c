/* SPDX-License-Identifier: Apache-2.0 */
/* LibreNMS: what it finds on an appliance (discovery), from the MIB's arrays. Names of rows are in their indexes, which
 * it shows as numbers: a fact of the row stands for the name. */
#include <string.h>

#include "base/common.h"
#include "monitoring.h"

/* generic states of LibreNMS: 0 good, 1 warning, 2 critical, 3 unknown; of words that are not good */
static const struct {
	const char *word;
	int generic;
} bad_words[] = {
	{"fallback", 2},
	{"no configuration", 1},
	{"restarting", 2},
	{"hung", 2},
	{"warning", 1},
	{"critical", 2},
	{"no live worker", 2},
	{"overload", 2},
	{"command", 1},
	{"refused", 2},
	{"down", 2},
	{"missing", 2},
	{"half", 1},
};

/* truth values for which true is bad */
static const char *const bad_truths[] = {
	"sluDeviceCrashLoop", "sluDeviceKeystoreLocked", "sluDeviceSpoolFailing", "sluTargetDown"};

static int generic_of(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad_words); i++)
		if (!strcmp(bad_words[i].word, word))
			return bad_words[i].generic;
	return 0;
}

static bool is_bad_truth(const struct mib_object *object)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad_truths); i++)
		if (!strcmp(bad_truths[i], object->name))
			return true;
	return false;
}

/* a row's fact that people know it by */
static const char *row_name(const struct mib_table *table)
{
	return table->objects[table->objects[1].syntax == MIB_TEXT ? 1 : 2].name;
}

static void write_sensor(FILE *out, const struct monitoring_object *shown)
{
	const struct mib_object *object = shown->object;

	fprintf(out, "                -\n                    oid: %s\n                    value: %s\n",
		shown->table ? shown->table->name : object->name, object->name);
	if (shown->table)
		fprintf(out,
			"                    num_oid: '.%s.{{ $index }}'\n"
			"                    descr: '%s {{ %s }}'\n"
			"                    index: '%s.{{ $index }}'\n",
			shown->oid, object->name, row_name(shown->table), object->name);
	else
		fprintf(out,
			"                    num_oid: '.%s.{{ $index }}'\n                    descr: %s\n"
			"                    index: '%s.{{ $index }}'\n",
			shown->oid, object->name, object->name);
}

static void write_state_row(FILE *out, int value, int generic, const char *word)
{
	fprintf(out, "                        - { value: %d, generic: %d, graph: 1, descr: '%s' }\n", value, generic,
		word);
}

static void write_state(FILE *out, const struct monitoring_object *shown)
{
	const struct mib_object *object = shown->object;
	bool truth = object->syntax == MIB_TRUTH;

	if (!truth && object->syntax != MIB_WORD)
		return;
	write_sensor(out, shown);
	fprintf(out, "                    state_name: %s\n                    states:\n", object->name);
	if (truth) {
		write_state_row(out, 1, is_bad_truth(object) ? 2 : 0, "yes");
		write_state_row(out, 2, 0, "no");
	}
	for (int i = 0; !truth && object->words[i]; i++)
		write_state_row(out, i + 1, generic_of(object->words[i]), object->words[i]);
}

static void write_count(FILE *out, const struct monitoring_object *shown)
{
	if (shown->object->syntax == MIB_GAUGE || shown->object->syntax == MIB_GAUGE64)
		write_sensor(out, shown);
}

void monitoring_write_librenms(FILE *out)
{
	fputs("# Written from src/mib and the definitions of the counters: do not edit.\n"
	      "# LibreNMS: resources/definitions/os_discovery/sluice.yaml\n"
	      "mib: SLUICE-MIB\n"
	      "modules:\n"
	      "    os:\n"
	      "        version: SLUICE-MIB::sluDeviceVersion.0\n"
	      "        hardware: SLUICE-MIB::sluDeviceCpuModel.0\n"
	      "        features: SLUICE-MIB::sluDeviceKeyEngine.0\n"
	      "    sensors:\n"
	      "        state:\n"
	      "            data:\n",
		out);
	monitoring_each(out, write_state);
	fputs("        count:\n            data:\n", out);
	monitoring_each(out, write_count);
}

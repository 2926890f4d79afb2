/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-mib: snmp-mib/SLUICE-MIB.txt from the MIB's arrays and the counters' definitions. With `objects`: one line for
 * every object of the device and column of a table, for tests that ask for all of them. */
#include "generated.h"
#include "snmp/mib_text.h"

static const char *const syntaxes[] = {
	[MIB_TEXT] = "text",
	[MIB_NAME] = "name",
	[MIB_COUNTER] = "counter",
	[MIB_GAUGE] = "gauge",
	[MIB_GAUGE64] = "gauge64",
	[MIB_NUMBER] = "number",
	[MIB_TIME] = "time",
	[MIB_TRUTH] = "truth",
	[MIB_IP_TYPE] = "ip_type",
	[MIB_IP] = "ip",
	[MIB_PORT] = "port",
	[MIB_SESSION_ID] = "session_id",
	[MIB_WORD] = "word",
};

/* branch, number, descriptor, syntax, report, rows, key, words: columns parted by tabs, words by commas */
static void write_objects(FILE *out, uint32_t branch, enum mib_report report, const char *rows,
	const struct mib_object *objects, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		fprintf(out, "%u\t%u\t%s\t%s\t%s\t%s\t%s\t", branch, objects[i].number, objects[i].name,
			syntaxes[objects[i].syntax], mib_report_names[report], rows, objects[i].key ?: "");
		for (size_t w = 0; objects[i].words && objects[i].words[w]; w++)
			fprintf(out, "%s%s", w ? "," : "", objects[i].words[w]);
		fputc('\n', out);
	}
}

int main(int argc, char **argv)
{
	if (argc != 2 || strcmp(argv[1], "objects"))
		return generated_main(argc, argv, mib_write_module);
	write_objects(stdout, MIB_DEVICE, MIB_STATUS, "", mib_device, mib_n_device);
	for (size_t t = 0; t < mib_n_tables; t++)
		write_objects(stdout, mib_tables[t].number, mib_tables[t].report, mib_tables[t].rows,
			mib_tables[t].objects, mib_tables[t].n);
	return 0;
}

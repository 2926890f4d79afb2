/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-mib: snmp-mib/SLUICE-MIB.txt from the MIB's arrays and the counters' definitions. With `objects`: one line for
 * every object of the device and column of a table, for tests that ask for all of them. `published FILE` holds the
 * arrays to what was published, `names` writes such a file. */
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

/* --- what was published stays ------------------------------------------------------------------------------------- */

/* name below sluObjects, descriptor, syntax: a line for every object */
static void write_name(FILE *out, const struct mib_object *object, const char *parent)
{
	fprintf(out, "%s.%u %s %s\n", parent, object->number, object->name, syntaxes[object->syntax]);
}

static void write_names(FILE *out)
{
	char parent[32];

	for (size_t i = 0; i < mib_n_device; i++)
		write_name(out, &mib_device[i], "1");
	mib_each_counter(out, false, false, write_name, "2");
	mib_each_counter(out, false, true, write_name, "3");
	for (size_t t = 0; t < mib_n_tables; t++) {
		snprintf(parent, sizeof(parent), "%u.1", mib_tables[t].number);
		for (size_t i = 0; i < mib_tables[t].n; i++)
			write_name(out, &mib_tables[t].objects[i], parent);
		if (!mib_tables[t].counters)
			continue;
		mib_each_counter(out, true, false, write_name, parent);
		mib_each_counter(out, true, true, write_name, parent);
	}
	for (size_t i = 0; i < NOTIFY_N; i++)
		fprintf(out, "0.%zu %s notification\n", i + 1, mib_notifications[i].name);
}

static bool has_line(const char *text, const char *line)
{
	size_t n = strlen(line);

	for (const char *at = strstr(text, line); at; at = strstr(at + 1, line))
		if ((at == text || at[-1] == '\n') && at[n] == '\n')
			return true;
	return false;
}

/* every line of the file is one of ours still */
static int check_published(const char *path)
{
	_cleanup_free_ char *text = NULL;
	char line[256];
	size_t len = 0;
	FILE *out = open_memstream(&text, &len), *published = fopen(path, "r");
	int moved = 0;

	if (!out || !published) {
		perror(path);
		return 1;
	}
	write_names(out);
	fclose(out);
	while (fgets(line, sizeof(line), published)) {
		line[strcspn(line, "\n")] = '\0';
		if (*line == '#' || has_line(text, line))
			continue;
		fprintf(stderr, "was published and is gone or another: %s\n", line);
		moved++;
	}
	fclose(published);
	return moved != 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "published"))
		return check_published(argv[2]);
	if (argc == 2 && !strcmp(argv[1], "names")) {
		write_names(stdout);
		return 0;
	}
	if (argc != 2 || strcmp(argv[1], "objects"))
		return generated_main(argc, argv, mib_write_module);
	write_objects(stdout, MIB_DEVICE, MIB_STATUS, "", mib_device, mib_n_device);
	for (size_t t = 0; t < mib_n_tables; t++)
		write_objects(stdout, mib_tables[t].number, mib_tables[t].report, mib_tables[t].rows,
			mib_tables[t].objects, mib_tables[t].n);
	return 0;
}

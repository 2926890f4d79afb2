/* SPDX-License-Identifier: Apache-2.0 */
#include "day0/rows.h"
#include "day0/settings.h"

static const char *const kind_names[] = {
	[DAY0_SCALAR] = "value", [DAY0_LIST] = "list", [DAY0_MAPPING] = "mapping", [DAY0_OBJECTS] = "list of mappings"};

static void document_row(FILE *out, const struct day0_row *row)
{
	fprintf(out, "| `%s` | %s%s | %s%s | %s%s%s |\n", *row->key ? row->key : "NAME", kind_names[row->kind],
		row->required ? ", needed" : "", row->help, row->secret ? " (secret)" : "", row->example ? "`" : "",
		row->example ? row->example : "", row->example ? "`" : "");
}

void day0_write_document(FILE *out)
{
	fputs("<!-- written from src/day0/rows.c by `sluice-day0 schema` -->\n"
	      "# Settings of day 0\n\n"
	      "What a deployment tells an appliance for its first boot. [deployment.md](deployment.md) says how it "
	      "gets\n"
	      "there. The keys stand at the root of the document, or below a key `sluice`, so that the same document "
	      "may\n"
	      "serve cloud-init. `sluice-day0 check FILE` says what is wrong with one.\n",
		out);
	for (unsigned int section = 0; section < DAY0_SECTION_N; section++) {
		fprintf(out, "\n## %s%s%s\n\n| key | kind | meaning | example |\n|---|---|---|---|\n",
			section ? "`" : "", day0_section_headings[section], section ? "`" : "");
		for (const struct day0_row *row = day0_rows; row->key; row++)
			if (row->section == (enum day0_section)section)
				document_row(out, row);
	}
	fputs("\nIn an OVF environment a property has the name of its setting (`hostname`, `management.address`), a "
	      "list's\n"
	      "items stand between commas, and `user_data` is a whole document in base64, then the only one looked "
	      "at.\n",
		out);
}

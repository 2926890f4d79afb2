/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "config/schema.h"
#include "config/value.h"

static const char document_head[] =
	"# Configuration\n"
	"\n"
	"<!-- Written by sluice-config-doc from src/config/schema.c: change it there. -->\n"
	"\n"
	"The configuration is one YAML document. `sluice check FILE` says what is wrong with it, where, and what is\n"
	"allowed; `sluice commit FILE` puts it into force, all of it or nothing. Each commit is kept as a numbered "
	"version.\n"
	"\n"
	"- A document is at most 4 MiB. Anchors, aliases and tags are refused.\n"
	"- Names have 1 to 63 letters, digits, `-`, `_` and `.`, and do not begin with a dot.\n"
	"- Two SSL servers of one profile must not claim the same destination and port.\n"
	"- A network interface is one port of one segment.\n"
	"- A profile with `parent: NAME` has every key that it does not give from that profile, which may stand before "
	"or "
	"after\n"
	"  it and have a parent of its own. `filter_packages` and `ssl_policies` are the parent's and then its own; an "
	"SSL "
	"policy\n"
	"  of the same name takes the place of the inherited one, as a whole. A change of the parent is a change of "
	"all "
	"that\n"
	"  inherit from it.\n"
	"- A `locked` SSL policy stays as it is, also where it is inherited: a commit or rollback that would remove or "
	"unlock it,\n"
	"  give it another SSL server or other exceptions, or put another in its place in a child, is refused; with\n"
	"  `--override-locked` it is done, and the Audit log says which policy and who. What the lock does not cover: "
	"the "
	"SSL\n"
	"  server itself, and which virtual segment has the profile.\n"
	"- Keys and passwords never stand here: `certificates` are names in the certificate store (`sluice certificate "
	"import`).\n"
	"\n";

static void document_row_default(FILE *out, const struct schema_row *row)
{
	if (row->required)
		fputs("required", out);
	else if (!row->default_text)
		fputs(row->type == SCHEMA_TYPE_KEYS ? "its defaults" : "none", out);
	else
		fprintf(out, row->type == SCHEMA_TYPE_PROTOCOLS || row->type == SCHEMA_TYPE_WORDS ? "`[%s]`" : "`%s`",
			row->default_text);
}

static void document_row_values(FILE *out, const struct schema_row *row)
{
	switch (row->type) {
	case SCHEMA_TYPE_NUMBER:
		fprintf(out, "%u to %u %s", row->min, row->max, row->unit);
		return;
	case SCHEMA_TYPE_SWITCH:
		fputs("`on`, `off`", out);
		return;
	case SCHEMA_TYPE_REFERENCE:
		fprintf(out, "a name from `%s`", schema_sections[row->target].heading);
		return;
	case SCHEMA_TYPE_KEYS:
		fputs("keys, see below", out);
		return;
	case SCHEMA_TYPE_OBJECTS:
		fprintf(out, "list of at most %u %s", row->max, schema_sections[row->target].plural);
		return;
	default:
		break;
	}
	fputs(value_types[row->type].name, out);
	if (value_types[row->type].item_size)
		fprintf(out, ", %u to %u entries", row->min, row->max);
	for (const struct schema_word *w = row->words; w && w->name; w++)
		fprintf(out, "%s`%s`", w == row->words ? ": " : ", ", w->name);
}

static void document_row(FILE *out, const struct schema_row *row)
{
	fprintf(out, "| `%s` | ", row->key);
	document_row_values(out, row);
	fputs(" | ", out);
	document_row_default(out, row);
	fprintf(out, " | %s%s%s |\n", row->help, row->no_effect ? ". No effect in this version: " : "",
		row->no_effect ? row->no_effect : "");
}

static void document_section(FILE *out, enum schema_section section)
{
	const struct schema_section_info *info = &schema_sections[section];

	if (*info->heading)
		fprintf(out, "## %s\n\n%s\n\n", info->heading, info->help);
	else
		fprintf(out, "## Sections\n\n");
	fputs("| key | values | default | meaning |\n|---|---|---|---|\n", out);
	for (const struct schema_row *row = NULL; (row = schema_next(section, row));)
		document_row(out, row);
	fputc('\n', out);
}

static void example_section(FILE *out, enum schema_section section, unsigned int indent);

static void example_value(FILE *out, const struct schema_row *row)
{
	char line[160];

	snprintf(line, sizeof(line), "%s: %s", row->key, row->example);
	fprintf(out, "%-46s # %s\n", line, row->help);
}

static void example_row(FILE *out, const struct schema_row *row, unsigned int indent)
{
	if (row->type == SCHEMA_TYPE_KEYS || row->type == SCHEMA_TYPE_OBJECTS) {
		fprintf(out, "%s:\n", row->key);
		example_section(out, row->target, indent + 2);
		return;
	}
	example_value(out, row);
}

/* one object of the section; "- " before the first key of a list's item */
static void example_section(FILE *out, enum schema_section section, unsigned int indent)
{
	unsigned int item = schema_sections[section].size ? 2 : 0;
	bool first = true;

	for (const struct schema_row *row = NULL; (row = schema_next(section, row)); first = false) {
		if (row->type != SCHEMA_TYPE_KEYS && row->type != SCHEMA_TYPE_OBJECTS && !row->example)
			continue;
		fprintf(out, "%*s%s", indent, "", !item ? "" : first ? "- " : "  ");
		example_row(out, row, indent + item);
	}
}

void schema_write_example(FILE *out)
{
	example_section(out, SCHEMA_ROOT, 0);
}

void schema_write_document(FILE *out)
{
	fputs(document_head, out);
	for (enum schema_section section = 0; section < SCHEMA_SECTION_N; section++)
		document_section(out, section);
	fputs("## An example\n\nWith every key that has an effect.\n\n```yaml\n", out);
	schema_write_example(out);
	fputs("```\n", out);
}

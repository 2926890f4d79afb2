/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <expat.h>

#include "base/base64.h"
#include "base/common.h"
#include "day0/rows.h"
#include "day0/settings.h"

#define OVF_PROPERTIES_MAX 64
/* of VMware's and the standard's names alike: the part behind the name space's separator counts */
#define OVF_SEPARATOR '|'

struct ovf {
	XML_Parser parser;
	bool environment;
	size_t n;
	struct {
		char *key, *value;
	} property[OVF_PROPERTIES_MAX];
};

static const char *ovf_local(const char *name)
{
	const char *separator = strrchr(name, OVF_SEPARATOR);

	return separator ? separator + 1 : name;
}

static void ovf_start(void *data, const char *element, const char **attributes)
{
	struct ovf *ovf = data;
	const char *key = NULL, *value = NULL;

	if (strcmp(ovf_local(element), "Environment") == 0)
		ovf->environment = true;
	if (strcmp(ovf_local(element), "Property") != 0 || ovf->n == OVF_PROPERTIES_MAX)
		return;
	for (; attributes[0]; attributes += 2) {
		if (strcmp(ovf_local(attributes[0]), "key") == 0)
			key = attributes[1];
		else if (strcmp(ovf_local(attributes[0]), "value") == 0)
			value = attributes[1];
	}
	if (!key || !value || !*value)
		return;
	ovf->property[ovf->n].key = strdup(key);
	ovf->property[ovf->n].value = strdup(value);
	if (ovf->property[ovf->n].key && ovf->property[ovf->n].value)
		ovf->n++;
}

/* entities are how XML documents grow without end */
static void ovf_entity(void *data, const char *name, int is_parameter, const char *value, int length, const char *base,
	const char *system_id, const char *public_id, const char *notation)
{
	struct ovf *ovf = data;

	XML_StopParser(ovf->parser, XML_FALSE);
}

static void ovf_clear(struct ovf *ovf)
{
	for (size_t i = 0; i < ovf->n; i++) {
		free(ovf->property[i].key);
		free(ovf->property[i].value);
	}
}

static int ovf_parse(const char *xml, size_t len, struct ovf *ovf)
{
	XML_Parser parser = XML_ParserCreateNS(NULL, OVF_SEPARATOR);
	bool good;

	if (!parser)
		return -ENOMEM;
	XML_SetUserData(parser, ovf);
	XML_SetStartElementHandler(parser, ovf_start);
	XML_SetEntityDeclHandler(parser, ovf_entity);
	ovf->parser = parser;
	good = XML_Parse(parser, xml, (int)len, XML_TRUE) == XML_STATUS_OK;
	XML_ParserFree(parser);
	return good && ovf->environment ? 0 : -EINVAL;
}

static const char *ovf_value(const struct ovf *ovf, const char *key)
{
	for (size_t i = 0; i < ovf->n; i++)
		if (strcmp(ovf->property[i].key, key) == 0)
			return ovf->property[i].value;
	return NULL;
}

/* in YAML's single quotes, where only the quote itself is special; line breaks of XML become spaces */
static void ovf_write_quoted(FILE *out, const char *text, size_t len)
{
	while (len && text[len - 1] == ' ')
		len--;
	for (; len && *text == ' '; len--)
		text++;
	fputc('\'', out);
	for (; len; text++, len--)
		fputs(*text == '\'' ? "''" : (char[]){*text == '\n' || *text == '\r' ? ' ' : *text, '\0'}, out);
	fputc('\'', out);
}

static void ovf_write_list(FILE *out, const char *text)
{
	fputc('[', out);
	while (*text) {
		size_t len = strcspn(text, ",");

		if (strspn(text, " ") < len) {
			ovf_write_quoted(out, text, len);
			fputs(", ", out);
		}
		text += len + (text[len] == ',');
	}
	fputs("]", out);
}

static void ovf_write_rows(FILE *out, const struct ovf *ovf, enum day0_section section, const char *prefix)
{
	char key[128];

	for (const struct day0_row *row = day0_rows; row->key; row++) {
		const char *value;

		if (row->section != section || !*row->key)
			continue;
		snprintf(key, sizeof(key), "%s%s", prefix, row->key);
		value = ovf_value(ovf, key);
		if (!value || (row->kind != DAY0_SCALAR && row->kind != DAY0_LIST))
			continue;
		fprintf(out, "%s%s: ", *prefix ? "  " : "", row->key);
		if (row->kind == DAY0_LIST)
			ovf_write_list(out, value);
		else
			ovf_write_quoted(out, value, strlen(value));
		fputc('\n', out);
	}
}

static int ovf_write(const struct ovf *ovf, char **out, size_t *out_len)
{
	FILE *file = open_memstream(out, out_len);

	if (!file)
		return -ENOMEM;
	ovf_write_rows(file, ovf, DAY0_ROOT, "");
	if (ovf_value(ovf, "management.address")) {
		fputs("management:\n", file);
		ovf_write_rows(file, ovf, DAY0_MANAGEMENT, "management.");
	}
	return fclose(file) == 0 ? 0 : -ENOMEM;
}

int day0_from_ovf(const char *xml, size_t len, char **out, size_t *out_len)
{
	_cleanup_(ovf_clear) struct ovf ovf = {0};
	const char *user_data;
	int r = len <= DAY0_DOCUMENT_MAX ? ovf_parse(xml, len, &ovf) : -EINVAL;

	if (r < 0)
		return r;
	user_data = ovf_value(&ovf, "user_data");
	if (user_data)
		return base64_decode(user_data, strlen(user_data), (uint8_t **)out, out_len);
	return ovf_write(&ovf, out, out_len);
}

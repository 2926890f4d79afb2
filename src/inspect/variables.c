/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/variables.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/span.h"

/* with the values that Suricata and Snort ship */
static const struct {
	const char *name, *ports;
} usual_ports[] = {
	{"$HTTP_PORTS", "80"},
	{"$SHELLCODE_PORTS", "!80"},
	{"$ORACLE_PORTS", "1521"},
	{"$SSH_PORTS", "22"},
	{"$DNP3_PORTS", "20000"},
	{"$MODBUS_PORTS", "502"},
	{"$FILE_DATA_PORTS", "[80,110,143]"},
	{"$FTP_PORTS", "21"},
	{"$SMTP_PORTS", "25"},
};

const char *variables_find(const struct variables *variables, const char *name)
{
	for (size_t i = 0; i < variables->n; i++)
		if (!strcmp(variables->items[i].name, name + 1))
			return variables->items[i].value;
	for (size_t i = 0; i < ARRAY_SIZE(usual_ports); i++)
		if (!strcmp(usual_ports[i].name, name))
			return usual_ports[i].ports;
	return NULL;
}

static struct span take_word(struct span *line)
{
	size_t n = 0;
	struct span word;

	while (line->len && isspace(line->data[0]))
		span_skip(line, 1);
	while (n < line->len && !isspace(line->data[n]))
		n++;
	word = SPAN(line->data, n);
	span_skip(line, n);
	while (line->len && isspace(line->data[0]))
		span_skip(line, 1);
	return word;
}

static bool begins_definition(struct span *line)
{
	static const char *const words[] = {"var", "ipvar", "portvar"};
	struct span rest = *line, word = take_word(&rest);

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (word.len == strlen(words[i]) && !memcmp(word.data, words[i], word.len)) {
			*line = rest;
			return true;
		}
	return false;
}

static int add(struct variables *variables, struct span name, struct span value)
{
	struct variable *grown = realloc(variables->items, (variables->n + 1) * sizeof(*grown));
	struct variable *added;

	if (!grown)
		return -ENOMEM;
	variables->items = grown;
	added = &grown[variables->n];
	added->name = strndup((const char *)name.data, name.len);
	added->value = strndup((const char *)value.data, value.len);
	if (!added->name || !added->value) {
		free(added->name);
		free(added->value);
		return -ENOMEM;
	}
	variables->n++;
	return 0;
}

int variables_read_line(struct variables *variables, struct span line, char *reason, size_t reason_size)
{
	struct span name;

	if (!begins_definition(&line))
		return 1;
	name = take_word(&line);
	if (!name.len || !line.len || memchr(line.data, '\0', line.len)) {
		snprintf(reason, reason_size, "a variable without a name or a value");
		return -EINVAL;
	}
	for (size_t i = 0; i < variables->n; i++) {
		const struct variable *other = &variables->items[i];

		if (strlen(other->name) != name.len || memcmp(other->name, name.data, name.len))
			continue;
		if (strlen(other->value) == line.len && !memcmp(other->value, line.data, line.len))
			return 0;
		snprintf(reason, reason_size, "variable %.40s has another value already: %.80s", other->name,
			other->value);
		return -EINVAL;
	}
	return add(variables, name, line);
}

void variables_clear(struct variables *variables)
{
	for (size_t i = 0; i < variables->n; i++) {
		free(variables->items[i].name);
		free(variables->items[i].value);
	}
	free(variables->items);
	*variables = (struct variables){0};
}

/* SPDX-License-Identifier: Apache-2.0 */
/* flow, flowbits, noalert */
#include <errno.h>
#include <string.h>

#include "inspect/parser.h"

static int flow_direction(struct parser *p, enum dir_mask dir)
{
	if (p->has_direction && p->filter->dirs != dir)
		return parser_fail(p, "flow names both directions");
	p->has_direction = true;
	p->filter->dirs = dir;
	return 0;
}

static int flow_item(struct parser *p, const char *item)
{
	/* every decrypted stream is established; records are read as a stream, whatever the filter prefers */
	static const char *const no_change[] = {"established", "stateless", "only_stream", "no_frag"};

	if (!strcmp(item, "no_stream")) {
		p->by_packet = true;
		return 0;
	}
	if (!strcmp(item, "to_server") || !strcmp(item, "from_client"))
		return flow_direction(p, DIR_SERVER);
	if (!strcmp(item, "to_client") || !strcmp(item, "from_server"))
		return flow_direction(p, DIR_CLIENT);
	for (size_t i = 0; i < ARRAY_SIZE(no_change); i++)
		if (!strcmp(item, no_change[i]))
			return 0;
	return parser_fail(p, "flow:%.30s cannot apply to a decrypted stream", item);
}

int keyword_flow(struct parser *p, char *value)
{
	char *item, *rest = value;
	int r = 0;

	while (r == 0 && filter_lex_item(&rest, &item))
		r = flow_item(p, item);
	return r;
}

static int flowbit_index(struct parser *p, const char *name, uint16_t *out)
{
	struct flowbit_names *names = p->flowbits;
	char **grown, *copy;

	if (!*name || strlen(name) > FLOWBIT_NAME_MAX)
		return parser_fail(p, "flowbits: name is empty or too long");
	for (size_t i = 0; i < names->n; i++)
		if (!strcmp(names->names[i], name)) {
			*out = (uint16_t)i;
			return 0;
		}
	if (names->n == FLOWBITS_MAX)
		return parser_fail(p, "flowbits: too many names");
	copy = strdup(name);
	grown = copy ? realloc(names->names, (names->n + 1) * sizeof(*grown)) : NULL;
	if (!grown) {
		free(copy);
		return -ENOMEM;
	}
	names->names = grown;
	names->names[names->n] = copy;
	*out = (uint16_t)names->n++;
	return 0;
}

/* a|b|c */
static int flowbit_list(struct parser *p, struct flowbit *flowbit, char *text)
{
	char *save = NULL;

	for (char *name = strtok_r(text, "| ", &save); name; name = strtok_r(NULL, "| ", &save)) {
		int r;

		if (flowbit->n_bits == ARRAY_SIZE(flowbit->bits))
			return parser_fail(p, "flowbits: more than %zu alternatives", ARRAY_SIZE(flowbit->bits));
		r = flowbit_index(p, name, &flowbit->bits[flowbit->n_bits]);
		if (r < 0)
			return r;
		flowbit->n_bits++;
	}
	return flowbit->n_bits ? 0 : parser_fail(p, "flowbits without a name");
}

int keyword_flowbits(struct parser *p, char *value)
{
	char *command, *name, *rest = value;
	struct flowbit *flowbit;

	if (!filter_lex_item(&rest, &command))
		return parser_fail(p, "flowbits without a command");
	if (!strcmp(command, "noalert"))
		return keyword_noalert(p, NULL);
	if (p->filter->n_flowbits == FILTER_FLOWBITS_MAX)
		return parser_fail(p, "more than %d flowbits", FILTER_FLOWBITS_MAX);
	if (!filter_lex_item(&rest, &name) || rest)
		return parser_fail(p, "flowbits is not \"command,name\"");
	flowbit = &p->filter->flowbits[p->filter->n_flowbits];
	for (size_t i = 0; i < FLOWBIT_COMMANDS; i++) {
		if (strcmp(command, flowbit_commands[i]))
			continue;
		flowbit->command = (enum flowbit_command)i;
		p->filter->n_flowbits++;
		return flowbit_list(p, flowbit, name);
	}
	return parser_fail(p, "flowbits: unknown command %.30s", command);
}

/* Of the flags of packets a decrypted stream knows how it began, and that there was payload: [*+!]flags[,ignored] */
int keyword_flags(struct parser *p, char *value)
{
	bool syn = false, ack = false;
	char *c = value + strspn(value, "*+ ");

	for (; *c && *c != ','; c++) {
		syn |= *c == 'S';
		ack |= *c == 'A';
		if (!strchr("SAP", *c))
			return parser_fail(p, "flags:%.20s: a decrypted stream does not show such packets", value);
	}
	p->opens = syn;
	if (!syn)
		return 0;
	if (p->has_direction && p->filter->dirs != (ack ? DIR_CLIENT : DIR_SERVER))
		return parser_fail(p, "flags: no such packet in the direction that flow names");
	p->has_direction = true;
	p->filter->dirs = ack ? DIR_CLIENT : DIR_SERVER;
	return 0;
}

int keyword_noalert(struct parser *p, char *value)
{
	p->filter->silent = true;
	return 0;
}

void flowbit_names_clear(struct flowbit_names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->names[i]);
	free(names->names);
	*names = (struct flowbit_names){0};
}

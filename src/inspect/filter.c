/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/filter.h"

#include "inspect/regex.h"

void condition_clear(struct condition *condition)
{
	if (condition->type == CONDITION_CONTENT)
		free(condition->content.bytes);
	if (condition->type == CONDITION_PCRE) {
		free(condition->pcre.pattern);
		regex_free(&condition->pcre.regex);
	}
}

bool condition_is_findable(const struct condition *condition)
{
	const struct content *content = &condition->content;

	if (condition->buffer == BUFFER_BASE64)
		return false;
	switch (condition->transforms) {
	case TRANSFORM_NONE:
		return true;
	case TRANSFORM_DOTPREFIX: /* without the dot that the transform puts there (groups.c) */
		return condition->type == CONDITION_CONTENT &&
		       (content->bytes[0] != '.' || (content->len > 1 && !content->fast_len));
	default:
		return false;
	}
}

void filter_free(struct filter **filter)
{
	struct filter *f = *filter;

	if (!f)
		return;
	for (size_t i = 0; i < f->n_conditions; i++)
		condition_clear(&f->conditions[i]);
	free(f->conditions);
	header_clear(&f->header);
	free(f->name);
	free(f->category);
	free(f);
	*filter = NULL;
}

const char *const flowbit_commands[FLOWBIT_COMMANDS] = {
	[FLOWBIT_SET] = "set",
	[FLOWBIT_UNSET] = "unset",
	[FLOWBIT_TOGGLE] = "toggle",
	[FLOWBIT_ISSET] = "isset",
	[FLOWBIT_ISNOTSET] = "isnotset",
};

static void note_command(enum flowbit_command command, bool *sets, bool *asks)
{
	*(command == FLOWBIT_ISSET || command == FLOWBIT_ISNOTSET ? asks : sets) = true;
}

int filter_flowbit_rank(const struct filter *filter)
{
	bool sets = false, asks = false;

	for (unsigned int i = 0; i < filter->n_flowbits; i++)
		note_command(filter->flowbits[i].command, &sets, &asks);
	for (unsigned int i = 0; i < filter->n_xbits; i++)
		note_command(filter->xbits[i].command, &sets, &asks);
	return sets ? asks : 2 + asks;
}

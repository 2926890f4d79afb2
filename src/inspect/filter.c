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

int filter_flowbit_rank(const struct filter *filter)
{
	bool sets = false, asks = false;

	for (unsigned int i = 0; i < filter->n_flowbits; i++) {
		enum flowbit_command command = filter->flowbits[i].command;

		asks |= command == FLOWBIT_ISSET || command == FLOWBIT_ISNOTSET;
		sets |= command != FLOWBIT_ISSET && command != FLOWBIT_ISNOTSET;
	}
	return sets ? asks : 2 + asks;
}

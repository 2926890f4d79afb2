/* SPDX-License-Identifier: Apache-2.0 */
#include "day0/draft.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/system.h"

int draft_open(struct draft *draft)
{
	*draft = (struct draft){0};
	draft->file = open_memstream(&draft->text, &draft->len);
	return draft->file ? 0 : -ENOMEM;
}

void draft_clear(struct draft *draft)
{
	if (draft->text)
		explicit_bzero(draft->text, draft->len);
	free(draft->text);
}

int draft_write(struct draft *draft, const char *path, mode_t mode)
{
	int r = fclose(draft->file) == 0 ? system_write_file(path, mode, draft->text, draft->len) : -ENOMEM;

	draft_clear(draft);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/suggest.h"

#include <ctype.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "base/common.h"

#define SUGGEST_WORD_MAX 64

static bool suggest_same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* one row of the optimal string alignment matrix, from the two rows above it */
static void suggest_row(const char *a, size_t i, const char *b, size_t b_len, const unsigned int *above2,
	const unsigned int *above, unsigned int *row)
{
	row[0] = i;
	for (size_t j = 1; j <= b_len; j++) {
		row[j] = MIN(MIN(above[j], row[j - 1]) + 1, above[j - 1] + !suggest_same(a[i - 1], b[j - 1]));
		if (i > 1 && j > 1 && suggest_same(a[i - 1], b[j - 2]) && suggest_same(a[i - 2], b[j - 1]))
			row[j] = MIN(row[j], above2[j - 2] + 1);
	}
}

unsigned int suggest_distance(const char *a, const char *b)
{
	unsigned int rows[3][SUGGEST_WORD_MAX + 1];
	size_t a_len = strnlen(a, SUGGEST_WORD_MAX + 1), b_len = strnlen(b, SUGGEST_WORD_MAX + 1);

	if (a_len > SUGGEST_WORD_MAX || b_len > SUGGEST_WORD_MAX)
		return UINT_MAX;
	for (size_t j = 0; j <= b_len; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a_len; i++)
		suggest_row(a, i, b, b_len, rows[(i + 1) % 3], rows[(i - 1) % 3], rows[i % 3]);
	return rows[a_len % 3][b_len];
}

void suggest_try(struct suggest *suggest, const char *candidate)
{
	unsigned int distance = suggest_distance(suggest->word, candidate);

	/* a third of the word may be wrong, at least one letter; more is another word */
	if (distance > MAX(1, strlen(suggest->word) / 3) || distance >= strlen(candidate))
		return;
	if (suggest->best && suggest->distance <= distance)
		return;
	suggest->best = candidate;
	suggest->distance = distance;
}

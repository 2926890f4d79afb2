/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <string.h>

#include "inspect/confirm.h"

static bool equal_nocase(const uint8_t *bytes, const uint8_t *lower, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (tolower(bytes[i]) != lower[i])
			return false;
	return true;
}

static const uint8_t *nearer(const uint8_t *a, const uint8_t *b)
{
	if (!a || !b)
		return a ? a : b;
	return a < b ? a : b;
}

static ssize_t find_nocase(const uint8_t *hay, size_t from, size_t to, const uint8_t *lower, size_t len)
{
	int first = lower[0], upper = toupper(lower[0]);
	const uint8_t *end = hay + to - len + 1, *at = hay + from;
	const uint8_t *next_lower = memchr(at, first, (size_t)(end - at));
	const uint8_t *next_upper = upper == first ? NULL : memchr(at, upper, (size_t)(end - at));

	while ((at = nearer(next_lower, next_upper))) {
		if (equal_nocase(at, lower, len))
			return at - hay;
		if (at == next_lower)
			next_lower = memchr(at + 1, first, (size_t)(end - at - 1));
		else
			next_upper = memchr(at + 1, upper, (size_t)(end - at - 1));
	}
	return -1;
}

ssize_t bytes_find(const uint8_t *hay, size_t from, size_t to, const uint8_t *needle, size_t len, bool nocase)
{
	const uint8_t *at;

	if (from > to || to - from < len || !len)
		return -1;
	if (nocase)
		return find_nocase(hay, from, to, needle, len);
	at = memmem(hay + from, to - from, needle, len);
	return at ? at - hay : -1;
}

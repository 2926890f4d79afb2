/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* "did you mean": the candidate nearest to a mistyped word, by edit distance. Offer every candidate with
 * suggest_try(); best is then the nearest one, or NULL when none is near enough to be a likely slip. Borrows all. */
struct suggest {
	const char *word;
	const char *best;
	unsigned int distance; /* of best */
};

void suggest_try(struct suggest *suggest, const char *candidate);
/* insertions, deletions, substitutions and swaps of neighbours that turn a into b; UINT_MAX beyond 64 bytes */
unsigned int suggest_distance(const char *a, const char *b);

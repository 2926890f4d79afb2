/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Inside config/: a tree becomes objects by the schema's rows; then what no single row can say is checked. */
#include "config/config.h"
#include "config/tree.h"

/* Fills a zeroed config from the root; what is wrong goes to problems. References point into config's own arrays. */
void load_config(struct config *config, const struct tree_node *root, struct config_problems *problems);

/* Rules between objects: overlaps, ports used twice, what is unused or never matches. Works on a half-filled config,
 * so that a document's problems are told all at once; warnings only when there is no error at index `from` or after. */
void check_config(
	const struct config *config, const struct tree_node *root, size_t from, struct config_problems *problems);

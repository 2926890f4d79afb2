/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-filters-doc: docs/filter-keywords.md from the tables of keywords, buffers and classes. */
#include "generated.h"
#include "inspect/keyword_meta.h"

int main(int argc, char **argv)
{
	return generated_main(argc, argv, keyword_write_document);
}

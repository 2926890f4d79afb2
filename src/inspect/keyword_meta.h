/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Keywords that say what a filter is rather than what it matches. */
#include "inspect/parser.h"

keyword_fn keyword_msg, keyword_sid, keyword_rev, keyword_gid, keyword_classtype, keyword_priority;

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>

enum close_reason {
#define CLOSE_REASON(id, name, how, severity, text) CLOSE_##id,
#include "stats/close_reasons.def"
#undef CLOSE_REASON
	CLOSE_REASON_N
};

enum close_severity { CLOSE_SEVERITY_INFO, CLOSE_SEVERITY_NOTICE, CLOSE_SEVERITY_WARNING, CLOSE_SEVERITY_ERROR };

struct close_reason_info {
	const char *name, *text;
	bool reset; /* both legs are reset rather than closed */
	enum close_severity severity;
};
extern const struct close_reason_info close_reason_info[CLOSE_REASON_N];

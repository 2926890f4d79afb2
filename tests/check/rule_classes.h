/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Sorts the lines of rule files, as text: by protocol, and whether their flows can reach a server that Sluice
 * protects ($HOME_NET), where clients are $EXTERNAL_NET or anybody. A reading of the heads of its own, so that what the
 * parser refuses is counted too. */
#include <stdbool.h>

#include "base/common.h"

enum rule_class {
	RULES_ALL,
	RULES_HTTP,
	RULES_HTTP_REQUESTS, /* inbound: to a server here */
	RULES_STREAMS,       /* tcp, smtp, imap, pop3 whose flow can reach a server here */
	RULES_TLS,           /* tls whose flow can */
	RULES_CLASSES
};

struct rule_class_info {
	const char *key, *name;
	bool (*has)(struct span line);
};
extern const struct rule_class_info rule_classes[RULES_CLASSES];

/* an active filter: no comment, with a sid */
bool rule_is_active(struct span line);

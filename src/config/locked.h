/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Which Locked SSL policies a new configuration would change (F2). What a lock covers: that the policy is there in each
 * profile that has or inherits it, its SSL server's name, its exceptions, and the lock. Pure functions. */
#include <stddef.h>

#include "config/config.h"

struct config_locked_change {
	const char *profile, *policy;
	const char *what;  /* "is removed", "has another SSL server", ... */
	unsigned int line; /* in the new document; 0: it stands there no more */
};
typedef void config_locked_fn(void *ctx, const struct config_locked_change *change);

/* before: the configuration in force, or NULL. Returns how many there are */
size_t config_locked_changes(const struct config *before, const struct config *after, config_locked_fn *fn, void *ctx);

/* Inside config/: fills config_ssl_policy.overrides_locked */
void locked_mark_overrides(struct config *config);

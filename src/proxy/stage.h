/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Filter precedence (B1, B2) in the decrypted phase: one table, whose order is the precedence. A stage sees every
 * plaintext byte of a direction in order and says how far it may be sent; the first stage that blocks ends the session.
 */
#include "proxy/session.h"

struct stage {
	const char *name; /* as in the specification's terms */
	/* the next bytes of a direction; lowers *release to what this stage allows. false: block */
	bool (*data)(struct session *session, enum inspect_dir dir, struct span data, uint64_t *release);
	/* the direction has ended; as data() */
	bool (*end)(struct session *session, enum inspect_dir dir, uint64_t *release);
};

/* runs the stages in order of precedence; *release holds received bytes before, what may be sent after */
bool stages_data(struct session *session, enum inspect_dir dir, struct span data, uint64_t *release);
bool stages_end(struct session *session, enum inspect_dir dir, uint64_t *release);

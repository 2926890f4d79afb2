/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/stage.h"

#include "base/common.h"
#include "proxy/block.h"

static bool signature_judge(struct session *session, const struct inspect_verdict *verdict, uint64_t *release)
{
	*release = MIN(*release, verdict->release);
	if (verdict->block)
		session->block_reset = block_reset(session->server->config, verdict->block, verdict->block_dir);
	return !verdict->block;
}

static bool signature_data(struct session *session, enum inspect_dir dir, struct span data, uint64_t *release)
{
	struct inspect_verdict verdict;

	if (!session->stream)
		return true;
	inspect_data(session->stream, dir, data.data, data.len, &verdict);
	session_count(session, COUNTER_BYTES_INSPECTED, data.len);
	session_count(session,
		dir == INSPECT_TO_SERVER ? COUNTER_BYTES_INSPECTED_TO_SERVER : COUNTER_BYTES_INSPECTED_TO_CLIENT,
		data.len);
	return signature_judge(session, &verdict, release);
}

static bool signature_end(struct session *session, enum inspect_dir dir, uint64_t *release)
{
	struct inspect_verdict verdict;

	if (!session->stream)
		return true;
	inspect_end(session->stream, dir, &verdict);
	return signature_judge(session, &verdict, release);
}

/* B1: the index is the precedence. Stages that act before decryption stand in the eBPF programs' policy. */
static const struct stage stages[] = {
	{"signature_filters", signature_data, signature_end},
};

bool stages_data(struct session *session, enum inspect_dir dir, struct span data, uint64_t *release)
{
	for (size_t i = 0; i < ARRAY_SIZE(stages); i++)
		if (!stages[i].data(session, dir, data, release))
			return false;
	return true;
}

bool stages_end(struct session *session, enum inspect_dir dir, uint64_t *release)
{
	for (size_t i = 0; i < ARRAY_SIZE(stages); i++)
		if (!stages[i].end(session, dir, release))
			return false;
	return true;
}

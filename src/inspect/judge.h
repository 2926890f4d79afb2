/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Inside of a judgement: what judge.c evaluates filters on is shown by judge_views.c. */
#include "inspect/stream.h"

struct judge {
	struct inspect_stream *stream;
	enum inspect_dir dir;
	struct half *half;
	const struct judgement *judgement;
	bool head_shown;
	size_t next_wait; /* walks the half's waits along with the candidates */
	struct views *views;
};

/* the growing buffers as they were when the stream had limit bytes */
void judge_show_windows(struct judge *j, uint64_t limit, bool complete);
void judge_show_session(struct judge *j);
/* the head buffers, unless they are shown already */
void judge_show_head(struct judge *j);

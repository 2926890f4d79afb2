/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A11: the link state of each port is carried to the other port of its segment, where the configuration says so. */
#include "base/loop.h"
#include "config/config.h"

#define LINKS_SEGMENTS 64

struct supervisor;

struct link_state {
	char segment[64]; /* "": free */
	char port[CONFIG_SIDE_N][16];
	int held; /* the side that is held down, -1: none */
	uint64_t held_ns;
	uint64_t lost_ns[CONFIG_SIDE_N];   /* since when it has no link; 0: it has */
	uint64_t raised_ns[CONFIG_SIDE_N]; /* when it was let up; 0: it has found its link since */
	bool wanted;                       /* by the configuration in force */
};

struct links {
	struct loop_source watch;
	struct loop_timer timer;
	struct link_state states[LINKS_SEGMENTS];
};

int links_open(struct supervisor *supervisor);
/* as the configuration in force has it */
void links_apply(struct supervisor *supervisor);
void links_tick(struct supervisor *supervisor);
/* every port up: nobody is there to let it up later */
void links_release(struct supervisor *supervisor);
void links_close(struct supervisor *supervisor);
/* the side of that segment which is held down, or -1 */
int links_held(const struct supervisor *supervisor, const struct config_segment *segment);

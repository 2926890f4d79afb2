/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/common.h"
#include "dataplane/flows.h"

#define NOW (1000 * NSEC_PER_SEC)
#define CLIENT_FINS (FLOW_FIN_TO_SERVER | FLOW_FIN_SENT_TO_CLIENT)
#define SERVER_FINS (FLOW_FIN_TO_CLIENT | FLOW_FIN_SENT_TO_SERVER)

static void test_when_a_flow_is_over(void **state)
{
	static const struct {
		uint8_t flags;
		unsigned int age_seconds, quiet_seconds, idle_seconds;
		bool over;
	} cases[] = {
		/* embryonic: since the SYN, however busy */
		{0, 29, 0, 3600, false},
		{0, 31, 0, 3600, true},
		{FLOW_FIN_TO_SERVER, 31, 0, 3600, true},
		/* established: only by silence */
		{FLOW_ESTABLISHED, 900, 60, 3600, false},
		{FLOW_ESTABLISHED, 900, 61, 60, true},
		{FLOW_ESTABLISHED | CLIENT_FINS, 900, 60, 3600, false},
		{FLOW_ESTABLISHED | FLOW_FIN_TO_SERVER | FLOW_FIN_TO_CLIENT, 900, 60, 3600, false},
		/* both legs over */
		{FLOW_ESTABLISHED | CLIENT_FINS | SERVER_FINS, 900, 1, 3600, false},
		{FLOW_ESTABLISHED | CLIENT_FINS | SERVER_FINS, 900, 3, 3600, true},
		{FLOW_ESTABLISHED | FLOW_RST | FLOW_RST_CLIENT_LEG | FLOW_RST_SERVER_LEG, 900, 3, 3600, true},
		{FLOW_ESTABLISHED | FLOW_RST | FLOW_RST_CLIENT_LEG | SERVER_FINS, 900, 3, 3600, true},
		/* one leg reset, nothing of the other */
		{FLOW_ESTABLISHED | FLOW_RST | FLOW_RST_CLIENT_LEG, 900, 29, 3600, false},
		{FLOW_ESTABLISHED | FLOW_RST | FLOW_RST_CLIENT_LEG, 900, 31, 3600, true},
		{FLOW_RST | FLOW_RST_SERVER_LEG, 900, 31, 3600, true},
		{FLOW_RST | FLOW_RST_SERVER_LEG, 900, 11, 10, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct flow flow = {.flags = cases[i].flags,
			.created_ns = NOW - cases[i].age_seconds * NSEC_PER_SEC,
			.last_ns = NOW - cases[i].quiet_seconds * NSEC_PER_SEC};

		if (flow_is_over(&flow, NOW, cases[i].idle_seconds * NSEC_PER_SEC) != cases[i].over)
			fail_msg("case %zu", i);
	}
}

static void test_a_frame_after_the_clock_was_read(void **state)
{
	const struct flow flow = {.flags = FLOW_ESTABLISHED, .created_ns = NOW + 1, .last_ns = NOW + 1};

	assert_false(flow_is_over(&flow, NOW, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_when_a_flow_is_over),
		cmocka_unit_test(test_a_frame_after_the_clock_was_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

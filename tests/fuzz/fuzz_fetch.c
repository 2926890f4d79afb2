/* SPDX-License-Identifier: Apache-2.0 */
/* What a key provider may answer: a length, a header, a key, or anything else (docs/key-provider.md). */
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "keys/fetch.h"

#define ANSWER_MAX 100000 /* what a socket takes without a reader */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fetch fetch = {.json = json_pack("{s:s}", "key_id", "0011223344556677"),
		.n_fds = FETCH_FDS,
		.fds = {-1, -1},
		.deadline_ns = clock_now_ns() + NSEC_PER_SEC,
		.import = {.name = "fuzz", .warnings = json_array()}};
	int pair[2];

	if (size > ANSWER_MAX || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return 0;
	fetch.fds[1] = pair[0];
	if (write(pair[1], data, size) == (ssize_t)size) {
		close(pair[1]);
		fetch_read_key(&fetch);
	} else {
		close(pair[1]);
	}
	fetch_clear(&fetch);
	return 0;
}

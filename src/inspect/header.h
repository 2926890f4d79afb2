/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Addresses and ports of a filter's head: "$EXTERNAL_NET any -> $HOME_NET [80,8080:8090,!8081]". An address variable
 * without a value stands for any address: the virtual segment has already chosen the traffic. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inspect/inspect.h"
#include "inspect/variables.h"

struct header_range { /* inclusive; addresses or ports in host byte order */
	uint32_t low, high;
	bool negated;
};

struct header_set { /* nothing but negated ranges: any but those; no range at all: any */
	size_t n;
	struct header_range *ranges;
	bool resolved; /* the ranges are those admitted, sorted, apart from each other */
};

struct header {
	struct header_set source, destination, source_port, destination_port;
	bool both_ways; /* <> */
};

/* -EINVAL with a reason when text is no address or port list */
int header_set_parse_addresses(
	struct header_set *set, const struct variables *variables, const char *text, char *reason, size_t reason_size);
int header_set_parse_ports(
	struct header_set *set, const struct variables *variables, const char *text, char *reason, size_t reason_size);
void header_clear(struct header *header);

/* Does the head admit bytes of that direction of the stream? any_port: ports are not looked at. A server port that the
 * decrypted service usually has is admitted whatever the detection port is (C3). */
bool header_applies(
	const struct header *header, bool any_port, const struct inspect_stream_options *stream, enum inspect_dir dir);

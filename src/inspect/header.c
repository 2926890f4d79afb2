/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/header.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"

#define HEADER_RANGES_MAX 4096
#define HEADER_DEPTH_MAX 16
#define HEADER_STEPS_MAX 65536 /* items of variables in variables: they could multiply without end */

struct list_parser {
	struct header_set *set;
	const struct variables *variables;
	bool ports;
	const char *at;
	unsigned int *steps; /* of all lists in this one */
	char *reason;
	size_t reason_size;
};

static int list_fail(struct list_parser *p, const char *what, const char *token)
{
	snprintf(p->reason, p->reason_size, "%s \"%.40s\"", what, token);
	return -EINVAL;
}

static int list_add(struct list_parser *p, uint32_t low, uint32_t high, bool negated)
{
	struct header_set *set = p->set;
	struct header_range *ranges;

	if (set->n == HEADER_RANGES_MAX)
		return list_fail(p, "too many items in list near", p->at);
	ranges = realloc(set->ranges, (set->n + 1) * sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	ranges[set->n++] = (struct header_range){low, high, negated};
	set->ranges = ranges;
	return 0;
}

static int list_parse(struct list_parser *p, bool negated, unsigned int depth);

static int list_add_variable(struct list_parser *p, const char *name, bool negated, unsigned int depth)
{
	struct list_parser inner = *p;
	int r;

	inner.at = variables_find(p->variables, name);
	if (!inner.at && p->ports)
		return list_fail(p, "unknown port variable", name);
	if (!inner.at) /* any address; a negated variable excludes nothing that is known here */
		return negated ? 0 : list_add(p, 0, UINT32_MAX, false);
	r = list_parse(&inner, negated, depth + 1);
	return r == 0 && *inner.at ? list_fail(p, "more than one item outside a list in variable", name) : r;
}

static int list_add_ports(struct list_parser *p, const char *token, bool negated)
{
	const char *colon = strchr(token, ':');
	unsigned long low, high;
	char *end;

	low = token[0] == ':' ? 0 : strtoul(token, &end, 10);
	if (token[0] != ':' && (end == token || (*end && *end != ':')))
		return list_fail(p, "not a port", token);
	high = low;
	if (colon)
		high = colon[1] ? strtoul(colon + 1, &end, 10) : 65535;
	if ((colon && colon[1] && *end) || high > 65535 || low > high)
		return list_fail(p, "not a port range", token);
	return list_add(p, (uint32_t)low, (uint32_t)high, negated);
}

static int list_add_address(struct list_parser *p, char *token, bool negated)
{
	char *slash = strchr(token, '/');
	unsigned long prefix = 32;
	struct in_addr address;
	uint32_t mask, low;
	char *end;

	if (strchr(token, ':')) /* IPv6 is never decrypted (A3): the item can match nothing */
		return negated ? 0 : list_add(p, 1, 0, false);
	if (slash) {
		*slash = '\0';
		prefix = strtoul(slash + 1, &end, 10);
		if (end == slash + 1 || *end || prefix > 32)
			return list_fail(p, "not a prefix length", slash + 1);
	}
	if (inet_pton(AF_INET, token, &address) != 1)
		return list_fail(p, "not an IPv4 address", token);
	mask = prefix ? UINT32_MAX << (32 - prefix) : 0;
	low = ntohl(address.s_addr) & mask;
	return list_add(p, low, low | ~mask, negated);
}

static int list_add_token(struct list_parser *p, char *token, bool negated, unsigned int depth)
{
	if (!strcmp(token, "any"))
		return negated ? list_fail(p, "matches nothing:", "!any") : list_add(p, 0, UINT32_MAX, false);
	if (token[0] == '$')
		return list_add_variable(p, token, negated, depth);
	return p->ports ? list_add_ports(p, token, negated) : list_add_address(p, token, negated);
}

static int list_parse_items(struct list_parser *p, bool negated, unsigned int depth)
{
	for (;;) {
		int r = list_parse(p, negated, depth + 1);

		if (r < 0)
			return r;
		if (*p->at == ']') {
			p->at++;
			return 0;
		}
		if (*p->at != ',')
			return list_fail(p, "list without its end near", p->at);
		p->at++;
	}
}

/* one item: a token or a bracketed list, either with ! */
static int list_parse(struct list_parser *p, bool negated, unsigned int depth)
{
	char token[64];
	size_t n;

	if (depth > HEADER_DEPTH_MAX || ++*p->steps > HEADER_STEPS_MAX)
		return list_fail(p, "nested too deeply or too long:", p->at);
	p->at += strspn(p->at, " \t");
	if (*p->at == '!') {
		negated = !negated;
		p->at++;
	}
	if (*p->at == '[') {
		p->at++;
		return list_parse_items(p, negated, depth);
	}
	n = strcspn(p->at, ",] \t");
	if (!n || n >= sizeof(token))
		return list_fail(p, "empty or too long item near", p->at);
	memcpy(token, p->at, n);
	token[n] = '\0';
	p->at += n;
	p->at += strspn(p->at, " \t");
	return list_add_token(p, token, negated, depth);
}

static int set_resolve(struct header_set *set);

static int set_parse(struct header_set *set, const struct variables *variables, bool ports, const char *text,
	char *reason, size_t reason_size)
{
	unsigned int steps = 0;
	struct list_parser p = {set, variables, ports, text, &steps, reason, reason_size};
	int r = list_parse(&p, false, 0);

	if (r < 0)
		return r;
	p.at += strspn(p.at, " \t");
	return *p.at ? list_fail(&p, "more than one item outside a list:", p.at) : set_resolve(set);
}

int header_set_parse_addresses(
	struct header_set *set, const struct variables *variables, const char *text, char *reason, size_t reason_size)
{
	return set_parse(set, variables, false, text, reason, reason_size);
}

int header_set_parse_ports(
	struct header_set *set, const struct variables *variables, const char *text, char *reason, size_t reason_size)
{
	return set_parse(set, variables, true, text, reason, reason_size);
}

void header_clear(struct header *header)
{
	free(header->source.ranges);
	free(header->destination.ranges);
	free(header->source_port.ranges);
	free(header->destination_port.ranges);
	*header = (struct header){0};
}

static int range_compare(const void *left, const void *right)
{
	const struct header_range *a = left, *b = right;

	if (a->negated != b->negated)
		return a->negated - b->negated;
	return a->low < b->low ? -1 : a->low > b->low;
}

/* sorted ranges of one kind become disjoint; returns how many there are */
static size_t merge_ranges(struct header_range *ranges, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (ranges[i].low > ranges[i].high) /* matches nothing */
			continue;
		if (kept && ranges[i].low <= (uint64_t)ranges[kept - 1].high + 1)
			ranges[kept - 1].high = MAX(ranges[kept - 1].high, ranges[i].high);
		else
			ranges[kept++] = ranges[i];
	}
	return kept;
}

/* what of one admitted range the negated ones leave */
static size_t subtract(
	struct header_range range, const struct header_range *negated, size_t n, struct header_range *out)
{
	uint64_t low = range.low;
	size_t kept = 0;

	for (size_t i = 0; i < n && low <= range.high; i++) {
		if (negated[i].high < low || negated[i].low > range.high)
			continue;
		if (negated[i].low > low)
			out[kept++] = (struct header_range){(uint32_t)low, negated[i].low - 1, false};
		low = (uint64_t)negated[i].high + 1;
	}
	if (low <= range.high)
		out[kept++] = (struct header_range){(uint32_t)low, range.high, false};
	return kept;
}

/* lists of thousands of addresses are looked up by halving */
static int set_resolve(struct header_set *set)
{
	struct header_range any = {0, UINT32_MAX, false}, *out;
	size_t n_plain = 0, plain, negated, kept = 0;

	qsort(set->ranges, set->n, sizeof(*set->ranges), range_compare);
	while (n_plain < set->n && !set->ranges[n_plain].negated)
		n_plain++;
	plain = merge_ranges(set->ranges, n_plain);
	negated = merge_ranges(set->ranges + n_plain, set->n - n_plain);
	out = calloc(plain + negated + 2, sizeof(*out));
	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < plain; i++)
		kept += subtract(set->ranges[i], set->ranges + n_plain, negated, out + kept);
	if (!n_plain)
		kept = subtract(any, set->ranges, negated, out);
	free(set->ranges);
	*set = (struct header_set){.n = kept, .ranges = out, .resolved = true};
	return 0;
}

static bool set_has(const struct header_set *set, uint32_t value)
{
	size_t low = 0, high = set->n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (set->ranges[mid].high < value)
			low = mid + 1;
		else
			high = mid;
	}
	return !set->resolved || (low < set->n && set->ranges[low].low <= value);
}

static bool server_port_admitted(const struct header_set *set, const struct inspect_stream_options *stream)
{
	static const uint16_t usual[INSPECT_SERVICES][3] = {
		[INSPECT_HTTP] = {80, 443, 8080},
		[INSPECT_SMTP] = {25, 465, 587},
		[INSPECT_IMAP] = {143, 993},
		[INSPECT_POP3] = {110, 995},
	};
	const uint16_t *ports = usual[stream->service];

	if (set_has(set, stream->server_port))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(usual[0]) && ports[i]; i++)
		if (set_has(set, ports[i]))
			return true;
	return false;
}

/* source and destination as those of the bytes' direction */
static bool one_way_applies(
	const struct header *header, bool any_port, const struct inspect_stream_options *stream, bool source_is_client)
{
	const struct header_set *client = source_is_client ? &header->source : &header->destination;
	const struct header_set *server = source_is_client ? &header->destination : &header->source;
	const struct header_set *client_port = source_is_client ? &header->source_port : &header->destination_port;
	const struct header_set *server_port = source_is_client ? &header->destination_port : &header->source_port;

	if (!set_has(client, ntohl(stream->client_ip)) || !set_has(server, ntohl(stream->server_ip)))
		return false;
	return any_port || (set_has(client_port, stream->client_port) && server_port_admitted(server_port, stream));
}

bool header_applies(
	const struct header *header, bool any_port, const struct inspect_stream_options *stream, enum inspect_dir dir)
{
	return one_way_applies(header, any_port, stream, dir == INSPECT_TO_SERVER) ||
	       (header->both_ways && one_way_applies(header, any_port, stream, dir != INSPECT_TO_SERVER));
}

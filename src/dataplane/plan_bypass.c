/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/plan_bypass.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/common.h"
#include "base/log.h"

#define BLOCKS_MAX 2048 /* of all ranges of one key of one rule: 64 ranges of at most 30 */

struct block {
	uint16_t value, mask;
};

struct blocks {
	size_t n;
	struct block items[BLOCKS_MAX];
};

/* the largest aligned block that begins at low and ends by high, again and again */
static void blocks_add_range(struct blocks *blocks, uint32_t low, uint32_t high)
{
	while (low <= high && blocks->n < BLOCKS_MAX) {
		uint32_t size = low ? low & -low : 0x10000;

		while (low + size - 1 > high)
			size /= 2;
		blocks->items[blocks->n++] = (struct block){low, (uint16_t)~(size - 1)};
		low += size;
	}
}

/* no range: one block that anything is in */
static void blocks_of(struct blocks *blocks, const struct config_ranges *ranges)
{
	blocks->n = 0;
	for (size_t i = 0; i < ranges->n; i++)
		blocks_add_range(blocks, ranges->items[i].low, ranges->items[i].high);
	if (!ranges->n)
		blocks->items[blocks->n++] = (struct block){0, 0};
}

static __be32 prefix_mask(uint8_t prefix)
{
	return prefix ? htonl(~0u << (32 - prefix)) : 0;
}

static const struct config_cidr *cidr_or_any(const struct config_cidrs *cidrs, size_t i)
{
	static const struct config_cidr any;

	return cidrs->n ? &cidrs->items[i] : &any;
}

static int mask_number(struct plan_bypass *plan, const struct wire_bypass_mask *mask)
{
	for (size_t i = 0; i < plan->n_masks; i++)
		if (!memcmp(&plan->masks[i], mask, sizeof(*mask)))
			return i;
	if (plan->n_masks == WIRE_BYPASS_MASKS_MAX)
		return log_err("bypass rules: more than %d combinations of prefix lengths and ranges occur; write "
			       "ranges of "
			       "ports and VLANs that are whole powers of two, or fewer different prefix lengths",
			       WIRE_BYPASS_MASKS_MAX),
		       -E2BIG;
	plan->masks[plan->n_masks] = *mask;
	return plan->n_masks++;
}

static int key_add(struct plan_bypass *plan, const struct wire_bypass_mask *mask, const struct wire_bypass_mask *bits,
	uint32_t rule)
{
	int number = mask_number(plan, mask);
	struct plan_bypass_key *keys;

	if (number < 0)
		return number;
	if (plan->n_keys == WIRE_BYPASS_KEYS_MAX)
		return log_err("bypass rules: more than %d combinations of source, destination, port and VLAN",
			       WIRE_BYPASS_KEYS_MAX),
		       -E2BIG;
	if (plan->n_keys == plan->room) {
		keys = reallocarray(plan->keys, plan->room * 2 ?: 64, sizeof(*keys));
		if (!keys)
			return -ENOMEM;
		plan->keys = keys;
		plan->room = plan->room * 2 ?: 64;
	}
	plan->keys[plan->n_keys++] =
		(struct plan_bypass_key){.key = {.mask = number, .bits = *bits}, .value = {.rule = rule}};
	return 0;
}

/* the part of a rule that has one value only */
static void rule_fixed(const struct config_bypass_rule *rule, int segment, struct wire_bypass_mask *mask,
	struct wire_bypass_mask *bits)
{
	if (segment >= 0) {
		mask->segment = 0xffff;
		bits->segment = segment;
	}
	if (rule->direction != CONFIG_DIRECTION_BOTH) {
		mask->side = 0xff;
		bits->side = rule->direction;
	}
	if (rule->protocol) {
		mask->protocol = 0xff;
		bits->protocol = rule->protocol;
	}
}

static int rule_add_pair(struct plan_bypass *plan, const struct blocks *ports, const struct blocks *vlans,
	struct wire_bypass_mask *mask, struct wire_bypass_mask *bits, uint32_t number)
{
	int err = 0;

	for (size_t p = 0; p < ports->n && !err; p++)
		for (size_t v = 0; v < vlans->n && !err; v++) {
			mask->port = htons(ports->items[p].mask);
			bits->port = htons(ports->items[p].value);
			mask->vlan = vlans->items[v].mask;
			bits->vlan = vlans->items[v].value;
			err = key_add(plan, mask, bits, number);
		}
	return err;
}

static int rule_add(struct plan_bypass *plan, const struct config_bypass_rule *rule, int segment, uint32_t number)
{
	struct wire_bypass_mask mask = {0}, bits = {0};
	_cleanup_free_ struct blocks *ports = calloc(2, sizeof(*ports));
	int err = ports ? 0 : -ENOMEM;

	if (err)
		return err;
	blocks_of(&ports[0], &rule->ports);
	blocks_of(&ports[1], &rule->vlans);
	rule_fixed(rule, segment, &mask, &bits);
	for (size_t s = 0; s < MAX(rule->sources.n, (size_t)1) && !err; s++)
		for (size_t d = 0; d < MAX(rule->destinations.n, (size_t)1) && !err; d++) {
			const struct config_cidr *source = cidr_or_any(&rule->sources, s);
			const struct config_cidr *destination = cidr_or_any(&rule->destinations, d);

			mask.source = prefix_mask(source->prefix);
			mask.destination = prefix_mask(destination->prefix);
			bits.source = source->address.s_addr & mask.source;
			bits.destination = destination->address.s_addr & mask.destination;
			err = rule_add_pair(plan, &ports[0], &ports[1], &mask, &bits, number);
		}
	return err;
}

int plan_bypass_fill(struct plan_bypass *plan, const struct config *config, const uint16_t *segment_numbers)
{
	int err = 0;

	for (size_t i = 0; i < config->n_bypass_rules && !err; i++) {
		const struct config_bypass_rule *rule = &config->bypass_rules[i];
		int segment = rule->segment ? segment_numbers[rule->segment - config->segments] : -1;

		err = rule_add(plan, rule, segment, i);
	}
	return err;
}

void plan_bypass_clear(struct plan_bypass *plan)
{
	free(TAKE_PTR(plan->keys));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* threshold, detection_filter, xbits: keywords whose state outlives a stream */
#include <errno.h>
#include <string.h>

#include "inspect/image.h"
#include "inspect/parser.h"

#define XBIT_EXPIRE_DEFAULT 30 /* seconds, as in Suricata */
#define XBIT_EXPIRE_MAX (30u * 86400)
#define RATE_SECONDS_MAX (30u * 86400)

/* the index of the text in the list, or -1 */
static int index_of(const char *const *list, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i], text))
			return (int)i;
	return -1;
}

/* "name value" becomes "name" and its value; NULL without one */
static char *split_word(char *item)
{
	char *value = item + strcspn(item, " \t");

	if (!*value)
		return NULL;
	*value++ = '\0';
	return value + strspn(value, " \t");
}

/* --- threshold, detection_filter --------------------------------------------------------------------------------- */
enum rate_item { ITEM_TYPE = 1, ITEM_TRACK = 2, ITEM_COUNT = 4, ITEM_SECONDS = 8 };

static int rate_type(struct parser *p, struct rate *rate, const char *value)
{
	static const char *const types[] = {"limit", "threshold", "both"}; /* enum rate_type from RATE_LIMIT on */
	int i = index_of(types, ARRAY_SIZE(types), value);

	if (i < 0)
		return parser_fail(p, "threshold: type %.30s is not supported yet", value);
	rate->type = RATE_LIMIT + (unsigned int)i;
	return 0;
}

static int rate_track(struct parser *p, struct rate *rate, const char *value)
{
	static const char *const tracks[] = {"by_src", "by_dst", "by_both", "by_rule"}; /* enum track_by */
	int i = index_of(tracks, ARRAY_SIZE(tracks), value);

	if (i < 0)
		return parser_fail(p, "track %.30s is not supported yet", value);
	rate->by = (enum track_by)i;
	return 0;
}

static int rate_number(struct parser *p, const char *value, uint64_t max, uint32_t *out)
{
	uint64_t n;
	int r = parser_unsigned(p, value, max, &n);

	if (r < 0)
		return r;
	*out = (uint32_t)n;
	return n ? 0 : parser_fail(p, "count or seconds is 0");
}

static int rate_item(struct parser *p, struct rate *rate, char *item, unsigned int *seen)
{
	static const char *const names[] = {"type", "track", "count", "seconds"}; /* bits of enum rate_item */
	char *value = split_word(item);
	int i = index_of(names, ARRAY_SIZE(names), item);

	if (i < 0 || !value)
		return parser_fail(p, "\"%.30s\" is none of type, track, count, seconds with a value", item);
	if (*seen & 1u << i)
		return parser_fail(p, "%s twice", item);
	*seen |= 1u << i;
	switch (1u << i) {
	case ITEM_TYPE:
		return rate_type(p, rate, value);
	case ITEM_TRACK:
		return rate_track(p, rate, value);
	case ITEM_COUNT:
		return rate_number(p, value, UINT32_MAX - 1, &rate->count);
	default:
		return rate_number(p, value, RATE_SECONDS_MAX, &rate->seconds);
	}
}

static int parse_rate(struct parser *p, char *value, unsigned int wanted)
{
	struct rate *rate = &p->filter->rate;
	unsigned int seen = 0;
	char *item, *rest = value;
	int r = 0;

	if (rate->type != RATE_NONE)
		return parser_fail(p, "more than one threshold or detection_filter");
	while (r == 0 && filter_lex_item(&rest, &item))
		r = rate_item(p, rate, item, &seen);
	if (r == 0 && seen != wanted)
		return parser_fail(p, "of type, track, count, seconds one is missing or too many");
	return r;
}

int keyword_threshold(struct parser *p, char *value)
{
	return parse_rate(p, value, ITEM_TYPE | ITEM_TRACK | ITEM_COUNT | ITEM_SECONDS);
}

int keyword_detection_filter(struct parser *p, char *value)
{
	int r = parse_rate(p, value, ITEM_TRACK | ITEM_COUNT | ITEM_SECONDS);

	if (r == 0)
		p->filter->rate.type = RATE_DETECTION;
	return r;
}

/* --- xbits ------------------------------------------------------------------------------------------------------- */
static int xbit_item(struct parser *p, struct xbit *xbit, char *item)
{
	static const char *const tracks[] = {"ip_src", "ip_dst", "ip_pair"}; /* enum track_by */
	char *value = split_word(item);
	uint64_t expire = 0;
	int i, r;

	if (value && !strcmp(item, "track")) {
		i = index_of(tracks, ARRAY_SIZE(tracks), value);
		if (i < 0)
			return parser_fail(p, "xbits: track %.30s is not supported yet", value);
		xbit->by = (enum track_by)i;
		return 0;
	}
	if (!value || strcmp(item, "expire"))
		return parser_fail(p, "xbits: unknown option %.30s", item);
	r = parser_unsigned(p, value, XBIT_EXPIRE_MAX, &expire);
	if (r == 0 && !expire)
		return parser_fail(p, "xbits: expire is 0");
	xbit->expire = (uint32_t)expire;
	return r;
}

static int xbit_command(struct parser *p, struct xbit *xbit, const char *command)
{
	int i = index_of(flowbit_commands, FLOWBIT_COMMANDS, command);

	if (i < 0)
		return parser_fail(p, "xbits: unknown command %.30s", command);
	xbit->command = (enum flowbit_command)i;
	return 0;
}

int keyword_xbits(struct parser *p, char *value)
{
	char *command, *name, *item, *rest = value;
	struct xbit *xbit;
	int r;

	if (!filter_lex_item(&rest, &command))
		return parser_fail(p, "xbits without a command");
	if (!strcmp(command, "noalert"))
		return keyword_noalert(p, NULL);
	if (p->filter->n_xbits == FILTER_XBITS_MAX)
		return parser_fail(p, "more than %d xbits", FILTER_XBITS_MAX);
	if (!filter_lex_item(&rest, &name) || !*name || !rest)
		return parser_fail(p, "xbits is not \"command,name,track ...\"");
	xbit = &p->filter->xbits[p->filter->n_xbits++];
	/* a bit means the same in every engine and after a commit, so it goes by its name's hash */
	*xbit = (struct xbit){.expire = XBIT_EXPIRE_DEFAULT, .name = image_hash(0, name, strlen(name))};
	r = xbit_command(p, xbit, command);
	while (r == 0 && filter_lex_item(&rest, &item))
		r = xbit_item(p, xbit, item);
	return r;
}

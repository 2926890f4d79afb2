/* SPDX-License-Identifier: Apache-2.0 */
/* From candidates to verdicts. What is decided here must depend on the bytes alone, never on how calls cut them:
 * a filter's match ends at the first byte with which the bytes so far fulfil it. */
#include <string.h>
#include <time.h>

#include "base/span.h"
#include "inspect/judge.h"

#define EFFORT_PER_BYTE 4096ull
#define EFFORT_DECODED 8
#define EFFORT_MAX (64ull * CONFIRM_EFFORT)
#define HEAD_BUFFERS                                                                                    \
	((1ull << BUFFER_REQUEST_BODY) - (1ull << BUFFER_METHOD)) /* one after the other in buffers.def \
								   */
#define SESSION_BUFFERS ((1ull << BUFFER_METHOD) - 1)
#define STREAM_BUFFERS (1ull << BUFFER_RAW | 1ull << BUFFER_TURN)

/* --- evaluation -------------------------------------------------------------------------------------------------- */
/* on the stream; where positions may count from the beginning of a turn, on that too */
static enum confirm_result confirm(struct judge *j, const struct filter *filter, uint64_t *effort)
{
	struct view *raw = &j->views->view[BUFFER_RAW], stream = *raw;
	struct regex_memory *memory = j->stream->scratch->regex;
	enum confirm_result result = confirm_filter(filter, j->views, memory, effort);

	if (result != CONFIRM_NO_MATCH || !filter->by_turn || !stream_turn_skip(j->half))
		return result;
	*raw = j->views->view[BUFFER_TURN];
	result = confirm_filter(filter, j->views, memory, effort);
	*raw = stream;
	return result;
}

static bool evaluate(struct judge *j, const struct filter *filter)
{
	uint64_t effort = CONFIRM_EFFORT;

	return confirm(j, filter, &effort) == CONFIRM_MATCH;
}

/* The stream offset past the byte with which the filter matched: found by halving, since bytes that come later never
 * undo a match of an incomplete buffer. Held bytes are judged together, so there it is where they end. */
static uint64_t match_end(struct judge *j, const struct filter *filter)
{
	uint64_t low = j->half->judged, high = j->half->offset;

	if (!filter->streams || j->half->holding || j->judgement->head)
		return high;
	judge_show_windows(j, high, false);
	if (evaluate(j, filter)) {
		while (high - low > 1) {
			uint64_t middle = low + (high - low) / 2;

			judge_show_windows(j, middle, false);
			if (evaluate(j, filter))
				high = middle;
			else
				low = middle;
		}
	}
	judge_show_windows(j, j->half->offset, j->judgement->complete);
	return high;
}

static bool is_raw_only(const struct filter *filter)
{
	return !(filter->buffers & ~STREAM_BUFFERS);
}

static struct bits **hit_bits(struct judge *j, const struct filter *filter)
{
	return is_raw_only(filter) ? &j->half->raw_hits : &j->half->hits;
}

/* the filter is decided for this message, or matched in this stream */
static void decide(struct judge *j, const struct filter *filter, uint32_t index)
{
	struct bits *hits = stream_bits(j->stream, hit_bits(j, filter));

	if (hits)
		bits_add(hits, index);
}

static void note_match(struct judge *j, const struct filter *filter, uint32_t index)
{
	struct inspect_scratch *scratch = j->stream->scratch;

	decide(j, filter, index);
	state_change(j->stream, j->dir, filter);
	if (filter->silent && filter->facts.action == INSPECT_NOTIFY)
		return;
	if (scratch->n_matches == SCRATCH_MATCHES) {
		scratch->stats.matches_dropped++;
		stream_hit_limit(j->stream, INSPECT_LIMIT_MATCHES, filter->facts.action == INSPECT_BLOCK);
		return;
	}
	scratch->matches[scratch->n_matches++] = (struct match){filter, index, match_end(j, filter)};
}

/* given up: no candidate any more until its pattern is found again */
static void give_up(struct judge *j, const struct filter *filter, uint32_t index)
{
	j->stream->scratch->stats.confirm_limit++;
	stream_hit_limit(j->stream, INSPECT_LIMIT_CONFIRM, filter->facts.action == INSPECT_BLOCK);
	if (j->half->candidates)
		bits_remove(j->half->candidates, index);
	if (j->half->older)
		bits_remove(j->half->older, index);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Is this evaluation one of those that are timed? By a generator's upper bits, so that no pattern of the traffic falls
 * in step with it. */
static bool is_sampled(struct inspect_scratch *scratch)
{
	scratch->sampling = scratch->sampling * 1664525u + 1013904223u;
	return (scratch->sampling >> 16) % INSPECT_USAGE_SAMPLE == 0;
}

static enum confirm_result confirm_counted(struct judge *j, const struct filter *filter, uint32_t index)
{
	struct inspect_usage *usage = &j->stream->engine->usage[index];
	bool sampled = is_sampled(j->stream->scratch);
	uint64_t began = sampled ? now_ns() : 0;
	enum confirm_result result = confirm(j, filter, &j->half->effort);

	usage->evaluations++;
	if (sampled)
		usage->cost_ns += (now_ns() - began) * INSPECT_USAGE_SAMPLE;
	return result;
}

/* nothing will be judged again of what is there now */
static bool message_ends(const struct judge *j)
{
	return j->judgement->complete && j->half->phase != PHASE_RAW;
}

static void try_now(struct judge *j, const struct filter *filter, uint32_t index)
{
	switch (confirm_counted(j, filter, index)) {
	case CONFIRM_MATCH:
		note_match(j, filter, index);
		break;
	case CONFIRM_NO_MATCH:
		if (!message_ends(j))
			waits_note(j->stream->scratch, filter, index, j->views);
		break;
	case CONFIRM_HEAD_UNMET:
		decide(j, filter, index);
		break;
	case CONFIRM_LIMIT:
		give_up(j, filter, index);
		break;
	}
}

static const struct wait *find_wait(struct judge *j, uint32_t index)
{
	const struct half *half = j->half;

	while (j->next_wait < half->n_waits && half->waits[j->next_wait].index < index)
		j->next_wait++;
	return j->next_wait < half->n_waits && half->waits[j->next_wait].index == index ? &half->waits[j->next_wait]
											: NULL;
}

static bool protocol_admits(enum filter_protocol protocol, enum inspect_service service)
{
	switch (protocol) {
	case PROTOCOL_HTTP:
		return service == INSPECT_HTTP;
	case PROTOCOL_SMTP:
		return service == INSPECT_SMTP;
	case PROTOCOL_IMAP:
		return service == INSPECT_IMAP;
	case PROTOCOL_POP3:
		return service == INSPECT_POP3;
	case PROTOCOL_ANY:
	case PROTOCOL_TLS:
		break;
	}
	return true;
}

static void try_filter(struct judge *j, uint32_t index)
{
	const struct filter *filter = j->stream->engine->set.filters[index];
	struct inspect_scratch *scratch = j->stream->scratch;
	const struct wait *wait;

	if (filter->off || filter->at_start != j->judgement->start ||
		(!filter->streams && !j->judgement->head && !filter->at_start))
		return;
	if (!protocol_admits(filter->protocol, j->stream->options.service))
		return;
	if (bits_has(*hit_bits(j, filter), index) || !state_admits(j->stream, j->dir, filter))
		return;
	wait = find_wait(j, index);
	if (wait && !wait_is_over(wait, filter, j->half, j->views)) {
		if (scratch->n_waits < SCRATCH_WAITS)
			scratch->waits[scratch->n_waits++] = *wait;
		return;
	}
	if (!header_applies(&filter->header, filter->protocol == PROTOCOL_HTTP, &j->stream->options, j->dir)) {
		decide(j, filter, index);
		return;
	}
	if (filter->buffers & SESSION_BUFFERS)
		judge_show_session(j);
	if (filter->buffers & HEAD_BUFFERS)
		judge_show_head(j);
	try_now(j, filter, index);
}

static void try_all(struct judge *j)
{
	const struct groups *groups = &j->stream->engine->groups;
	const struct bits *now = j->half->candidates, *older = j->half->older;

	for (size_t word = 0; (word = bits_next_word(now, older, word)) != BITS_END; word++) {
		uint64_t bits = bits_word(now, word) | bits_word(older, word);

		for (; bits; bits &= bits - 1)
			try_filter(j, (uint32_t)(word * 64 + (size_t)__builtin_ctzll(bits)));
	}
	j->next_wait = j->half->n_waits; /* what follows has no candidates' bits, and no waits */
	if (j->judgement->start)
		for (size_t i = 0; i < groups->n_start[j->dir]; i++)
			try_filter(j, groups->start[j->dir][i]);
	else
		for (size_t i = 0; i < groups->n_always[j->dir]; i++)
			try_filter(j, groups->always[j->dir][i]);
}

/* --- verdict ----------------------------------------------------------------------------------------------------- */
static int match_compare(const void *left, const void *right)
{
	const struct match *a = left, *b = right;

	if (a->end != b->end)
		return a->end < b->end ? -1 : 1;
	if (a->filter->facts.passes != b->filter->facts.passes)
		return a->filter->facts.passes ? -1 : 1;
	return a->index < b->index ? -1 : a->index > b->index;
}

static struct span field_value(const struct http_head *head, const char *name)
{
	const struct http_field *field = http_field_find(head, name);

	return field ? field->value : SPAN(NULL, 0);
}

/* of a list that each proxy adds to, also as a field of its own, the newest entries are in the last one */
static struct span last_field_value(const struct http_head *head, const char *name)
{
	for (size_t i = head->n_fields; i-- > 0;)
		if (span_equal_nocase(head->fields[i].name, name))
			return head->fields[i].value;
	return SPAN(NULL, 0);
}

static bool read_facts(struct judge *j, struct inspect_http_facts *facts)
{
	const struct half *client = &j->stream->half[INSPECT_TO_CLIENT];
	const struct transaction *t = j->half->transaction;
	struct http_head head;

	*facts = (struct inspect_http_facts){0};
	if (j->half->phase == PHASE_RAW || j->judgement->start)
		return false;
	if (j->dir == INSPECT_TO_CLIENT && client->head_len &&
		http_response_parse(SPAN(client->head, client->head_len), &head) == 0)
		facts->status = head.status;
	if (!t || http_request_parse(SPAN(t->head, t->head_len), &head) < 0)
		return true;
	facts->method = head.method;
	facts->uri = head.target;
	facts->host = field_value(&head, "Host");
	facts->x_forwarded_for = last_field_value(&head, "X-Forwarded-For");
	facts->user_agent = field_value(&head, "User-Agent");
	return true;
}

static void block(struct judge *j, const struct match *match)
{
	j->stream->block = &match->filter->facts;
	j->stream->block_dir = j->dir;
	if (!j->half->holding && !j->judgement->head && !j->judgement->start)
		j->half->release = MAX(j->half->release, match->end - 1);
}

static void tell_hit(struct judge *j, const struct match *match, const struct inspect_http_facts *http)
{
	const struct inspect_stream_options *options = &j->stream->options;
	struct inspect_hit hit = {
		.filter = &match->filter->facts,
		.dir = j->dir,
		.offset = match->end ? match->end - 1 : 0,
		.http = http,
	};

	if (options->on_hit)
		options->on_hit(options->owner, &hit);
}

/* counted in the order of the matches, and none after the byte that blocks: so that no count depends on how calls cut
 * the bytes */
static enum rate_result rate_of(struct judge *j, const struct filter *filter)
{
	struct inspect_scratch *scratch = j->stream->scratch;
	uint64_t id = (uint64_t)filter->facts.generator << 32 | filter->facts.sid;
	struct track_key key = track_key_of(id, filter->rate.by, &j->stream->options, j->dir);
	enum rate_result result = RATE_REPORT;

	if (filter->rate.type != RATE_NONE)
		result = rate_count(&scratch->rates, &filter->rate, &key, scratch_now(scratch));
	scratch->stats.rate_suppressed += result != RATE_REPORT;
	scratch->stats.track_evicted = scratch->rates.evicted + scratch->xbits.evicted;
	return result;
}

/* B12: what could not be judged might have been what had to be blocked. A filter of its own for records, by what is
 * done and what for. */
static const struct filter *limit_filter(enum inspect_limit limit, enum inspect_on_limit on_limit)
{
#define LIMIT_FILTER(text, who)                  \
	{                                        \
		.facts = {                       \
			.name = (text),          \
			.category = "",          \
			.severity = 2,           \
			.own = INSPECT_BLOCK,    \
			.action = INSPECT_BLOCK, \
			.reject = (who)          \
		}                                \
	}
#define LIMIT_FILTERS(text) {LIMIT_FILTER(text, INSPECT_REJECT_NONE), LIMIT_FILTER(text, INSPECT_REJECT_BOTH)}
	static const struct filter filters[INSPECT_LIMITS][2] = {
		[INSPECT_LIMIT_CONFIRM] = LIMIT_FILTERS("a filter's evaluation was given up (confirm_limit)"),
		[INSPECT_LIMIT_MATCHES] = LIMIT_FILTERS("too many filters matched at once (matches_dropped)"),
		[INSPECT_LIMIT_DECODE] = LIMIT_FILTERS("signs of a decompression bomb (decode_limit)"),
		[INSPECT_LIMIT_CODING] = LIMIT_FILTERS("a body whose coding is broken or not known (decode_failed)"),
		[INSPECT_LIMIT_ENGINE] = LIMIT_FILTERS("the inspection engine failed (engine_failed)"),
		[INSPECT_LIMIT_ANOMALY] = LIMIT_FILTERS("not HTTP/1, or beyond its bounds (http_anomaly)"),
		[INSPECT_LIMIT_STARTTLS] = LIMIT_FILTERS("a mail client asks for TLS inside TLS (mail_starttls)"),
		[INSPECT_LIMIT_WEBSOCKET] = LIMIT_FILTERS("frames that RFC 6455 forbids (websocket_anomaly)"),
		[INSPECT_LIMIT_SMUGGLING] = LIMIT_FILTERS("signs of HTTP request smuggling (http_smuggling)"),
	};
#undef LIMIT_FILTERS
#undef LIMIT_FILTER

	return &filters[limit][on_limit == INSPECT_ON_LIMIT_RESET];
}

static void block_for_limit(struct judge *j, const struct inspect_http_facts *http)
{
	struct inspect_stream *stream = j->stream;
	struct match match = {limit_filter(stream->limit, stream->options.on_limit[stream->limit]), 0, j->half->offset};

	stream->scratch->stats.limit_blocked++;
	stream->block = &match.filter->facts;
	stream->block_dir = j->dir;
	tell_hit(j, &match, http);
}

void stream_block_for_limit(struct inspect_stream *stream, enum inspect_dir dir)
{
	struct judgement judgement = {0};
	struct judge j = {.stream = stream, .dir = dir, .half = &stream->half[dir], .judgement = &judgement};
	struct inspect_http_facts facts;
	bool http = read_facts(&j, &facts);

	block_for_limit(&j, http ? &facts : NULL);
}

static void act(struct judge *j, const struct match *match)
{
	j->stream->engine->usage[match->index].blocks += match->filter->facts.action == INSPECT_BLOCK;
	if (match->filter->facts.action == INSPECT_BLOCK && !j->stream->block)
		block(j, match);
	j->stream->trusted |= match->filter->facts.action == INSPECT_TRUST;
}

/* In the order of the bytes that completed them. Those that the same byte completed are all told of (G3), and where one
 * of them blocks, that is what is done; later ones never matched. */
static void report(struct judge *j)
{
	struct inspect_scratch *scratch = j->stream->scratch;
	struct inspect_http_facts facts;
	bool http = (scratch->n_matches || j->stream->limit_blocks) && read_facts(j, &facts);
	uint64_t last = 0;

	qsort(scratch->matches, scratch->n_matches, sizeof(*scratch->matches), match_compare);
	for (size_t i = 0; i < scratch->n_matches; i++) {
		const struct match *match = &scratch->matches[i];
		enum rate_result rate;

		if (stream_is_over(j->stream) && match->end != last)
			break;
		last = match->end;
		j->stream->engine->usage[match->index].hits++;
		rate = rate_of(j, match->filter);
		if (match->filter->facts.passes) {
			j->stream->trusted |= rate != RATE_GATED;
			if (j->stream->trusted)
				break;
			continue;
		}
		if (rate == RATE_REPORT && !match->filter->silent)
			tell_hit(j, match, http ? &facts : NULL);
		if (rate != RATE_GATED)
			act(j, match);
	}
	scratch->n_matches = 0;
	j->stream->trusted &= !j->stream->block;
	if (j->stream->limit_blocks && !stream_is_over(j->stream))
		block_for_limit(j, http ? &facts : NULL);
}

/* While a window slides, candidates of two stretches ago have lost the bytes that made them so, unless a head did. */
static void rotate_candidates(struct judge *j)
{
	struct half *half = j->half;
	const struct ruleset *set = &j->stream->engine->set;
	struct bits *kept;

	if (half->offset - half->rotated < WINDOW_KEEP || !half->candidates)
		return;
	half->rotated = half->offset;
	bits_give(&half->older);
	kept = stream_bits(j->stream, &half->older);
	if (!kept)
		return;
	half->older = half->candidates;
	half->candidates = kept;
	for (size_t word = 0; (word = bits_next_word(half->older, NULL, word)) != BITS_END; word++)
		for (uint64_t bits = half->older->words[word]; bits; bits &= bits - 1) {
			size_t index = word * 64 + (size_t)__builtin_ctzll(bits);

			if (set->filters[index]->buffers & HEAD_BUFFERS)
				bits_add(kept, index);
		}
}

/* What evaluations may cost grows with the bytes, so that a peer who sends them one at a time gains nothing; with
 * decoded ones more slowly, since a peer makes those for a fraction of their number. */
static void grant_effort(struct half *half)
{
	uint64_t body = stream_body_seen(half);
	uint64_t bytes = MAX(half->offset - half->judged, (body - half->judged_body) / EFFORT_DECODED);
	uint64_t earned = MIN(bytes, EFFORT_MAX / EFFORT_PER_BYTE) * EFFORT_PER_BYTE;

	half->effort = MIN(half->effort + earned, EFFORT_MAX);
}

/* most judgements find nothing to evaluate */
static bool has_work(const struct judge *j)
{
	const struct groups *groups = &j->stream->engine->groups;

	return (j->judgement->start ? groups->n_start[j->dir] : groups->n_always[j->dir]) ||
	       bits_next_word(j->half->candidates, j->half->older, 0) != BITS_END;
}

static void work(struct judge *j)
{
	struct views own;

	j->views = j->judgement->views;
	j->head_shown = j->views;
	if (!j->views) {
		memset(&own, 0, sizeof(own));
		j->views = &own;
	}
	judge_show_windows(j, j->half->offset, j->judgement->complete);
	try_all(j);
}

void stream_judge(struct inspect_stream *stream, enum inspect_dir dir, const struct judgement *judgement)
{
	struct judge j = {.stream = stream, .dir = dir, .half = &stream->half[dir], .judgement = judgement};

	if (stream_is_over(stream) || !j.half->scan)
		return;
	grant_effort(j.half);
	if (has_work(&j))
		work(&j);
	waits_keep(stream->scratch, j.half);
	report(&j);
	stream_forget_pieces(stream);
	j.half->judged = j.half->offset;
	rotate_candidates(&j);
	window_trim(&j.half->raw, WINDOW_TRIM_RAW);
	window_trim(&j.half->body_window, WINDOW_TRIM_BODY);
}

static void scan_session(struct judge *j)
{
	for (unsigned int buffer = 0; buffer < BUFFER_METHOD; buffer++) {
		const struct group *group = j->stream->engine->groups.group[j->dir][buffer];

		if (!group || !j->views->view[buffer].present)
			continue;
		if (group_scan(group, j->stream->scratch, j->views->view[buffer].bytes, &j->half->candidates) < 0)
			stream_fail(j->stream);
	}
}

void stream_start(struct inspect_stream *stream, enum inspect_dir dir)
{
	struct judgement judgement = {.start = true};
	struct views views = {0};
	struct judge j = {
		.stream = stream, .dir = dir, .half = &stream->half[dir], .judgement = &judgement, .views = &views};

	j.half->started = true;
	if (!j.half->scan || !stream->engine->looks_at_start[dir])
		return;
	judge_show_session(&j);
	scan_session(&j);
	stream_judge(stream, dir, &judgement);
	stream_reset_unit(stream, dir);
}

void stream_release(struct inspect_stream *stream, enum inspect_dir dir)
{
	if (!stream->block)
		stream->half[dir].release = stream->half[dir].offset;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/confirm.h"
#include "inspect/http.h"

#include <ctype.h>
#include <string.h>

#define CONFIRM_STEP 64 /* what one try costs besides the bytes it searches */
#define CONFIRM_TRANSFORMED_MAX (HTTP_HEAD_MAX + 1)
#define CONFIRM_REGEX_STEP 8192
#define CONFIRM_REGEX_LOOK 8 /* tries between two looks at the clock */
#define CONFIRM_REGEX_TIME 4000000ull

enum outcome {
	NO,    /* not from this position: try the next occurrence before */
	NEVER, /* not from any position in this buffer */
	YES,
	GIVE_UP,
};

struct confirm {
	const struct filter *filter;
	const struct view *view; /* of the buffer being looked at */
	size_t group_end;        /* conditions on it end there */
	struct regex_memory *memory;
	uint64_t effort;
	unsigned int regex_tries;
	uint64_t regex_start; /* CPU time at one of the first tries */
	bool uses_variables;
	uint64_t variables[FILTER_VARIABLES_MAX];
};

static enum outcome confirm_from(struct confirm *c, size_t i, int64_t at);

static bool spend(struct confirm *c, size_t bytes)
{
	uint64_t cost = bytes + CONFIRM_STEP;

	c->effort = c->effort > cost ? c->effort - cost : 0;
	return c->effort;
}

static int64_t number_value(const struct confirm *c, const struct number *number)
{
	/* an extracted value past any buffer is as good as the largest of them: no overflow in the sums below */
	return number->variable < 0 ? MIN(MAX(number->value, -INT32_MAX), INT32_MAX)
				    : (int64_t)MIN(c->variables[number->variable], INT32_MAX);
}

/* Is the condition's fate in the hands of the one before it? */
static bool next_is_relative(const struct confirm *c, size_t i)
{
	return i + 1 < c->group_end && c->filter->conditions[i + 1].relative;
}

/* an unmet condition that looks at fixed places is unmet whatever was matched before it */
static enum outcome unmet(const struct confirm *c, const struct condition *condition)
{
	return condition->relative || c->uses_variables ? NO : NEVER;
}

static enum outcome verdict(struct confirm *c, size_t i, int64_t at, bool met)
{
	return met ? confirm_from(c, i + 1, at) : unmet(c, &c->filter->conditions[i]);
}

/* --- content --------------------------------------------------------------------------------------------------- */
struct region { /* where a content may lie, in bytes of the view; to may exceed what is there */
	int64_t from, to;
};

static struct region content_region(const struct confirm *c, const struct condition *condition, int64_t at)
{
	const struct content *content = &condition->content;
	struct region r = {0, INT64_MAX};
	int64_t base = (int64_t)c->view->base, offset = -base;

	if (condition->relative) {
		int64_t distance = content->has_distance ? number_value(c, &content->distance) : 0;

		r.from = at + distance;
		if (content->has_within)
			r.to = at + distance + number_value(c, &content->within);
	}
	if (content->has_offset)
		offset += number_value(c, &content->offset);
	if (content->has_depth)
		r.to = MIN(r.to, offset + number_value(c, &content->depth));
	if (content->starts)
		r.to = MIN(r.to, (int64_t)content->len - base);
	r.from = MAX(r.from, MAX(offset, 0));
	return r;
}

static enum outcome negated_content(struct confirm *c, size_t i, int64_t at, struct region r)
{
	const struct condition *condition = &c->filter->conditions[i];
	const struct content *content = &condition->content;
	int64_t there = (int64_t)c->view->bytes.len, to = MIN(r.to, there);
	bool found;

	if ((r.to > there || content->ends) && !c->view->complete)
		return unmet(c, condition);
	if (content->ends) /* only an occurrence at the very end counts */
		r.from = MAX(r.from, there - (int64_t)content->len);
	if (content->ends && to < there)
		return confirm_from(c, i + 1, at);
	found = r.from <= to && bytes_find(c->view->bytes.data, (size_t)r.from, (size_t)to, content->bytes,
					content->len, content->nocase) >= 0;
	return verdict(c, i, at, !found);
}

/* tries each occurrence in turn while what follows depends on it */
static enum outcome positive_content(struct confirm *c, size_t i, struct region r)
{
	const struct condition *condition = &c->filter->conditions[i];
	const struct content *content = &condition->content;
	int64_t to = MIN(r.to, (int64_t)c->view->bytes.len);
	bool retry = next_is_relative(c, i) || c->uses_variables;

	if (content->ends && (!c->view->complete || to < (int64_t)c->view->bytes.len))
		return unmet(c, condition);
	if (content->ends)
		r.from = MAX(r.from, to - (int64_t)content->len);
	while (r.from <= to) {
		ssize_t found = bytes_find(
			c->view->bytes.data, (size_t)r.from, (size_t)to, content->bytes, content->len, content->nocase);
		enum outcome outcome;

		if (!spend(c, (size_t)((found < 0 ? to : found) - r.from)))
			return GIVE_UP;
		if (found < 0)
			break;
		outcome = confirm_from(c, i + 1, found + (int64_t)content->len);
		if (outcome != NO || !retry)
			return outcome;
		r.from = found + 1;
	}
	return unmet(c, condition);
}

static enum outcome confirm_content(struct confirm *c, size_t i, int64_t at)
{
	const struct condition *condition = &c->filter->conditions[i];
	struct region r = content_region(c, condition, at);

	if (!condition->negated)
		return positive_content(c, i, r);
	return spend(c, c->view->bytes.len) ? negated_content(c, i, at, r) : GIVE_UP;
}

/* --- pcre ------------------------------------------------------------------------------------------------------ */
static bool spend_regex(struct confirm *c, size_t bytes)
{
	if (c->regex_tries++ % CONFIRM_REGEX_LOOK == CONFIRM_REGEX_LOOK - 1) {
		uint64_t now = regex_clock();

		if (!c->regex_start)
			c->regex_start = now;
		if (now - c->regex_start > CONFIRM_REGEX_TIME)
			return false;
	}
	return spend(c, bytes + CONFIRM_REGEX_STEP);
}

static enum outcome confirm_pcre(struct confirm *c, size_t i, int64_t at)
{
	const struct condition *condition = &c->filter->conditions[i];
	size_t from = condition->relative ? (size_t)at : 0, start = 0, match_start = 0, match_end = 0;
	struct span subject;

	if (condition->negated && !c->view->complete)
		return unmet(c, condition);
	if (from > c->view->bytes.len)
		return NO;
	subject = SPAN(c->view->bytes.data + from, c->view->bytes.len - from);
	while (start <= subject.len) {
		enum regex_result result;
		enum outcome outcome;

		if (!spend_regex(c, condition->relative ? 0 : subject.len - start))
			return GIVE_UP;
		result = regex_find(condition->pcre.regex, c->memory, subject, start,
			(c->view->complete ? 0 : REGEX_MORE_AFTER) |
				(c->view->base && !condition->relative ? REGEX_MORE_BEFORE : 0),
			&match_start, &match_end);
		if (result == REGEX_LIMIT)
			return GIVE_UP;
		if (condition->negated)
			return verdict(c, i, at, result == REGEX_NO_MATCH);
		if (result == REGEX_NO_MATCH)
			break;
		outcome = confirm_from(c, i + 1, (int64_t)(from + match_end));
		if (outcome != NO || !next_is_relative(c, i))
			return outcome;
		start = match_start + 1;
	}
	return unmet(c, condition);
}

/* --- bytes ----------------------------------------------------------------------------------------------------- */
static enum outcome confirm_isdataat(struct confirm *c, size_t i, int64_t at)
{
	const struct condition *condition = &c->filter->conditions[i];
	int64_t n = number_value(c, &condition->isdataat), there = (int64_t)c->view->bytes.len;
	/* relative: n bytes follow; else: there is a byte at offset n (both as in Suricata) */
	bool is = condition->relative ? at + n <= there : n < there + (int64_t)c->view->base;

	if (!is && condition->negated && !c->view->complete)
		return unmet(c, condition);
	return verdict(c, i, at, is != condition->negated);
}

static int digit_value(uint8_t c, unsigned int base)
{
	int v = isdigit(c) ? c - '0' : isxdigit(c) ? tolower(c) - 'a' + 10 : -1;

	return v < (int)base ? v : -1;
}

/* strtoull() over at most n bytes: spaces, 0x, digits. Returns the bytes read, 0 when there is no number. */
static size_t read_digits(const uint8_t *bytes, size_t n, unsigned int base, uint64_t *out)
{
	size_t i = 0, first;

	*out = 0;
	while (i < n && isspace(bytes[i]))
		i++;
	if (base == 16 && n - i > 2 && bytes[i] == '0' && tolower(bytes[i + 1]) == 'x')
		i += 2;
	for (first = i; i < n && digit_value(bytes[i], base) >= 0; i++)
		if (__builtin_mul_overflow(*out, base, out) ||
			__builtin_add_overflow(*out, (uint64_t)digit_value(bytes[i], base), out))
			return 0;
	return i > first ? i : 0;
}

static uint64_t read_binary(const uint8_t *bytes, size_t n, bool little)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v = v << 8 | bytes[little ? n - 1 - i : i];
	return v;
}

/* reads the number; *end is the place after it */
static bool read_number(const struct confirm *c, const struct condition *condition, const struct byte_access *access,
	int64_t at, uint64_t *out, int64_t *end)
{
	int64_t from = number_value(c, &access->offset) + (condition->relative ? at : -(int64_t)c->view->base);
	size_t n = access->bytes ? access->bytes : BYTE_DIGITS_MAX, there;

	if (from < 0 || from >= (int64_t)c->view->bytes.len)
		return false;
	there = c->view->bytes.len - (size_t)from;
	if (n > there && (!access->base || !c->view->complete)) /* the last digits may be fewer than asked for */
		return false;
	if (access->base)
		n = read_digits(c->view->bytes.data + from, MIN(n, there), access->base, out);
	else
		*out = read_binary(c->view->bytes.data + from, n, access->little);
	if (access->bitmask)
		*out = (*out & access->bitmask) >> __builtin_ctz(access->bitmask);
	*end = from + (int64_t)n;
	return n;
}

static bool compare(uint64_t left, enum compare how, uint64_t right)
{
	switch (how) {
	case COMPARE_EQ:
		return left == right;
	case COMPARE_LT:
		return left < right;
	case COMPARE_GT:
		return left > right;
	case COMPARE_LE:
		return left <= right;
	case COMPARE_GE:
		return left >= right;
	case COMPARE_AND:
		return left & right;
	case COMPARE_XOR:
		return left ^ right;
	case COMPARE_BETWEEN:
		break;
	}
	return false;
}

static enum outcome confirm_byte_test(struct confirm *c, size_t i, int64_t at)
{
	const struct condition *condition = &c->filter->conditions[i];
	const struct number *value = &condition->test.value;
	uint64_t number = 0, right;
	int64_t end;

	if (!read_number(c, condition, &condition->test.access, at, &number, &end))
		return unmet(c, condition);
	right = value->variable < 0 ? (uint64_t)value->value : c->variables[value->variable];
	return verdict(c, i, at, compare(number, condition->test.compare, right) != condition->negated);
}

static enum outcome confirm_byte_jump(struct confirm *c, size_t i, int64_t at)
{
	const struct condition *condition = &c->filter->conditions[i];
	int64_t there = (int64_t)c->view->bytes.len, end, jump;
	uint64_t number = 0;

	if (!read_number(c, condition, &condition->jump.access, at, &number, &end))
		return unmet(c, condition);
	number = MIN(number, INT32_MAX);
	jump = (int64_t)(number * condition->jump.multiplier);
	if (condition->jump.align)
		jump = (jump + 3) & ~3ll;
	if (condition->jump.from_end && !c->view->complete)
		return unmet(c, condition);
	if (condition->jump.from_beginning)
		end = -(int64_t)c->view->base;
	else if (condition->jump.from_end)
		end = there;
	end += jump + condition->jump.post_offset;
	return end < 0 || end > there ? unmet(c, condition) : confirm_from(c, i + 1, end);
}

static enum outcome confirm_byte_extract(struct confirm *c, size_t i, int64_t at)
{
	const struct condition *condition = &c->filter->conditions[i];
	unsigned int align = condition->extract.align;
	uint64_t number = 0;
	int64_t end;

	if (!read_number(c, condition, &condition->extract.access, at, &number, &end))
		return unmet(c, condition);
	if (__builtin_mul_overflow(number, condition->extract.multiplier, &number))
		number = UINT64_MAX;
	if (align && number <= UINT64_MAX - align)
		number = (number + align - 1) / align * align;
	c->variables[condition->extract.variable] = number;
	return confirm_from(c, i + 1, end);
}

/* modulo 2^64, as in Suricata; a division by 0 and a shift past the width are unmet */
static bool calculate(enum math operation, uint64_t left, uint64_t right, uint64_t *out)
{
	switch (operation) {
	case MATH_ADD:
		*out = left + right;
		return true;
	case MATH_SUBTRACT:
		*out = left - right;
		return true;
	case MATH_MULTIPLY:
		*out = left * right;
		return true;
	case MATH_DIVIDE:
		*out = right ? left / right : 0;
		return right;
	case MATH_LEFT:
		*out = right < 64 ? left << right : 0;
		return right < 64;
	case MATH_RIGHT:
		*out = right < 64 ? left >> right : 0;
		return right < 64;
	}
	return false;
}

static enum outcome confirm_byte_math(struct confirm *c, size_t i, int64_t at)
{
	const struct condition *condition = &c->filter->conditions[i];
	const struct number *operand = &condition->math.operand;
	uint64_t number = 0, right;
	int64_t end;

	if (!read_number(c, condition, &condition->math.access, at, &number, &end))
		return unmet(c, condition);
	right = operand->variable < 0 ? (uint64_t)operand->value : c->variables[operand->variable];
	if (!calculate(condition->math.operation, number, right, &c->variables[condition->math.variable]))
		return unmet(c, condition);
	return confirm_from(c, i + 1, end);
}

/* can bytes that are still to come change the answer? */
static bool size_is_final(const struct condition *condition, bool met)
{
	enum compare how = condition->size.compare;

	return met && (how == COMPARE_GT || how == COMPARE_GE) && !condition->negated;
}

static enum outcome confirm_size(struct confirm *c, size_t i, int64_t at)
{
	const struct condition *condition = &c->filter->conditions[i];
	uint64_t size = c->view->base + c->view->bytes.len;
	bool met;

	if (condition->size.compare == COMPARE_BETWEEN)
		met = size > condition->size.low && size < condition->size.high;
	else
		met = compare(size, condition->size.compare, condition->size.low);
	if (!c->view->complete && !size_is_final(condition, met))
		return unmet(c, condition);
	return verdict(c, i, at, met != condition->negated);
}

/* the conditions on base64_data, looked at in the buffer that these bytes decode to; they stand last in the filter */
static enum outcome confirm_decoded(struct confirm *c, struct span encoded, bool complete)
{
	uint8_t decoded[BASE64_BYTES_MAX / 4 * 3 + 3];
	struct view view = {.present = true};
	const struct view *before = c->view;
	size_t group_end = c->group_end, first = c->filter->n_conditions;
	enum outcome outcome;
	bool stopped;

	view.bytes = SPAN(decoded, transform_base64(encoded, decoded, &stopped));
	view.complete = complete || stopped;
	while (first && c->filter->conditions[first - 1].buffer == BUFFER_BASE64)
		first--;
	c->view = &view;
	c->group_end = c->filter->n_conditions;
	outcome = view.bytes.len ? confirm_from(c, first, 0) : NO;
	c->view = before;
	c->group_end = group_end;
	return outcome;
}

static enum outcome confirm_base64(struct confirm *c, size_t i, int64_t at)
{
	const struct condition *condition = &c->filter->conditions[i];
	int64_t from = condition->base64.offset + (condition->relative ? at : -(int64_t)c->view->base);
	size_t there, n;
	enum outcome outcome;

	if (from < 0 || from >= (int64_t)c->view->bytes.len)
		return unmet(c, condition);
	there = c->view->bytes.len - (size_t)from;
	n = MIN(there, condition->base64.bytes);
	if (!spend(c, n))
		return GIVE_UP;
	outcome = confirm_decoded(
		c, SPAN(c->view->bytes.data + from, n), c->view->complete || n == condition->base64.bytes);
	if (outcome == GIVE_UP || outcome == YES)
		return outcome == YES ? confirm_from(c, i + 1, at) : GIVE_UP;
	return unmet(c, condition);
}

/* the conditions from i on, the one before having ended at this place of the view */
static enum outcome confirm_from(struct confirm *c, size_t i, int64_t at)
{
	static enum outcome (*const confirm[])(struct confirm *, size_t, int64_t) = {
		[CONDITION_CONTENT] = confirm_content,
		[CONDITION_PCRE] = confirm_pcre,
		[CONDITION_ISDATAAT] = confirm_isdataat,
		[CONDITION_BYTE_TEST] = confirm_byte_test,
		[CONDITION_BYTE_JUMP] = confirm_byte_jump,
		[CONDITION_BYTE_EXTRACT] = confirm_byte_extract,
		[CONDITION_SIZE] = confirm_size,
		[CONDITION_BASE64] = confirm_base64,
		[CONDITION_BYTE_MATH] = confirm_byte_math,
	};

	return i == c->group_end ? YES : confirm[c->filter->conditions[i].type](c, i, at);
}

static bool has_variables(const struct filter *filter)
{
	for (size_t i = 0; i < filter->n_conditions; i++)
		if (filter->conditions[i].type == CONDITION_BYTE_EXTRACT ||
			filter->conditions[i].type == CONDITION_BYTE_MATH)
			return true;
	return false;
}

static size_t group_end(const struct filter *filter, size_t i)
{
	const struct condition *first = &filter->conditions[i];

	for (; i < filter->n_conditions; i++)
		if (filter->conditions[i].buffer != first->buffer ||
			filter->conditions[i].transforms != first->transforms)
			break;
	return i;
}

static enum outcome confirm_transformed(struct confirm *c, size_t i, transform_chain transforms)
{
	uint8_t bytes[CONFIRM_TRANSFORMED_MAX];
	struct view view = *c->view;
	const struct view *before = c->view;
	enum outcome outcome;

	if (!spend(c, view.bytes.len))
		return GIVE_UP;
	view.bytes = SPAN(bytes, transform_apply(transforms, view.bytes, bytes, sizeof(bytes)));
	c->view = &view;
	outcome = confirm_from(c, i, 0);
	c->view = before;
	return outcome;
}

static enum outcome confirm_group(struct confirm *c, size_t i)
{
	transform_chain transforms = c->filter->conditions[i].transforms;

	if (!c->view->present)
		return NEVER;
	return transforms ? confirm_transformed(c, i, transforms) : confirm_from(c, i, 0);
}

static enum confirm_result confirm_groups(struct confirm *c, const struct views *views)
{
	const struct filter *filter = c->filter;

	for (size_t i = 0; i < filter->n_conditions; i = c->group_end) {
		enum buffer_id buffer = filter->conditions[i].buffer;
		enum outcome outcome;

		if (buffer == BUFFER_BASE64) /* the last: looked at where it was decoded */
			break;
		c->group_end = group_end(filter, i);
		c->view = &views->view[buffer];
		outcome = confirm_group(c, i);
		if (outcome == GIVE_UP)
			return CONFIRM_LIMIT;
		if (outcome != YES)
			return buffer_is_stream(buffer) ? CONFIRM_NO_MATCH : CONFIRM_HEAD_UNMET;
	}
	return CONFIRM_MATCH;
}

enum confirm_result confirm_filter(
	const struct filter *filter, const struct views *views, struct regex_memory *memory, uint64_t *effort)
{
	struct confirm c = {.filter = filter,
		.memory = memory,
		.effort = MIN(*effort, CONFIRM_EFFORT),
		.uses_variables = has_variables(filter)};
	uint64_t before = c.effort;
	enum confirm_result result = before ? confirm_groups(&c, views) : CONFIRM_LIMIT;

	*effort -= before - c.effort;
	return result;
}

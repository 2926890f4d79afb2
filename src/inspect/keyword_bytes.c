/* SPDX-License-Identifier: Apache-2.0 */
/* byte_test, byte_jump, byte_extract, byte_math */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "inspect/parser.h"

#define BYTES_BINARY_MAX 8
#define MULTIPLIER_MAX 65535

static int parse_access(struct parser *p, const char *bytes, const char *offset, struct byte_access *out)
{
	uint64_t n;
	int r = parser_unsigned(p, bytes, BYTE_DIGITS_MAX, &n);

	if (r < 0)
		return r;
	out->bytes = (uint8_t)n;
	return parser_number(p, offset, &out->offset);
}

static int parse_bitmask(struct parser *p, const char *text, uint32_t *out)
{
	struct number mask;
	int r = parser_number(p, text, &mask);

	if (r < 0)
		return r;
	if (mask.variable >= 0 || mask.value <= 0 || mask.value > UINT32_MAX)
		return parser_fail(p, "bitmask is not between 1 and 0xffffffff");
	*out = (uint32_t)mask.value;
	return 0;
}

/* options that the keywords share; 1: not one of them */
static int access_option(struct parser *p, struct condition *condition, struct byte_access *access, const char *item)
{
	static const struct {
		const char *name;
		uint8_t base;
	} bases[] = {{"dec", 10}, {"hex", 16}, {"oct", 8}};

	for (size_t i = 0; i < ARRAY_SIZE(bases); i++)
		if (!strcmp(item, bases[i].name)) {
			access->base = bases[i].base;
			return 0;
		}
	if (!strncmp(item, "bitmask ", 8))
		return parse_bitmask(p, item + 8 + strspn(item + 8, " \t"), &access->bitmask);
	if (!strcmp(item, "relative"))
		condition->relative = true;
	else if (!strcmp(item, "little"))
		access->little = true;
	else if (!strcmp(item, "string"))
		access->base = access->base ? access->base : 10;
	else if (strcmp(item, "big"))
		return 1;
	return 0;
}

static int check_access(struct parser *p, const struct byte_access *access)
{
	if (!access->base && (!access->bytes || access->bytes > BYTES_BINARY_MAX))
		return parser_fail(p, "number of bytes is not 1 to %d", BYTES_BINARY_MAX);
	return 0;
}

static int parse_compare(struct parser *p, struct condition *condition, const char *text)
{
	static const struct {
		const char *text;
		enum compare compare;
	} operators[] = {{"=", COMPARE_EQ}, {"<", COMPARE_LT}, {">", COMPARE_GT}, {"<=", COMPARE_LE},
		{">=", COMPARE_GE}, {"&", COMPARE_AND}, {"^", COMPARE_XOR}};

	condition->negated = *text == '!';
	text += condition->negated;
	text += strspn(text, " \t");
	for (size_t i = 0; i < ARRAY_SIZE(operators); i++)
		if (!strcmp(text, operators[i].text)) {
			condition->test.compare = operators[i].compare;
			return 0;
		}
	if (condition->negated && !*text) { /* "!": not equal */
		condition->test.compare = COMPARE_EQ;
		return 0;
	}
	return parser_fail(p, "byte_test: unknown operator %.10s", text);
}

int keyword_byte_test(struct parser *p, char *value)
{
	struct condition *condition = parser_add(p, CONDITION_BYTE_TEST);
	char *bytes, *compare, *number, *offset, *item, *rest = value;
	int r;

	if (!condition)
		return -EINVAL;
	if (!filter_lex_item(&rest, &bytes) || !filter_lex_item(&rest, &compare) || !filter_lex_item(&rest, &number) ||
		!filter_lex_item(&rest, &offset))
		return parser_fail(p, "byte_test needs bytes, operator, value, offset");
	r = parse_access(p, bytes, offset, &condition->test.access);
	if (r == 0)
		r = parse_compare(p, condition, compare);
	if (r == 0)
		r = parser_number(p, number, &condition->test.value);
	while (r == 0 && filter_lex_item(&rest, &item)) {
		r = access_option(p, condition, &condition->test.access, item);
		if (r > 0)
			r = parser_fail(p, "byte_test: option %.30s is not supported yet", item);
	}
	return r < 0 ? r : check_access(p, &condition->test.access);
}

static int parse_multiplier(struct parser *p, const char *text, uint32_t *out)
{
	uint64_t n;
	int r = parser_unsigned(p, text, MULTIPLIER_MAX, &n);

	if (r == 0)
		*out = (uint32_t)n;
	return r;
}

static int parse_post_offset(struct parser *p, const char *text, int32_t *out)
{
	struct number number;
	int r = parser_number(p, text, &number);

	if (r < 0)
		return r;
	if (number.variable >= 0 || number.value < -65535 || number.value > 65535)
		return parser_fail(p, "byte_jump: post_offset is not between -65535 and 65535");
	*out = (int32_t)number.value;
	return 0;
}

static int jump_option(struct parser *p, struct condition *condition, char *item)
{
	int r = access_option(p, condition, &condition->jump.access, item);

	if (r <= 0)
		return r;
	if (!strcmp(item, "align"))
		condition->jump.align = true;
	else if (!strcmp(item, "from_beginning"))
		condition->jump.from_beginning = true;
	else if (!strcmp(item, "from_end"))
		condition->jump.from_end = true;
	else if (!strncmp(item, "multiplier ", 11))
		return parse_multiplier(p, item + 11, &condition->jump.multiplier);
	else if (!strncmp(item, "post_offset ", 12))
		return parse_post_offset(p, item + 12, &condition->jump.post_offset);
	else
		return parser_fail(p, "byte_jump: option %.30s is not supported yet", item);
	return 0;
}

int keyword_byte_jump(struct parser *p, char *value)
{
	struct condition *condition = parser_add(p, CONDITION_BYTE_JUMP);
	char *bytes, *offset, *item, *rest = value;
	int r;

	if (!condition)
		return -EINVAL;
	condition->jump.multiplier = 1;
	if (!filter_lex_item(&rest, &bytes) || !filter_lex_item(&rest, &offset))
		return parser_fail(p, "byte_jump needs bytes, offset");
	r = parse_access(p, bytes, offset, &condition->jump.access);
	while (r == 0 && filter_lex_item(&rest, &item))
		r = jump_option(p, condition, item);
	return r < 0 ? r : check_access(p, &condition->jump.access);
}

static int extract_option(struct parser *p, struct condition *condition, char *item)
{
	uint64_t n = 0;
	int r = access_option(p, condition, &condition->extract.access, item);

	if (r <= 0)
		return r;
	if (!strncmp(item, "multiplier ", 11))
		return parse_multiplier(p, item + 11, &condition->extract.multiplier);
	if (strncmp(item, "align ", 6))
		return parser_fail(p, "byte_extract: option %.30s is not supported yet", item);
	if (parser_unsigned(p, item + 6, 4, &n) < 0 || (n != 2 && n != 4))
		return parser_fail(p, "byte_extract: align is neither 2 nor 4");
	condition->extract.align = (uint8_t)n;
	return 0;
}

static int add_variable(struct parser *p, const char *name, uint8_t *out)
{
	size_t len = strlen(name);

	if (!len || len >= sizeof(p->variables[0]))
		return parser_fail(p, "variable name is empty or too long");
	for (unsigned int i = 0; i < p->n_variables; i++)
		if (!strcmp(p->variables[i], name)) {
			*out = (uint8_t)i;
			return 0;
		}
	if (p->n_variables == FILTER_VARIABLES_MAX)
		return parser_fail(p, "more than %d variables", FILTER_VARIABLES_MAX);
	memcpy(p->variables[p->n_variables], name, len + 1);
	*out = (uint8_t)p->n_variables++;
	return 0;
}

int keyword_byte_extract(struct parser *p, char *value)
{
	struct condition *condition = parser_add(p, CONDITION_BYTE_EXTRACT);
	char *bytes, *offset, *name, *item, *rest = value;
	int r;

	if (!condition)
		return -EINVAL;
	condition->extract.multiplier = 1;
	if (!filter_lex_item(&rest, &bytes) || !filter_lex_item(&rest, &offset) || !filter_lex_item(&rest, &name))
		return parser_fail(p, "byte_extract needs bytes, offset, name");
	r = parse_access(p, bytes, offset, &condition->extract.access);
	if (r == 0)
		r = add_variable(p, name, &condition->extract.variable);
	while (r == 0 && filter_lex_item(&rest, &item))
		r = extract_option(p, condition, item);
	return r < 0 ? r : check_access(p, &condition->extract.access);
}

/* --- byte_math: bytes N, offset N, oper +, rvalue N, result NAME, ... in any order -------------------------------- */
enum math_item { MATH_BYTES, MATH_OFFSET, MATH_OPER, MATH_RVALUE, MATH_RESULT, MATH_ENDIAN, MATH_STRING, MATH_ITEMS };
#define MATH_NEEDED (1u << MATH_BYTES | 1u << MATH_OFFSET | 1u << MATH_OPER | 1u << MATH_RVALUE | 1u << MATH_RESULT)

static int math_operation(struct parser *p, struct condition *condition, const char *text)
{
	static const char *const operators[] = {"+", "-", "*", "/", "<<", ">>"}; /* enum math */

	for (size_t i = 0; i < ARRAY_SIZE(operators); i++)
		if (!strcmp(text, operators[i])) {
			condition->math.operation = (enum math)i;
			return 0;
		}
	return parser_fail(p, "byte_math: unknown operator %.10s", text);
}

static int math_bytes(struct parser *p, const char *value, struct byte_access *access)
{
	uint64_t n = 0;
	int r = parser_unsigned(p, value, BYTE_DIGITS_MAX, &n);

	access->bytes = (uint8_t)n;
	return r;
}

static int math_item(struct parser *p, struct condition *condition, char *item, unsigned int *seen)
{
	static const char *const names[MATH_ITEMS] = {
		"bytes", "offset", "oper", "rvalue", "result", "endian", "string"};
	struct byte_access *access = &condition->math.access;
	char *value = item + strcspn(item, " \t");
	size_t len = (size_t)(value - item);
	unsigned int i;
	int r = access_option(p, condition, access, item);

	if (r <= 0)
		return r;
	value += strspn(value, " \t");
	for (i = 0; i < MATH_ITEMS && (strlen(names[i]) != len || strncmp(item, names[i], len)); i++)
		;
	if (i == MATH_ITEMS || !*value || *seen & 1u << i)
		return parser_fail(p, "byte_math: option %.30s is unknown, given twice, or lacks its value", item);
	*seen |= 1u << i;
	switch ((enum math_item)i) {
	case MATH_BYTES:
		return math_bytes(p, value, access);
	case MATH_OFFSET:
		return parser_number(p, value, &access->offset);
	case MATH_OPER:
		return math_operation(p, condition, value);
	case MATH_RVALUE:
		return parser_number(p, value, &condition->math.operand);
	case MATH_RESULT:
		return add_variable(p, value, &condition->math.variable);
	default: /* endian big, string dec: the value alone is an option of all byte_ keywords */
		return access_option(p, condition, access, value) ? parser_fail(p, "byte_math: %.30s", item) : 0;
	}
}

int keyword_byte_math(struct parser *p, char *value)
{
	struct condition *condition = parser_add(p, CONDITION_BYTE_MATH);
	unsigned int seen = 0;
	char *item, *rest = value;
	int r = 0;

	if (!condition)
		return -EINVAL;
	while (r == 0 && filter_lex_item(&rest, &item))
		r = math_item(p, condition, item, &seen);
	if (r == 0 && (seen & MATH_NEEDED) != MATH_NEEDED)
		return parser_fail(p, "byte_math needs bytes, offset, oper, rvalue and result");
	if (r == 0 && condition->math.operation == MATH_DIVIDE && condition->math.operand.variable < 0 &&
		!condition->math.operand.value)
		return parser_fail(p, "byte_math divides by 0");
	return r < 0 ? r : check_access(p, &condition->math.access);
}

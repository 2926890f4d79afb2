/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON of log targets: EVE's objects out of the line's flat fields. */
#include <errno.h>
#include <string.h>

#include "base/common.h"
#include "events/event_line.h"
#include "events/text_out.h"

#define EVE_DEPTH_MAX 4

/* fields in the order of their paths, those of no object first: each object is opened once */
static uint8_t eve_order[EVENT_FIELD_N];

static int eve_compare(const void *a, const void *b)
{
	const char *x = event_field_info[*(const uint8_t *)a].eve, *y = event_field_info[*(const uint8_t *)b].eve;
	bool deep_x = strchr(x, '.'), deep_y = strchr(y, '.');

	if (deep_x != deep_y)
		return deep_x ? 1 : -1;
	return deep_x ? strcmp(x, y) : *(const uint8_t *)a - *(const uint8_t *)b;
}

__attribute__((constructor)) static void eve_sort(void)
{
	for (unsigned int i = 0; i < EVENT_FIELD_N; i++)
		eve_order[i] = (uint8_t)i;
	qsort(eve_order, EVENT_FIELD_N, sizeof(eve_order[0]), eve_compare);
}

struct eve {
	struct text_out *out;
	struct span open[EVE_DEPTH_MAX]; /* names of the objects that are open */
	unsigned int depth;
	bool first; /* in the object at hand */
};

static void eve_name(struct eve *eve, struct span name)
{
	text_put(eve->out, eve->first ? "\"" : ",\"", eve->first ? 1 : 2);
	text_put_span(eve->out, name);
	text_put(eve->out, "\":", 2);
	eve->first = false;
}

/* EVE says in the alert what became of it */
static void eve_alert_action(struct eve *eve, enum event_log log)
{
	bool blocked = log == EVENT_LOG_BLOCK || log == EVENT_LOG_QUARANTINE || log == EVENT_LOG_REPUTATION_BLOCK;

	text_put_text(eve->out, blocked ? "\"action\":\"blocked\"" : "\"action\":\"allowed\"");
	eve->first = false;
}

static void eve_close_to(struct eve *eve, unsigned int depth)
{
	for (; eve->depth > depth; eve->depth--) {
		text_put(eve->out, "}", 1);
		eve->first = false;
	}
}

/* opens and closes objects so that the field at path can follow; its own name */
static struct span eve_enter(struct eve *eve, enum event_log log, const char *path)
{
	const char *dot;

	for (unsigned int depth = 0; (dot = strchr(path, '.')) && depth < EVE_DEPTH_MAX; depth++, path = dot + 1) {
		struct span name = SPAN(path, (size_t)(dot - path));

		if (depth < eve->depth && eve->open[depth].len == name.len &&
			!memcmp(eve->open[depth].data, name.data, name.len))
			continue;
		eve_close_to(eve, depth);
		eve_name(eve, name);
		text_put(eve->out, "{", 1);
		eve->first = true;
		eve->open[eve->depth++] = name;
		if (!depth && name.len == 5 && !memcmp(name.data, "alert", 5))
			eve_alert_action(eve, log);
	}
	return SPAN(path, strlen(path));
}

/* how many objects a path is inside of */
static unsigned int path_depth(const char *path)
{
	unsigned int n = 0;

	for (; *path; path++)
		n += *path == '.';
	return n;
}

int event_encode_eve(const struct event_line *line, enum event_log log, char *text, size_t size)
{
	struct text_out out = {.text = text, .size = size};
	struct eve eve = {.out = &out, .first = true};

	text_put(&out, "{", 1);
	for (unsigned int head = 0; head < EVENT_LINE_HEADS; head++) {
		if (!line->head[head].data)
			continue;
		eve_name(&eve, SPAN(event_line_head_name[head], strlen(event_line_head_name[head])));
		text_put_span(&out, line->head[head]);
		if (head == EVENT_LINE_TIMESTAMP)
			text_put_format(&out, ",\"event_type\":\"%s\"", event_log_info[log].eve_type);
	}
	for (unsigned int i = 0; i < EVENT_FIELD_N; i++) {
		const struct span *value = &line->field[eve_order[i]];
		const char *path = event_field_info[eve_order[i]].eve;
		struct span name;

		if (!value->data)
			continue;
		name = eve_enter(&eve, log, path);
		eve_close_to(&eve, path_depth(path));
		eve_name(&eve, name);
		text_put_span(&out, *value);
	}
	eve_close_to(&eve, 0);
	text_put(&out, "}", 2); /* with the terminator, not counted below */
	return out.overflow ? -ENOBUFS : (int)out.len - 1;
}

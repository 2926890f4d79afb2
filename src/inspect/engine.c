/* SPDX-License-Identifier: Apache-2.0 */
/* Loading an image, and the scratch of a worker. */
#include "inspect/engine.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/span.h"
#include "inspect/image.h"

static int read_header(struct span *image, struct image_header *header)
{
	struct span bytes = {0};

	if (!span_take(image, sizeof(*header), &bytes))
		return -EINVAL;
	memcpy(header, bytes.data, sizeof(*header));
	if (header->magic != IMAGE_MAGIC || header->build != image_build())
		return log_err_r(-EINVAL, "inspection image of another build or CPU");
	if (header->checksum != image_hash(0, image->data, image->len))
		return log_err_r(-EINVAL, "inspection image is damaged");
	return 0;
}

int inspect_image_check(const uint8_t *image, size_t len)
{
	struct span bytes = SPAN(image, len);
	struct image_header header;

	return read_header(&bytes, &header);
}

uint64_t inspect_checksum(uint64_t seed, const void *data, uint64_t len)
{
	return image_hash(seed, data, len);
}

static int read_filters(struct inspect_engine *engine, struct span text, uint64_t n_filters)
{
	struct inspect_source source = {.name = "image", .text = text};
	struct inspect_report report = {0};
	int r = ruleset_read(&engine->set, RULESET_KNOWN, &source, 1, NULL, &report);

	if (r == 0 && engine->set.n != n_filters)
		r = -EINVAL;
	inspect_report_clear(&report);
	return r;
}

/* up to the next multiple of the alignment */
static bool skip_padding(struct span *image)
{
	return span_skip(image, -(uintptr_t)image->data % INSPECT_IMAGE_ALIGN);
}

static int read_group(struct inspect_engine *engine, struct span *image)
{
	struct span bytes = {0}, database = {0};
	struct image_group header;
	struct group *group;
	size_t size;

	if (!skip_padding(image) || !span_take(image, sizeof(header), &bytes))
		return -EINVAL;
	memcpy(&header, bytes.data, sizeof(header));
	if (header.dir >= INSPECT_DIRS || header.group >= GROUP_N || !skip_padding(image) ||
		!span_take(image, header.database_len, &database))
		return -EINVAL;
	group = engine->groups.group[header.dir][header.group];
	if (!group || group->database)
		return -EINVAL;
	group_drop_expressions(group);
	if (hs_database_size((const hs_database_t *)database.data, &size) != HS_SUCCESS || size != database.len)
		return -EINVAL;
	group->database = (const hs_database_t *)database.data;
	if (group_is_stream(group->id) && hs_stream_size(group->database, &group->stream_size) != HS_SUCCESS)
		return -EINVAL;
	return 0;
}

static void note_interest(struct inspect_engine *engine, const struct filter *f, enum inspect_dir dir)
{
	bool body = filter_uses(f, body_buffer(dir)) || filter_uses(f, BUFFER_FILE_DATA);

	if (!(f->dirs & 1u << dir))
		return;
	engine->looks_at_start[dir] |= f->at_start;
	engine->looks_at_raw[dir] |= filter_uses(f, BUFFER_RAW) || filter_uses(f, BUFFER_TURN);
	engine->looks_at_body[dir] |= body;
	engine->looks_at_parts[dir] |= f->protocol != PROTOCOL_HTTP && filter_uses(f, BUFFER_FILE_DATA);
	engine->looks_at_head[dir] |= f->protocol == PROTOCOL_HTTP;
	engine->blocks |= f->facts.action == INSPECT_BLOCK;
	engine->blocks_body[dir] |= f->facts.action == INSPECT_BLOCK && body;
}

static void note_interests(struct inspect_engine *engine)
{
	engine->n_on = 0;
	engine->blocks = false;
	for (enum inspect_dir dir = 0; dir < INSPECT_DIRS; dir++)
		engine->looks_at_raw[dir] = engine->looks_at_body[dir] = engine->looks_at_head[dir] =
			engine->looks_at_start[dir] = engine->looks_at_parts[dir] = engine->blocks_body[dir] = false;
	for (size_t i = 0; i < engine->set.n; i++) {
		const struct filter *f = engine->set.filters[i];

		engine->n_on += !f->off;
		for (enum inspect_dir dir = 0; !f->off && dir < INSPECT_DIRS; dir++)
			note_interest(engine, f, dir);
	}
}

void inspect_engine_treat(
	struct inspect_engine *engine, bool (*treat)(void *data, struct inspect_filter *filter), void *data)
{
	for (size_t i = 0; i < engine->set.n; i++)
		engine->set.filters[i]->off = !treat(data, &engine->set.filters[i]->facts);
	note_interests(engine);
}

static int check_groups(const struct groups *groups)
{
	for (enum inspect_dir dir = 0; dir < INSPECT_DIRS; dir++)
		for (unsigned int id = 0; id < GROUP_N; id++)
			if (groups->group[dir][id] && !groups->group[dir][id]->database)
				return -EINVAL;
	return 0;
}

static int load(struct inspect_engine *engine, struct span image)
{
	struct image_header header = {0};
	struct span found_by = {0}, text = {0};
	int r = read_header(&image, &header);

	if (r < 0)
		return r;
	if (!span_take(&image, header.n_filters, &found_by) || !span_take(&image, header.text_len, &text))
		return -EINVAL;
	r = read_filters(engine, text, header.n_filters);
	if (r == 0)
		r = groups_build(&engine->groups, &engine->set, found_by.data);
	for (uint64_t i = 0; r == 0 && i < header.n_groups; i++)
		r = read_group(engine, &image);
	if (r == 0)
		r = check_groups(&engine->groups);
	if (r == 0)
		engine->usage = calloc(engine->set.n + 1, sizeof(*engine->usage));
	if (r == 0 && !engine->usage)
		r = -ENOMEM;
	if (r == 0)
		note_interests(engine);
	return r;
}

int inspect_engine_load(struct inspect_engine **out, const uint8_t *image, size_t len)
{
	_cleanup_(inspect_engine_free) struct inspect_engine *engine = calloc(1, sizeof(*engine));
	int r;

	if (!engine)
		return -ENOMEM;
	r = (uintptr_t)image % INSPECT_IMAGE_ALIGN ? -EINVAL : load(engine, SPAN(image, len));
	if (r < 0)
		return r;
	free(engine->set.texts); /* they borrow from the image */
	engine->set.texts = NULL;
	*out = TAKE_PTR(engine);
	return 0;
}

void inspect_engine_free(struct inspect_engine **engine)
{
	if (!*engine)
		return;
	groups_clear(&(*engine)->groups);
	ruleset_clear(&(*engine)->set);
	free((*engine)->usage);
	free(*engine);
	*engine = NULL;
}

const struct inspect_filter *inspect_engine_usage(
	const struct inspect_engine *engine, size_t i, struct inspect_usage *out)
{
	if (i >= engine->set.n)
		return NULL;
	*out = engine->usage[i];
	return &engine->set.filters[i]->facts;
}

size_t inspect_engine_filters(const struct inspect_engine *engine)
{
	return engine->n_on;
}

/* monotonic, as coarse as the kernel's tick: rates and xbits count seconds */
static uint64_t coarse_clock(void *data)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

int inspect_scratch_new(struct inspect_scratch **out)
{
	_cleanup_(inspect_scratch_free) struct inspect_scratch *scratch = calloc(1, sizeof(*scratch));
	int r;

	if (!scratch)
		return -ENOMEM;
	scratch->clock = coarse_clock;
	r = regex_memory_new(&scratch->regex);
	if (r == 0)
		r = track_table_new(&scratch->rates);
	if (r == 0)
		r = track_table_new(&scratch->xbits);
	if (r < 0)
		return r;
	*out = TAKE_PTR(scratch);
	return 0;
}

int inspect_scratch_grow(struct inspect_scratch *scratch, const struct inspect_engine *engine)
{
	for (enum inspect_dir dir = 0; dir < INSPECT_DIRS; dir++)
		for (unsigned int id = 0; id < GROUP_N; id++) {
			const struct group *group = engine->groups.group[dir][id];

			if (group && hs_alloc_scratch(group->database, &scratch->hs) != HS_SUCCESS)
				return -ENOMEM;
		}
	return bits_pool_grow(&scratch->bits, engine->set.n);
}

void inspect_scratch_free(struct inspect_scratch **scratch)
{
	if (!*scratch)
		return;
	decoder_free(&(*scratch)->coarse.before);
	hs_free_scratch((*scratch)->hs);
	regex_memory_free(&(*scratch)->regex);
	bits_pool_clear(&(*scratch)->bits);
	for (size_t i = 0; i < SCRATCH_SPARES; i++)
		free((*scratch)->spares[i].data);
	track_table_clear(&(*scratch)->rates);
	track_table_clear(&(*scratch)->xbits);
	free(*scratch);
	*scratch = NULL;
}

void inspect_scratch_set_clock(struct inspect_scratch *scratch, uint64_t (*clock)(void *data), void *data)
{
	scratch->clock = clock;
	scratch->clock_data = data;
}

const struct inspect_stats *inspect_scratch_stats(const struct inspect_scratch *scratch)
{
	return &scratch->stats;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "snmp/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/common.h"
#include "snmp/numbers.h"

#define SNAPSHOT_KEEP_NS NSEC_PER_SEC
#define OBJECTS_BRANCH 1 /* sluObjects */
#define ENTRY_BRANCH 1   /* a table's entry */

static int name_compare(const uint32_t *a, size_t n_a, const uint32_t *b, size_t n_b)
{
	for (size_t i = 0; i < MIN(n_a, n_b); i++)
		if (a[i] != b[i])
			return a[i] < b[i] ? -1 : 1;
	return (n_a > n_b) - (n_a < n_b);
}

/* --- filling -------------------------------------------------------------------------------------------------------
 */

static int room_for(void **array, size_t *room, size_t used, size_t more, size_t size)
{
	size_t wanted = MAX(*room, 1024u);
	void *grown;

	while (wanted < used + more)
		wanted *= 2;
	if (wanted == *room)
		return 0;
	grown = realloc(*array, wanted * size);
	if (!grown)
		return -ENOMEM;
	*array = grown;
	*room = wanted;
	return 0;
}

static int snapshot_add(struct snapshot *s, const uint32_t *name, size_t n, const struct value *value)
{
	struct snapshot_entry *entry;
	int r = room_for((void **)&s->entries, &s->room, s->n, 1, sizeof(*s->entries));

	if (!r)
		r = room_for((void **)&s->names, &s->names_room, s->n_names, n, sizeof(*s->names));
	if (!r)
		r = room_for((void **)&s->bytes, &s->bytes_room, s->n_bytes, value->len, 1);
	if (r)
		return r;
	entry = &s->entries[s->n++];
	*entry = (struct snapshot_entry){.n = n, .len = value->len, .wire = value->wire, .name = s->n_names};
	entry->payload = value->wire == VALUE_BYTES ? s->n_bytes : value->number;
	memcpy(s->names + s->n_names, name, n * sizeof(*name));
	memcpy(s->bytes + s->n_bytes, value->bytes, value->len);
	s->n_names += n;
	s->n_bytes += value->len;
	return 0;
}

static int add_scalar(struct snapshot *s, uint32_t branch, uint32_t number, const struct value *value)
{
	const uint32_t name[] = {OBJECTS_BRANCH, branch, number, 0};

	return snapshot_add(s, name, ARRAY_SIZE(name), value);
}

static int add_device(struct snapshot *s, const json_t *status)
{
	struct value value;
	int r = 0;

	for (size_t i = 0; i < mib_n_device && !r; i++)
		if (value_from_json(&mib_device[i], json_object_get(status, mib_device[i].key), &value))
			r = add_scalar(s, MIB_DEVICE, mib_device[i].number, &value);
	return r;
}

static int add_counters(struct snapshot *s, const struct stats_page *stats)
{
	int r = 0;

	for (unsigned int i = 0; i < COUNTER_N && !r; i++) {
		struct value value = {0};

		value_counter(stats_sum(stats, i), counter_info[i].gauge, &value);
		if (mib_counter_number[i])
			r = add_scalar(s, MIB_COUNTERS, mib_counter_number[i], &value);
	}
	for (unsigned int i = CLOSE_NONE + 1; i < CLOSE_REASON_N && !r; i++) {
		struct value value = {0};

		value_counter(stats_sum_closed(stats, i), false, &value);
		if (mib_close_number[i])
			r = add_scalar(s, MIB_CLOSED, mib_close_number[i], &value);
	}
	return r;
}

struct row { /* being added: the object identifier with a place for the column */
	uint32_t name[SNAPSHOT_NAME_MAX];
	size_t n;
};
#define ROW_COLUMN 3

static int add_cell(struct snapshot *s, struct row *row, uint32_t column, const struct value *value)
{
	row->name[ROW_COLUMN] = column;
	return snapshot_add(s, row->name, row->n, value);
}

/* false: a name that cannot be an index */
static bool row_begin(struct row *row, const struct mib_table *table, const json_t *json, size_t place)
{
	const struct mib_object *index = &table->objects[0];
	const char *name = index->key ? json_string_value(json_object_get(json, index->key)) : NULL;

	*row = (struct row){.name = {OBJECTS_BRANCH, table->number, ENTRY_BRANCH}, .n = ROW_COLUMN + 1};
	if (!index->key)
		row->name[row->n++] = place + 1;
	else if (index->syntax == MIB_NUMBER)
		row->name[row->n++] = (uint32_t)json_integer_value(json_object_get(json, index->key));
	else if (name && *name && strlen(name) <= SNAPSHOT_NAME_MAX - row->n)
		while (*name)
			row->name[row->n++] = (unsigned char)*name++;
	return row->n > ROW_COLUMN + 1;
}

static int add_server_counters(struct snapshot *s, struct row *row, const struct stats_page *stats, unsigned int slot)
{
	int r = 0;

	for (unsigned int i = 0; i < COUNTER_N && !r; i++) {
		struct value value = {0};

		if (!mib_counter_number[i] || counter_info[i].scope != COUNTER_SCOPE_SERVER)
			continue;
		value_counter(stats_server_sum(stats, slot, i), counter_info[i].gauge, &value);
		r = add_cell(s, row, MIB_COLUMN_COUNTERS + mib_counter_number[i], &value);
	}
	for (unsigned int i = CLOSE_NONE + 1; i < CLOSE_REASON_N && !r; i++) {
		struct value value = {0};

		value_counter(stats_server_sum_closed(stats, slot, i), false, &value);
		if (mib_close_number[i])
			r = add_cell(s, row, MIB_COLUMN_CLOSED + mib_close_number[i], &value);
	}
	return r;
}

static int add_table(
	struct snapshot *s, const struct mib_table *table, const json_t *report, const struct stats_page *stats)
{
	const json_t *json;
	size_t place;
	int r = 0;

	json_array_foreach(json_object_get(report, table->rows), place, json)
	{
		struct value value;
		struct row row;

		if (!row_begin(&row, table, json, place))
			continue;
		for (size_t i = 1; i < table->n && !r; i++)
			if (value_from_json(&table->objects[i], json_object_get(json, table->objects[i].key), &value))
				r = add_cell(s, &row, table->objects[i].number, &value);
		if (!r && table->counters)
			r = add_server_counters(
				s, &row, stats, json_integer_value(json_object_get(json, "stats_slot")));
		if (r)
			break;
	}
	return r;
}

static int entry_compare(const void *a, const void *b, void *data)
{
	const struct snapshot_entry *x = a, *y = b;
	const uint32_t *names = data;

	return name_compare(names + x->name, x->n, names + y->name, y->n);
}

int snapshot_refresh(struct snapshot *snapshot, struct feed *feed, const struct stats_page *stats)
{
	uint64_t now = clock_now_ns();
	int r;

	if (snapshot->taken_ns && now - snapshot->taken_ns < SNAPSHOT_KEEP_NS)
		return 0;
	snapshot->n = snapshot->n_names = snapshot->n_bytes = 0;
	snapshot->taken_ns = now;
	r = add_device(snapshot, feed_get(feed, MIB_STATUS));
	if (!r)
		r = add_counters(snapshot, stats);
	for (size_t i = 0; i < mib_n_tables && !r; i++)
		r = add_table(snapshot, &mib_tables[i], feed_get(feed, mib_tables[i].report), stats);
	if (snapshot->n)
		qsort_r(snapshot->entries, snapshot->n, sizeof(*snapshot->entries), entry_compare, snapshot->names);
	return r;
}

void snapshot_clear(struct snapshot *snapshot)
{
	free(snapshot->entries);
	free(snapshot->names);
	free(snapshot->bytes);
	*snapshot = (struct snapshot){0};
}

/* --- looking up ----------------------------------------------------------------------------------------------------
 */

const struct snapshot_entry *snapshot_next(
	const struct snapshot *snapshot, const uint32_t *name, size_t n, bool inclusive)
{
	size_t low = 0, high = snapshot->n;

	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct snapshot_entry *entry = &snapshot->entries[middle];
		int order = name_compare(snapshot->names + entry->name, entry->n, name, n);

		if (order > 0 || (order == 0 && inclusive))
			high = middle;
		else
			low = middle + 1;
	}
	return low < snapshot->n ? &snapshot->entries[low] : NULL;
}

const struct snapshot_entry *snapshot_get(const struct snapshot *snapshot, const uint32_t *name, size_t n)
{
	const struct snapshot_entry *entry = snapshot_next(snapshot, name, n, true);

	return entry && name_compare(snapshot->names + entry->name, entry->n, name, n) == 0 ? entry : NULL;
}

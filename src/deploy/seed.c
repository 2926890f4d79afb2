/* SPDX-License-Identifier: Apache-2.0 */
/* J4: settings of day 0, from the operator's file to a medium. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "day0/settings.h"
#include "base/system.h"
#include "deploy/medium.h"

#define SEED_LABEL "CIDATA"

static int seed_parse(const char *path, const char *text, size_t len, struct report *report, struct day0_settings **out)
{
	struct config_problems problems = {0};
	int r = day0_parse(text, len, out, &problems);

	for (size_t i = 0; i < problems.n; i++)
		fprintf(report->err, "%s:%u:%u: %s\n", path, problems.items[i].line, problems.items[i].column,
			problems.items[i].message);
	if (r < 0)
		report_fail(report, r, "correct the lines named above; docs/day0.md lists every setting", "%s:%u: %s",
			path, problems.n ? problems.items[0].line : 0,
			problems.n ? problems.items[0].message : "not accepted");
	config_problems_clear(&problems);
	return r;
}

struct seed_walk {
	struct medium *medium;
	struct report *report;
	const char *path; /* of the document; files lie beside it */
};

static int seed_add_file(const struct seed_walk *walk, const char *name)
{
	const char *slash = strrchr(walk->path, '/');
	char path[1024];
	int r;

	if (!name)
		return 0;
	snprintf(path, sizeof(path), "%.*s%s", slash ? (int)(slash - walk->path + 1) : 0, walk->path, name);
	r = medium_add_file(walk->medium, name, path);
	return r < 0 ? report_fail(walk->report, r, "put it beside the settings, or write its content into them",
			       "%s names %s, and %s cannot be read: %s", walk->path, name, path, strerror(-r))
		     : 0;
}

static bool is_file_key(const char *key)
{
	size_t len = strlen(key);

	return len > 5 && strcmp(key + len - 5, "_file") == 0;
}

/* "pkcs12_file: web.p12" and its like, in the items of a list */
static int seed_add_files_of_list(const struct seed_walk *walk, const struct tree_node *list)
{
	const struct tree_node *item, *key;
	int r = 0;

	for (item = list ? list->first : NULL; item && r >= 0; item = item->next)
		for (key = item->first; key && key->next && r >= 0; key = key->next->next)
			if (is_file_key(key->text))
				r = seed_add_file(walk, key->next->text);
	return r;
}

/* every file that the settings name is on the medium */
static int seed_add_files(const struct seed_walk *walk, const struct day0_settings *settings)
{
	static const char *const lists[] = {"certificates", "log_credentials"};
	const struct tree_node *rules = day0_node(settings, "rule_files"), *item;
	int r = seed_add_file(walk, day0_text(settings, "configuration_file"));

	for (size_t i = 0; i < ARRAY_SIZE(lists) && r >= 0; i++)
		r = seed_add_files_of_list(walk, day0_node(settings, lists[i]));
	for (item = rules ? rules->first : NULL; item && r >= 0; item = item->next)
		if (!day0_item_text(item, "text"))
			r = seed_add_file(walk, day0_item_text(item, "name"));
	return r;
}

int medium_from_day0(const char *path, const char *instance_id, struct report *report, struct medium **out)
{
	_cleanup_(day0_free) struct day0_settings *settings = NULL;
	_cleanup_(medium_free) struct medium *medium = NULL;
	_cleanup_free_ char *text = NULL;
	char meta[128];
	size_t len = 0;
	int r = system_read_file(path, DAY0_DOCUMENT_MAX, &text, &len);

	if (r < 0)
		return report_fail(report, r, "name the file with --day0", "cannot read the settings of day 0, %s: %s",
			path, strerror(-r));
	r = seed_parse(path, text, len, report, &settings);
	if (r >= 0 && medium_new(SEED_LABEL, &medium) < 0)
		r = -ENOMEM;
	if (r >= 0) {
		snprintf(meta, sizeof(meta), "instance-id: %s\n", instance_id);
		r = medium_add_text(medium, "meta-data", meta, strlen(meta));
	}
	if (r >= 0)
		r = medium_add_text(medium, "user-data", text, len);
	if (r >= 0)
		r = seed_add_files(&(struct seed_walk){medium, report, path}, settings);
	explicit_bzero(text, len);
	if (r < 0)
		return report_fail(report, r, "see above", "no medium can be made from %s: %s", path, strerror(-r));
	*out = TAKE_PTR(medium);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/history.h"

#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/base64.h"
#include "base/common.h"

#define HISTORY_LIMIT_DEFAULT 50u
#define HISTORY_TEXT_MAX 256 /* bytes of a comment, and of a place */
#define HISTORY_DOCUMENT_MAX (4u << 20)

/* --- who ------------------------------------------------------------------------------------------------------------
 */

/* what an operator's program says of itself: one line, bounded, without controls */
static void history_add_text(json_t *facts, const json_t *request, const char *key)
{
	const char *given = json_string_value(json_object_get(request, key));
	char text[HISTORY_TEXT_MAX + 1];
	size_t n = 0;

	if (!given || !*given)
		return;
	for (; given[n] && n < HISTORY_TEXT_MAX; n++)
		text[n] = iscntrl((unsigned char)given[n]) ? ' ' : given[n];
	while (given[n] && n && ((unsigned char)given[n] & 0xc0) == 0x80)
		n--; /* no half character */
	text[n] = '\0';
	json_object_set_new(facts, key, json_string(text));
}

json_t *history_asker(const struct ucred *peer, const json_t *request)
{
	const struct passwd *user = getpwuid(peer->uid);
	char number[16];
	json_t *facts;

	snprintf(number, sizeof(number), "%u", peer->uid);
	facts = json_pack("{s:I, s:s}", "uid", (json_int_t)peer->uid, "user", user ? user->pw_name : number);
	if (!facts)
		return json_object();
	history_add_text(facts, request, "from");
	history_add_text(facts, request, "comment");
	return facts;
}

const char *history_user(const json_t *facts)
{
	const char *user = json_string_value(json_object_get(facts, "user"));

	return user ? user : "sluiced";
}

/* --- the store ------------------------------------------------------------------------------------------------------
 */

/* FNV-1a: tells whether two versions' rule files differ, and what a disk has damaged; nothing is trusted to it */
#define HISTORY_DIGEST_SEED 0xcbf29ce484222325u

static uint64_t history_digest(uint64_t h, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ data[i]) * 0x100000001b3u;
	return h;
}

/* of a whole file; the size is the number of its bytes */
static int history_digest_file(int fd, uint64_t *h, size_t *size)
{
	struct stat st;
	void *data;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	*size = st.st_size;
	data = st.st_size ? mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
	if (data == MAP_FAILED)
		return -errno;
	*h = history_digest(*h, data, st.st_size);
	if (data)
		munmap(data, st.st_size);
	return 0;
}

/* of the document (as it lies beside its place, or in it) and every rule file, with their sizes between them */
static int history_digest_version(
	const struct store *store, uint32_t version, bool published, size_t n_files, char out[20])
{
	_cleanup_close_ int document =
		published ? store_open_version(store, version) : store_open_candidate(store, version);
	uint64_t h = HISTORY_DIGEST_SEED;
	size_t size = 0;
	int r = history_digest_file(document, &h, &size);

	for (size_t i = 0; r >= 0 && i < n_files; i++) {
		_cleanup_close_ int fd = store_open_version_file(store, version, i);

		h = history_digest(h, (const uint8_t *)&size, sizeof(size));
		r = history_digest_file(fd, &h, &size);
	}
	snprintf(out, 20, "%016llx", (unsigned long long)h);
	return r;
}

int history_verify(const struct store *store, uint32_t version)
{
	json_t *facts = store_load_version_facts(store, version);
	const char *known = json_string_value(json_object_get(facts, "digest"));
	char digest[20];
	int r = 0;

	if (known && (history_digest_version(
			      store, version, true, json_array_size(json_object_get(facts, "files")), digest) < 0 ||
			     strcmp(known, digest)))
		r = -EBADMSG;
	json_decref(facts);
	return r;
}

int history_write(const struct store *store, uint32_t version, json_t *facts, char **names, size_t n_names)
{
	json_t *files = json_array();
	char digest[20];
	int r = history_digest_version(store, version, false, n_names, digest);

	for (size_t i = 0; i < n_names; i++)
		json_array_append_new(files, json_string(names[i]));
	json_object_set_new(facts, "version", json_integer(version));
	json_object_set_new(facts, "time", json_integer((json_int_t)clock_wall_us()));
	json_object_set_new(facts, "files", files);
	json_object_set_new(facts, "digest", json_string(digest));
	return r < 0 ? r : store_write_version_facts(store, version, facts);
}

uint32_t history_target(const struct supervisor *supervisor, const json_t *request)
{
	json_int_t asked = json_integer_value(json_object_get(request, "version"));
	size_t n;
	_cleanup_free_ uint32_t *versions = store_list_versions(&supervisor->store, &n);
	uint32_t current = supervisor->policy ? supervisor->policy->version : UINT32_MAX;

	for (size_t i = 0; i < n; i++)
		if (asked ? versions[i] == asked : versions[i] < current)
			return versions[i];
	return 0;
}

/* --- answers --------------------------------------------------------------------------------------------------------
 */

static json_t *history_facts(const struct supervisor *supervisor, uint32_t version)
{
	json_t *facts = store_load_version_facts(&supervisor->store, version);

	if (!json_is_object(facts)) { /* of a version that was committed before there were facts */
		json_decref(facts);
		facts = json_pack("{s:I}", "version", (json_int_t)version);
	}
	json_object_set_new(
		facts, "in_force", json_boolean(supervisor->policy && supervisor->policy->version == version));
	return facts;
}

json_t *report_history(struct supervisor *supervisor, const json_t *request)
{
	json_int_t limit = json_integer_value(json_object_get(request, "limit"));
	size_t n, max = limit > 0 ? (size_t)limit : HISTORY_LIMIT_DEFAULT;
	_cleanup_free_ uint32_t *versions = store_list_versions(&supervisor->store, &n);
	json_t *array = json_array();

	for (size_t i = 0; i < MIN(n, max); i++)
		json_array_append_new(array, history_facts(supervisor, versions[i]));
	return json_pack("{s:b, s:i, s:o}", "ok", 1, "total", (int)n, "versions", array);
}

static char *history_data(int fd, size_t size)
{
	_cleanup_free_ uint8_t *data = malloc(size + 1);
	ssize_t n = data ? pread(fd, data, size, 0) : -1;

	return n == (ssize_t)size ? base64_encode(data, size) : NULL;
}

/* with_data: the file itself, in base64, for a backup */
static json_t *history_file(const struct store *store, uint32_t version, size_t index, const char *name, bool with_data)
{
	_cleanup_close_ int fd = store_open_version_file(store, version, index);
	_cleanup_free_ char *data = NULL;
	uint64_t h = HISTORY_DIGEST_SEED;
	char digest[20];
	size_t size;

	if (history_digest_file(fd, &h, &size) < 0)
		return NULL;
	snprintf(digest, sizeof(digest), "%016llx", (unsigned long long)h);
	return json_pack("{s:s, s:I, s:s, s:s*}", "name", name, "bytes", (json_int_t)size, "digest", digest, "data",
		with_data ? (data = history_data(fd, size)) : NULL);
}

static json_t *history_files(const struct store *store, uint32_t version, const json_t *facts, bool with_data)
{
	json_t *files = json_array(), *file;

	for (size_t i = 0;; i++) {
		const char *name = json_string_value(json_array_get(json_object_get(facts, "files"), i));
		char number[24];

		snprintf(number, sizeof(number), "rule file %zu", i + 1);
		file = history_file(store, version, i, name ? name : number, with_data);
		if (!file)
			return files;
		json_array_append_new(files, file);
	}
}

static json_t *history_read(const struct store *store, uint32_t version)
{
	_cleanup_close_ int fd = store_open_version(store, version);
	_cleanup_free_ char *text = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size > HISTORY_DOCUMENT_MAX)
		return NULL;
	text = malloc(st.st_size + 1);
	n = text ? pread(fd, text, st.st_size, 0) : -1;
	return n < 0 ? NULL : json_stringn(text, n);
}

json_t *report_configuration(struct supervisor *supervisor, const json_t *request)
{
	json_int_t asked = json_integer_value(json_object_get(request, "version"));
	uint32_t version = asked ? (uint32_t)asked : supervisor->policy ? supervisor->policy->version : 0;
	json_t *text = version ? history_read(&supervisor->store, version) : NULL, *facts;

	if (!version)
		return json_pack("{s:b, s:s}", "ok", 0, "error",
			"no configuration is in force: put one into force with \"sluice commit FILE\"");
	if (!text)
		return json_pack("{s:b, s:s}", "ok", 0, "error",
			"that version is not in the store: see \"sluice history\" for those that are");
	facts = history_facts(supervisor, version);
	json_object_set_new(facts, "ok", json_true());
	json_object_set_new(facts, "files",
		history_files(&supervisor->store, version, facts, json_is_true(json_object_get(request, "with_data"))));
	json_object_set_new(facts, "text", text);
	return facts;
}

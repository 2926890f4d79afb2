/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-proxy --compile: rule files in, one image out; a process of its own because rule text is input, compiling is
 * long, and Hyperscan belongs to this program. */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/log.h"
#include "base/shm.h"
#include "base/span.h"
#include "inspect/inspect.h"
#include "ipc/message.h"
#include "proxy/compile_cache.h"
#include "proxy/worker.h"

#define COMPILE_CONTROL_FD 3
#define COMPILE_TELL_NS (NSEC_PER_SEC / 5)
#define COMPILE_FILE_MAX (256u << 20)

struct sources {
	size_t n;
	struct inspect_source *items;
};

static void sources_free(struct sources *sources)
{
	for (size_t i = 0; i < sources->n; i++)
		free((void *)sources->items[i].text.data);
	free(sources->items);
}

/* the file as it is now, from its beginning */
static int source_read(struct inspect_source *source, const char *name, int fd)
{
	_cleanup_free_ uint8_t *text = NULL;
	struct stat st;
	size_t done = 0;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size > COMPILE_FILE_MAX)
		return -EFBIG;
	text = malloc(st.st_size + 1);
	if (!text)
		return -ENOMEM;
	while (done < (size_t)st.st_size) {
		ssize_t n = pread(fd, text + done, st.st_size - done, done);

		if (n < 0)
			return -errno;
		if (!n)
			break;
		done += n;
	}
	source->name = name;
	source->text = SPAN(TAKE_PTR(text), done);
	return 0;
}

static int sources_read(struct sources *sources, const json_t *names, const int *fds, size_t n_fds)
{
	const json_t *name;
	size_t i;

	if (json_array_size(names) != n_fds)
		return -EPROTO;
	sources->items = calloc(n_fds + 1, sizeof(*sources->items));
	if (!sources->items)
		return -ENOMEM;
	json_array_foreach(names, i, name)
	{
		int r = source_read(&sources->items[i], json_string_value(name), fds[i]);

		if (r < 0)
			return r;
		sources->n = i + 1;
	}
	return 0;
}

static json_t *compile_refusals(const struct inspect_report *report)
{
	json_t *refused = json_array();

	for (size_t i = 0; i < report->n_refused; i++) {
		const struct inspect_refusal *refusal = &report->refused[i];

		json_array_append_new(
			refused, json_pack("{s:s, s:i, s:I, s:s}", "file", refusal->file, "line", (int)refusal->line,
					 "sid", (json_int_t)refusal->sid, "reason", refusal->reason));
	}
	return refused;
}

/* --- progress ----------------------------------------------------------------------------------------------------- */
struct teller {
	uint64_t told_ns;
};

static void compile_tell(void *owner, const char *what, size_t done, size_t total)
{
	struct teller *teller = owner;
	uint64_t now = clock_now_ns();
	json_t *message;

	if (now - teller->told_ns < COMPILE_TELL_NS)
		return;
	teller->told_ns = now;
	message = json_pack("{s:s, s:s, s:I, s:I}", "message", "progress", "what", what, "done", (json_int_t)done,
		"total", (json_int_t)total);
	if (message)
		ipc_send(COMPILE_CONTROL_FD, message, NULL, 0);
	json_decref(message);
}

/* --- filters that the profile names ------------------------------------------------------------------------------- */
static int sid_compare(const void *left, const void *right)
{
	const uint32_t *a = left, *b = right;

	return *a < *b ? -1 : *a > *b;
}

/* of a filter that is not commented out; 0: none */
static uint32_t line_sid(struct span line)
{
	const uint8_t *at = line.len && line.data[0] != '#' ? memmem(line.data, line.len, "sid:", 4) : NULL;
	uint32_t sid = 0;

	for (at = at ? at + 4 : NULL; at && at < line.data + line.len && (isdigit(*at) || (*at == ' ' && !sid)); at++)
		sid = *at == ' ' ? sid : sid * 10 + (uint32_t)(*at - '0');
	return sid;
}

/* marks those of the n sorted numbers that a filter of the source has */
static void source_find(struct span text, const uint32_t *wanted, bool *found, size_t n)
{
	while (text.len) {
		const uint8_t *end = memchr(text.data, '\n', text.len);
		size_t len = end ? (size_t)(end - text.data) : text.len;
		uint32_t sid = line_sid(SPAN(text.data, len));
		const uint32_t *at = sid ? bsearch(&sid, wanted, n, sizeof(*wanted), sid_compare) : NULL;

		if (at)
			found[at - wanted] = true;
		span_skip(&text, MIN(len + 1, text.len));
	}
}

/* B11: the filters with overrides that no package holds */
static json_t *compile_missing(const struct sources *sources, const json_t *named)
{
	size_t n = json_array_size(named);
	_cleanup_free_ uint32_t *wanted = calloc(n + 1, sizeof(*wanted));
	_cleanup_free_ bool *found = calloc(n + 1, sizeof(*found));
	json_t *missing = json_array();

	for (size_t i = 0; wanted && i < n; i++)
		wanted[i] = (uint32_t)json_integer_value(json_array_get(named, i));
	if (!wanted || !found)
		return missing;
	qsort(wanted, n, sizeof(*wanted), sid_compare);
	for (size_t i = 0; i < sources->n; i++)
		source_find(sources->items[i].text, wanted, found, n);
	for (size_t i = 0; i < n; i++)
		if (!found[i])
			json_array_append_new(missing, json_integer(wanted[i]));
	return missing;
}

/* --- work --------------------------------------------------------------------------------------------------------- */
struct work {
	struct sources sources;
	const json_t *named;    /* filters with overrides */
	int cached_fd, keep_fd; /* -1: none */
	json_t *answer;
	uint8_t *image;
	size_t image_len;
};

static void work_clear(struct work *work)
{
	sources_free(&work->sources);
	json_decref(work->answer);
	free(work->image);
}

/* what an earlier compilation of the same sources left */
static bool work_from_cache(struct work *work)
{
	int r = work->cached_fd < 0
			? -ENOENT
			: compile_cache_read(work->cached_fd, &work->answer, &work->image, &work->image_len);

	if (r < 0 && work->cached_fd >= 0)
		log_info("what the cache holds for these filters is damaged or of another build: they are compiled "
			 "again");
	if (r == 0)
		json_object_set_new(work->answer, "cached", json_true());
	return r == 0;
}

static int work_compile(struct work *work)
{
	struct teller teller = {0};
	const struct inspect_progress progress = {compile_tell, &teller};
	struct inspect_report report = {0};
	int r = inspect_compile(
		work->sources.items, work->sources.n, &progress, &work->image, &work->image_len, &report);

	if (r >= 0)
		work->answer =
			json_pack("{s:s, s:I, s:I, s:o}", "message", "compiled", "loaded", (json_int_t)report.n_loaded,
				"disabled", (json_int_t)report.n_disabled, "refused", compile_refusals(&report));
	inspect_report_clear(&report);
	if (r >= 0 && !work->answer)
		r = -ENOMEM;
	if (r >= 0 && work->keep_fd >= 0 &&
		compile_cache_write(work->keep_fd, work->answer, SPAN(work->image, work->image_len)) == 0)
		json_object_set_new(work->answer, "kept", json_true());
	return r;
}

static int compile_answer(struct work *work)
{
	_cleanup_close_ int fd = -1;
	int r = work_from_cache(work) ? 0 : work_compile(work);

	if (r >= 0)
		json_object_set_new(work->answer, "missing", compile_missing(&work->sources, work->named));
	if (r >= 0)
		r = shm_create_sealed("sluice-filters", work->image, work->image_len, &fd);
	if (r < 0) {
		json_decref(work->answer);
		work->answer = json_pack("{s:s, s:s}", "message", "compile_error", "error", strerror(-r));
	}
	return work->answer ? ipc_send(COMPILE_CONTROL_FD, work->answer, &fd, r < 0 ? 0 : 1) : -ENOMEM;
}

/* the descriptors: rule files, then what the cache has (if "cached"), then a file to keep the result in (if "keep") */
static int work_read(struct work *work, const json_t *request, const int *fds, size_t n_fds)
{
	bool cached = json_is_true(json_object_get(request, "cached")),
	     keep = json_is_true(json_object_get(request, "keep"));

	if (n_fds < (size_t)cached + keep)
		return -EPROTO;
	work->keep_fd = keep ? fds[--n_fds] : -1;
	work->cached_fd = cached ? fds[--n_fds] : -1;
	work->named = json_object_get(request, "overrides");
	return sources_read(&work->sources, json_object_get(request, "files"), fds, n_fds);
}

int compile_main(void)
{
	_cleanup_(work_clear) struct work work = {.cached_fd = -1, .keep_fd = -1};
	json_t *request = NULL;
	int fds[IPC_FDS_MAX], r;
	size_t n_fds = IPC_FDS_MAX;

	log_set_name("sluice-proxy --compile");
	r = ipc_recv(COMPILE_CONTROL_FD, 10000, &request, fds, &n_fds);
	if (r < 0)
		return EXIT_FAILURE;
	r = compile_sandbox();
	if (r >= 0)
		r = work_read(&work, request, fds, n_fds);
	if (r < 0)
		log_err_r(r, "cannot read the rule files");
	else
		r = compile_answer(&work);
	json_decref(request);
	for (size_t i = 0; i < n_fds; i++)
		close(fds[i]);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

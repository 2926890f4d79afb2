/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-proxy --compile: rule files in, one image out; a process of its own because rule text is input, compiling is
 * long, and Hyperscan belongs to this program. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/common.h"
#include "base/log.h"
#include "base/shm.h"
#include "inspect/inspect.h"
#include "ipc/message.h"
#include "proxy/worker.h"

#define COMPILE_CONTROL_FD 3
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

static int compile_answer(const struct sources *sources)
{
	struct inspect_report report = {0};
	_cleanup_free_ uint8_t *image = NULL;
	_cleanup_close_ int fd = -1;
	json_t *answer;
	size_t len;
	int r = inspect_compile(sources->items, sources->n, &image, &len, &report);

	if (r >= 0)
		r = shm_create_sealed("sluice-filters", image, len, &fd);
	answer = r < 0 ? json_pack("{s:s, s:s}", "message", "compile_error", "error", strerror(-r))
		       : json_pack("{s:s, s:I, s:I, s:o}", "message", "compiled", "loaded", (json_int_t)report.n_loaded,
				 "disabled", (json_int_t)report.n_disabled, "refused", compile_refusals(&report));
	r = answer ? ipc_send(COMPILE_CONTROL_FD, answer, &fd, r < 0 ? 0 : 1) : -ENOMEM;
	json_decref(answer);
	inspect_report_clear(&report);
	return r;
}

int compile_main(void)
{
	_cleanup_(sources_free) struct sources sources = {0};
	json_t *request = NULL;
	int fds[IPC_FDS_MAX], r;
	size_t n_fds = IPC_FDS_MAX;

	log_set_name("sluice-proxy --compile");
	r = ipc_recv(COMPILE_CONTROL_FD, 10000, &request, fds, &n_fds);
	if (r < 0)
		return EXIT_FAILURE;
	r = compile_sandbox();
	if (r >= 0)
		r = sources_read(&sources, json_object_get(request, "files"), fds, n_fds);
	if (r < 0)
		log_err_r(r, "cannot read the rule files");
	else
		r = compile_answer(&sources);
	json_decref(request);
	for (size_t i = 0; i < n_fds; i++)
		close(fds[i]);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

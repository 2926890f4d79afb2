/* SPDX-License-Identifier: Apache-2.0 */
/* The one-shot that fetches one private key from a key provider (docs/key-provider.md) and seals it. Only this process
 * and the provider see the key in clear; what the supervisor gets is the sealed key. */
#include <endian.h>
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/shm.h"
#include "keys/fetch.h"
#include "keys/main.h"
#include "keys/one_shot.h"

#define FETCH_NS (10 * NSEC_PER_SEC) /* the whole conversation */
#define FETCH_HEADER_MAX 4096
#define FETCH_KEY_MAX (64u << 10)

void fetch_clear(struct fetch *fetch)
{
	import_clear(&fetch->import);
	json_decref(fetch->json);
	for (size_t i = 0; i < fetch->n_fds; i++)
		cleanup_close(&fetch->fds[i]);
}

/* all of it, in time */
static int fetch_transfer(struct fetch *fetch, void *data, size_t len, bool out)
{
	int fd = fetch->fds[1];

	for (size_t done = 0; done < len;) {
		struct pollfd p = {.fd = fd, .events = out ? POLLOUT : POLLIN};
		int64_t left = (int64_t)(fetch->deadline_ns - clock_now_ns()) / (int64_t)NSEC_PER_MSEC;
		ssize_t n;

		if (left <= 0 || poll(&p, 1, (int)left) <= 0)
			return import_refuse(&fetch->import, "the key provider does not answer in time");
		n = out ? write(fd, (uint8_t *)data + done, len - done) : read(fd, (uint8_t *)data + done, len - done);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return import_refuse(
				&fetch->import, "the key provider closed the connection before its answer was whole");
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int fetch_ask(struct fetch *fetch)
{
	json_t *request = json_pack("{s:i, s:s, s:s, s:O}", "version", 1, "request", "private_key", "certificate",
		fetch->import.name, "key_id", json_object_get(fetch->json, "key_id"));
	char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
	uint32_t len = text ? htobe32((uint32_t)strlen(text)) : 0;
	int err = text ? fetch_transfer(fetch, &len, sizeof(len), true) : -ENOMEM;

	if (!err)
		err = fetch_transfer(fetch, text, strlen(text), true);
	free(text);
	json_decref(request);
	return err;
}

/* the header of the answer; *key_len: what follows it */
static int fetch_read_header(struct fetch *fetch, size_t *key_len)
{
	char text[FETCH_HEADER_MAX];
	json_t *header = NULL;
	const char *error;
	json_int_t bytes;
	uint32_t len;
	int err = fetch_transfer(fetch, &len, sizeof(len), false);

	if (err)
		return err;
	len = be32toh(len);
	if (!len || len > sizeof(text))
		return import_refuse(
			&fetch->import, "the key provider's answer is malformed: a header of %u bytes", len);
	err = fetch_transfer(fetch, text, len, false);
	if (!err)
		header = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	if (err)
		return err;
	error = json_string_value(json_object_get(header, "error"));
	bytes = json_integer_value(json_object_get(header, "key_bytes"));
	if (!json_is_object(header))
		err = import_refuse(&fetch->import, "the key provider's answer is malformed: its header is not JSON");
	else if (!json_is_true(json_object_get(header, "ok")))
		err = import_refuse(&fetch->import, "the key provider says: %.200s", error ? error : "no");
	else if (bytes < 1 || bytes > FETCH_KEY_MAX)
		err = import_refuse(&fetch->import, "the key provider's answer is malformed: a key of %lld bytes",
			(long long)bytes);
	*key_len = (size_t)bytes;
	json_decref(header);
	return err;
}

int fetch_read_key(struct fetch *fetch)
{
	_cleanup_secret_ struct secret key = {0};
	char id[17];
	size_t len = 0;
	int err = fetch_read_header(fetch, &len);

	if (!err)
		err = secret_new(&key, len);
	if (!err)
		err = fetch_transfer(fetch, key.data, key.len, false);
	if (!err)
		err = import_parse_key(&fetch->import, SPAN(key.data, key.len), NULL);
	if (!err)
		err = import_check_key(&fetch->import);
	if (err)
		return err;
	snprintf(id, sizeof(id), "%016llx", (unsigned long long)fetch->import.key_id);
	if (strcasecmp(id, json_string_value(json_object_get(fetch->json, "key_id")) ?: ""))
		return import_refuse(&fetch->import, "the key provider gave the key of another certificate");
	return 0;
}

static int fetch_handle(struct fetch *fetch, int *sealed_fd)
{
	const char *message = json_string_value(json_object_get(fetch->json, "message"));
	int err;

	fetch->import.name = json_string_value(json_object_get(fetch->json, "name"));
	fetch->import.warnings = json_array();
	fetch->deadline_ns = clock_now_ns() + FETCH_NS;
	if (!message || strcmp(message, "fetch") || !fetch->import.name || fetch->n_fds != FETCH_FDS)
		return import_refuse(&fetch->import, "malformed fetch message");
	err = fetch_ask(fetch);
	if (!err)
		err = fetch_read_key(fetch);
	return err ? err : import_seal_to_memfd(&fetch->import, fetch->fds[0], sealed_fd);
}

int fetch_run(int control_fd)
{
	_cleanup_(fetch_clear) struct fetch fetch = {.n_fds = FETCH_FDS};
	_cleanup_close_ int sealed_fd = -1;
	int err = one_shot_begin(control_fd, "fetch", NULL, &fetch.json, fetch.fds, &fetch.n_fds);

	if (err)
		return 1;
	err = fetch_handle(&fetch, &sealed_fd);
	return one_shot_end(
		control_fd, "fetch", &fetch.import, err, json_pack("{s:s}", "message", "fetched"), sealed_fd);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/keeper.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/log.h"
#include "ipc/message.h"
#include "keys/harden.h"
#include "keys/seal.h"

#define KEEPER_START_TIMEOUT_MS 30000
#define KEEPER_CHECK_NS (60 * NSEC_PER_SEC)
#define KEEPER_FDS_MAX 3

/* one message of the supervisor; what a handler keeps it takes out */
struct keeper_message {
	json_t *json;
	int fds[KEEPER_FDS_MAX];
	size_t n_fds;
};

static void keeper_message_clear(struct keeper_message *message)
{
	json_decref(message->json);
	for (size_t i = 0; i < message->n_fds; i++)
		cleanup_close(&message->fds[i]);
}

static const char *message_text(const struct keeper_message *message, const char *key)
{
	return json_string_value(json_object_get(message->json, key));
}

/* key ids travel as 16 hex digits */
static int message_key_id(const struct keeper_message *message, uint64_t *id)
{
	const char *text = message_text(message, "key_id");

	if (!text || strlen(text) != 16 || strspn(text, "0123456789abcdefABCDEF") != 16)
		return -EINVAL;
	*id = strtoull(text, NULL, 16);
	return 0;
}

/* takes the reference */
static void keeper_reply(struct keeper *keeper, json_t *reply)
{
	int err = reply ? ipc_send(keeper->control_fd, reply, NULL, 0) : -ENOMEM;

	if (err)
		log_err_r(err, "cannot answer the supervisor");
	json_decref(reply);
}

/* --- keys ------------------------------------------------------------------------------------------------------- */

static int keeper_unseal(
	struct keeper *keeper, const char *name, uint64_t id, int fd, struct private_key **key, const char **why)
{
	_cleanup_secret_ struct secret sealed = {0}, plain = {0};
	uint8_t device_key[DEVICE_KEY_SIZE];
	int err;

	*why = "the sealed key cannot be read";
	err = secret_read(&sealed, fd, SEALED_MAX);
	if (err)
		return err;
	*why = "the device key cannot be read: is the state directory complete?";
	if (keeper->device_key.len)
		memcpy(device_key, keeper->device_key.data, sizeof(device_key));
	else
		err = device_key_read(keeper->device_key_fd, device_key);
	if (err == -ENOKEY || err == -EBADF)
		*why = "keystore locked";
	if (err)
		return err;
	*why = "the sealed key does not open: it belongs to another device key or name, or is damaged; import it again";
	err = key_unseal(device_key, name, id, SPAN(sealed.data, sealed.len), &plain);
	OPENSSL_cleanse(device_key, sizeof(device_key));
	if (err)
		return err;
	*why = "the sealed key is not usable; import it again";
	return private_key_from_pkcs8(key, SPAN(plain.data, plain.len));
}

/* takes the descriptor */
static int keeper_take_device_key(struct keeper *keeper, int fd)
{
	struct secret key = {0};
	struct stat st;
	int err = 0;

	cleanup_close(&keeper->device_key_fd);
	keeper->device_key_fd = fd;
	secret_free(&keeper->device_key);
	if (fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode))
		return 0;
	err = secret_new(&key, DEVICE_KEY_SIZE);
	if (!err)
		err = device_key_read(fd, key.data);
	if (err)
		secret_free(&key);
	else
		keeper->device_key = key;
	cleanup_close(&keeper->device_key_fd);
	keys_lock_memory();
	return err;
}

static void keeper_on_device_key(struct keeper *keeper, struct keeper_message *message)
{
	int err = message->n_fds == 1 ? keeper_take_device_key(keeper, TAKE_FD(message->fds[0])) : -EPROTO;

	if (err)
		log_err_r(err, "cannot take the device key");
}

static int keeper_load_key(struct keeper *keeper, struct keeper_message *message, const char **why)
{
	const char *name = message_text(message, "name"), *sealed_as = message_text(message, "sealed_as");
	struct private_key *key = NULL;
	uint64_t id;
	int err;

	*why = "malformed load message";
	if (!name || message->n_fds != 1 || message_key_id(message, &id))
		return -EPROTO;
	err = keeper_unseal(keeper, sealed_as ? sealed_as : name, id, message->fds[0], &key, why);
	if (!err && key->id != id)
		err = -EINVAL;
	if (!err) {
		*why = "too many keys";
		err = key_store_add(&keeper->store, key);
	}
	if (err)
		private_key_free(&key);
	return err;
}

static void keeper_on_load(struct keeper *keeper, struct keeper_message *message)
{
	const char *name = message_text(message, "name"), *why;
	int err = keeper_load_key(keeper, message, &why);

	keys_lock_memory();
	if (!name)
		name = "";
	if (err) {
		log_err_r(err, "key of %s: %s", name, why);
		keeper_reply(keeper, json_pack("{s:s, s:s, s:s}", "message", "load_error", "name", name, "error", why));
		return;
	}
	keeper_reply(keeper, json_pack("{s:s, s:s, s:s}", "message", "loaded", "name", name, "key_id",
				     message_text(message, "key_id")));
}

static void keeper_on_unload(struct keeper *keeper, struct keeper_message *message)
{
	uint64_t id;

	if (!message_key_id(message, &id))
		key_store_remove(&keeper->store, id);
}

/* --- rings ------------------------------------------------------------------------------------------------------ */

static struct keeper_ring *keeper_find_ring(struct keeper *keeper, int64_t worker)
{
	struct keeper_ring *ring;

	LIST_FOREACH (ring, &keeper->rings, link)
		if (ring->worker == worker)
			return ring;
	return NULL;
}

static void keeper_drop_ring(struct keeper *keeper, struct keeper_ring *ring)
{
	loop_remove(keeper->loop, &ring->source);
	keyring_server_close(&ring->server);
	LIST_REMOVE(ring, link);
	keeper->n_rings--;
	keeper->last_use_ns = clock_now_ns();
	free(ring);
}

/* Nothing to read: the sources are edge-triggered, since a worker could make a read of its eventfd wait. The idle hook
 * looks at every ring. */
static void keeper_ring_rang(struct loop_source *source, uint32_t events)
{
	(void)source;
	(void)events;
}

static int keeper_add_ring(struct keeper *keeper, int64_t worker, int *fds)
{
	struct keeper_ring *ring = calloc(1, sizeof(*ring));
	int err;

	if (!ring)
		return -ENOMEM;
	ring->worker = worker;
	err = keyring_server_open(&ring->server, fds[0], fds[1], fds[2]);
	if (!err) {
		TAKE_FD(fds[1]);
		TAKE_FD(fds[2]);
		err = loop_add(
			keeper->loop, &ring->source, ring->server.request_eventfd, EPOLLIN | EPOLLET, keeper_ring_rang);
		if (err)
			keyring_server_close(&ring->server);
	}
	if (err) {
		free(ring);
		return err;
	}
	LIST_INSERT_HEAD(&keeper->rings, ring, link);
	keeper->n_rings++;
	return 0;
}

static void keeper_on_ring(struct keeper *keeper, struct keeper_message *message)
{
	int64_t worker = json_integer_value(json_object_get(message->json, "worker"));
	struct keeper_ring *old = keeper_find_ring(keeper, worker);
	int err = message->n_fds == 3 ? 0 : -EPROTO;

	if (old)
		keeper_drop_ring(keeper, old);
	if (!err && keeper->n_rings >= KEEPER_RINGS_MAX)
		err = -ENOSPC;
	if (!err)
		err = keeper_add_ring(keeper, worker, message->fds);
	if (err)
		log_err_r(err, "cannot serve the key ring of worker %lld", (long long)worker);
}

static void keeper_on_unring(struct keeper *keeper, struct keeper_message *message)
{
	struct keeper_ring *ring =
		keeper_find_ring(keeper, json_integer_value(json_object_get(message->json, "worker")));

	if (ring)
		keeper_drop_ring(keeper, ring);
}

static void keeper_warn_of_nonsense(struct keeper_ring *ring)
{
	if (!ring->server.nonsense || ring->warned)
		return;
	ring->warned = true;
	log_warn("worker %lld writes nonsense into its key ring", (long long)ring->worker);
}

/* as soon as the ring's last answer of the turn is there */
static void keeper_answer(struct key_operation *operation)
{
	struct keeper_ring *ring = container_of(operation->server, struct keeper_ring, server);

	keyring_server_answer(operation);
	if (!--ring->unanswered)
		ring->doorbell_error = keyring_server_doorbell(&ring->server);
}

static void keeper_tell_engine(struct keeper *keeper)
{
	const struct key_engine *engine = &keeper->engine;
	char text[128];

	if (engine->batch)
		snprintf(text, sizeof(text), "OpenSSL, from %d waiting %s", BATCH_MIN, engine->batch->name);
	else
		snprintf(text, sizeof(text), "OpenSSL");
	keeper->told = engine->batch;
	if (keeper->control.fd >= 0)
		keeper_reply(keeper, json_pack("{s:s, s:s, s:s}", "message", "engine", "engine", text, "reason",
					     engine->batch ? "" : engine->why));
}

static void keeper_count(struct keeper *keeper, const struct key_engine *before)
{
	const struct key_engine *engine = &keeper->engine;

	if (!keeper->cells)
		return;
	stats_add(keeper->cells, COUNTER_KEY_SINGLE, engine->single - before->single);
	stats_add(keeper->cells, COUNTER_KEY_BATCHED, engine->batched - before->batched);
	stats_add(keeper->cells, COUNTER_KEY_BATCHES, engine->batches - before->batches);
	stats_add(keeper->cells, COUNTER_KEY_BATCH_FAULTS, engine->faults - before->faults);
}

static void keeper_run_turn(struct keeper *keeper, unsigned int *n)
{
	struct key_engine before = keeper->engine;

	if (!*n)
		return;
	keeper->last_use_ns = loop_now_ns(keeper->loop);
	key_engine_run(&keeper->engine, keeper->operations, *n, keeper_answer);
	keeper_count(keeper, &before);
	if (keeper->engine.batch != keeper->told)
		keeper_tell_engine(keeper);
	*n = 0;
}

/* A few of every ring, whoever has how many, and all of these together, so that what several workers ask can go in one
 * batch. */
static void keeper_take_turn(struct keeper *keeper)
{
	struct keeper_ring *ring;
	unsigned int n = 0;

	LIST_FOREACH (ring, &keeper->rings, link) {
		keyring_server_wake(&ring->server);
		if (n + KEEPER_BUDGET > KEEPER_TURN)
			keeper_run_turn(keeper, &n);
		while (ring->unanswered < KEEPER_BUDGET &&
			keyring_server_take(&ring->server, &keeper->store, &keeper->operations[n])) {
			ring->unanswered++;
			n++;
		}
	}
	keeper_run_turn(keeper, &n);
}

/* whether requests still wait */
static bool keeper_serve_rings(struct keeper *keeper)
{
	struct keeper_ring *ring, *next;
	bool pending = false;

	keeper_take_turn(keeper);
	for (ring = LIST_FIRST(&keeper->rings); ring; ring = next) {
		next = LIST_NEXT(ring, link);
		keeper_warn_of_nonsense(ring);
		if (!ring->doorbell_error) /* for what was answered without being taken */
			ring->doorbell_error = keyring_server_doorbell(&ring->server);
		if (ring->doorbell_error) {
			log_err_r(ring->doorbell_error,
				"the doorbell of worker %lld does not take a ring: its key ring is dropped",
				(long long)ring->worker);
			keeper_drop_ring(keeper, ring);
			continue;
		}
		pending |= keyring_server_pending(&ring->server);
	}
	return pending;
}

static bool keeper_sleep_rings(struct keeper *keeper)
{
	struct keeper_ring *ring;
	bool asleep = true;

	LIST_FOREACH (ring, &keeper->rings, link)
		asleep &= keyring_server_sleep(&ring->server);
	return asleep;
}

static void keeper_go_on(struct loop_timer *timer)
{
	(void)timer;
}

/* after each round of the loop: one turn, then back to the supervisor's messages even when more is waiting */
static void keeper_idle(void *data)
{
	struct keeper *keeper = data;

	if (keeper_serve_rings(keeper) || !keeper_sleep_rings(keeper))
		loop_timer_arm(keeper->loop, &keeper->again, 0, keeper_go_on);
}

/* --- control ---------------------------------------------------------------------------------------------------- */

static void keeper_on_stop(struct keeper *keeper, struct keeper_message *message)
{
	(void)message;
	loop_stop(keeper->loop);
}

static void keeper_on_ping(struct keeper *keeper, struct keeper_message *message)
{
	(void)message;
	keeper_reply(keeper, json_pack("{s:s}", "message", "pong"));
}

static const struct {
	const char *name;
	void (*fn)(struct keeper *keeper, struct keeper_message *message);
} keeper_handlers[] = {
	{"device_key", keeper_on_device_key},
	{"load", keeper_on_load},
	{"unload", keeper_on_unload},
	{"ring", keeper_on_ring},
	{"unring", keeper_on_unring},
	{"ping", keeper_on_ping},
	{"stop", keeper_on_stop},
};

static void keeper_handle(struct keeper *keeper, struct keeper_message *message)
{
	const char *name = message_text(message, "message");

	for (size_t i = 0; i < ARRAY_SIZE(keeper_handlers); i++) {
		if (name && !strcmp(name, keeper_handlers[i].name)) {
			keeper_handlers[i].fn(keeper, message);
			return;
		}
	}
	log_warn("unknown message %s from the supervisor", name ? name : "without a name");
}

static void keeper_check_use(struct loop_timer *timer)
{
	struct keeper *keeper = container_of(timer, struct keeper, check);
	uint64_t quiet = loop_now_ns(keeper->loop) - keeper->last_use_ns;
	uint64_t limit = keeper->n_rings ? KEEPER_QUIET_S : KEEPER_NO_RING_S;

	if (quiet >= limit * NSEC_PER_SEC) {
		log_info("no supervisor and nothing to do for %llu s: leaving", (unsigned long long)limit);
		loop_stop(keeper->loop);
		return;
	}
	loop_timer_arm(keeper->loop, timer, KEEPER_CHECK_NS, keeper_check_use);
}

static void keeper_lost_supervisor(struct keeper *keeper)
{
	log_warn("the supervisor is gone; serving %u workers on", keeper->n_rings);
	loop_remove(keeper->loop, &keeper->control);
	keeper->last_use_ns = loop_now_ns(keeper->loop);
	loop_timer_arm(keeper->loop, &keeper->check, KEEPER_CHECK_NS, keeper_check_use);
}

static void keeper_control(struct loop_source *source, uint32_t events)
{
	struct keeper *keeper = container_of(source, struct keeper, control);
	_cleanup_(keeper_message_clear) struct keeper_message message = {.n_fds = KEEPER_FDS_MAX};
	int err = ipc_recv(keeper->control_fd, 0, &message.json, message.fds, &message.n_fds);

	(void)events;
	if (!err)
		keeper_handle(keeper, &message);
	else if (err != -ETIMEDOUT)
		keeper_lost_supervisor(keeper);
}

static int keeper_start(struct keeper *keeper)
{
	_cleanup_(keeper_message_clear) struct keeper_message message = {.n_fds = KEEPER_FDS_MAX};
	int err = ipc_recv(keeper->control_fd, KEEPER_START_TIMEOUT_MS, &message.json, message.fds, &message.n_fds);
	const char *name;

	if (err)
		return log_err_r(err, "no start message from the supervisor");
	name = message_text(&message, "message");
	if (!name || strcmp(name, "start") || message.n_fds < 1)
		return log_err_r(-EPROTO, "malformed start message");
	err = keeper_take_device_key(keeper, TAKE_FD(message.fds[0]));
	if (err)
		return log_err_r(err, "cannot take the device key");
	if (message.n_fds > 1)
		err = stats_page_map(&keeper->stats, message.fds[1], true);
	if (err)
		return log_err_r(err, "cannot map the stats page");
	if (keeper->stats)
		keeper->cells =
			stats_cells(keeper->stats, stats_helper_writer(STATS_WRITER_KEEPER,
							   json_integer_value(json_object_get(message.json, "half"))));
	err = loop_new(&keeper->loop);
	if (err)
		return err;
	loop_set_idle(keeper->loop, keeper_idle, keeper);
	return loop_add(keeper->loop, &keeper->control, keeper->control_fd, EPOLLIN, keeper_control);
}

static void keeper_end(struct keeper *keeper)
{
	while (!LIST_EMPTY(&keeper->rings))
		keeper_drop_ring(keeper, LIST_FIRST(&keeper->rings));
	key_store_clear(&keeper->store);
	stats_page_free(&keeper->stats);
	loop_free(&keeper->loop);
	cleanup_close(&keeper->device_key_fd);
	secret_free(&keeper->device_key);
}

static void keeper_alarm(int signal)
{
	(void)signal;
}

/* SIGALRM only interrupts (keyring_server_doorbell); a peer that is gone is an error, not a signal */
static int keeper_signals(void)
{
	const struct sigaction wake = {.sa_handler = keeper_alarm}, ignore = {.sa_handler = SIG_IGN};

	return sigaction(SIGALRM, &wake, NULL) < 0 || sigaction(SIGPIPE, &ignore, NULL) < 0 ? -errno : 0;
}

int keeper_run(int control_fd)
{
	static struct keeper keeper = {.device_key_fd = -1, .control = {.fd = -1}};
	int err = keeper_signals();

	keeper.control_fd = control_fd;
	if (!err)
		err = keeper_start(&keeper);
	if (!err) {
		const char *why = NULL;
		const struct batch_backend *backend = batch_backend(&why);

		key_engine_init(&keeper.engine, backend, why);
		keeper_tell_engine(&keeper);
		keys_lock_memory();
		err = keys_sandbox_keeper();
	}
	if (!err)
		err = loop_run(keeper.loop);
	keeper_end(&keeper);
	return err ? (log_err_r(err, "the key keeper ends"), 1) : 0;
}

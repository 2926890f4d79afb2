/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's end of the key ring against a keeper in the same process, honest and not (E5, E6). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/shm.h"
#include "tls/keyring_client.h"

struct fixture {
	int ring_fd, request_fd, response_fd;
	struct keyring *ring;
	struct keyring_client *client;
};

struct asker {
	struct keyring_request request;
	unsigned int done;
	struct fixture *fixture;
	struct asker *victim; /* cancelled when this one is told */
};

static void asker_done(struct keyring_request *request)
{
	struct asker *asker = container_of(request, struct asker, request);

	asker->done++;
	if (asker->victim)
		keyring_client_cancel(asker->fixture->client, &asker->victim->request);
}

static void fixture_open_ring(struct fixture *f)
{
	void *map;

	assert_int_equal(shm_create("ring", sizeof(struct keyring), &f->ring_fd), 0);
	assert_int_equal(shm_map(f->ring_fd, 1, sizeof(struct keyring), &map, NULL), 0);
	f->ring = map;
	f->request_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	f->response_fd = eventfd(0, EFD_CLOEXEC);
}

static void fixture_close_ring(struct fixture *f)
{
	shm_unmap(f->ring, sizeof(struct keyring));
	cleanup_close(&f->ring_fd);
	cleanup_close(&f->request_fd);
	cleanup_close(&f->response_fd);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	fixture_open_ring(f);
	assert_int_equal(keyring_client_new(&f->client), 0);
	assert_int_equal(keyring_client_set_ring(f->client, f->ring_fd, f->request_fd, f->response_fd), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	keyring_client_free(&f->client);
	fixture_close_ring(f);
	free(f);
	return 0;
}

static int submit(struct fixture *f, struct asker *asker, const char *input)
{
	asker->request.done = asker_done;
	asker->fixture = f;
	return keyring_client_submit(f->client, &asker->request, KEYRING_SIGN, 99, 0x0804, SPAN(input, strlen(input)));
}

static void keeper_push(struct fixture *f, uint32_t slot)
{
	uint32_t head = atomic_load(&f->ring->responses.head);

	f->ring->responses.slots[head % KEYRING_SLOTS] = slot;
	atomic_store(&f->ring->responses.head, head + 1);
}

/* answers the oldest request with its input */
static uint32_t keeper_echo(struct fixture *f)
{
	uint32_t tail = atomic_load(&f->ring->requests.tail);
	uint32_t index = f->ring->requests.slots[tail % KEYRING_SLOTS];
	struct keyring_slot *slot = &f->ring->slots[index];

	assert_true(tail != atomic_load(&f->ring->requests.head));
	assert_int_equal(slot->key_id, 99);
	assert_int_equal(slot->op, KEYRING_SIGN);
	assert_int_equal(slot->algorithm, 0x0804);
	memcpy(slot->output, slot->input, slot->input_len);
	slot->output_len = slot->input_len;
	slot->status = KEYRING_DONE;
	atomic_store(&f->ring->requests.tail, tail + 1);
	keeper_push(f, index);
	return index;
}

static bool bell_rang(struct fixture *f)
{
	uint64_t count;

	return read(f->request_fd, &count, sizeof(count)) == sizeof(count);
}

static void test_answers_go_to_whom_they_belong(void **state)
{
	struct fixture *f = *state;
	struct asker a = {0}, b = {0};
	uint8_t out[16];
	size_t n;

	assert_int_equal(submit(f, &a, "one"), 0);
	assert_int_equal(submit(f, &b, "three"), 0);
	assert_int_equal(submit(f, &b, "again"), -EBUSY);
	assert_int_equal(keyring_client_take(f->client, &a.request, out, sizeof(out), &n), -EAGAIN);
	keeper_echo(f);
	keyring_client_poll(f->client);
	assert_int_equal(a.done, 1);
	assert_int_equal(b.done, 0);
	assert_int_equal(keyring_client_take(f->client, &a.request, out, sizeof(out), &n), 0);
	assert_int_equal(n, 3);
	assert_memory_equal(out, "one", 3);
	assert_int_equal(keyring_client_take(f->client, &a.request, out, sizeof(out), &n), -EIO);
	keeper_echo(f);
	keyring_client_poll(f->client);
	keyring_client_poll(f->client);
	assert_int_equal(b.done, 1);
	assert_int_equal(keyring_client_take(f->client, &b.request, out, 4, &n), -EPROTO); /* does not fit */
}

static void test_doorbell_only_for_a_sleeping_keeper_and_once(void **state)
{
	struct fixture *f = *state;
	struct asker a = {0}, b = {0}, c = {0};

	keyring_client_ring_doorbell(f->client);
	assert_false(bell_rang(f));
	assert_int_equal(submit(f, &a, "a"), 0);
	keyring_client_ring_doorbell(f->client);
	assert_false(bell_rang(f)); /* awake */
	atomic_store(&f->ring->keeper_sleeping, 1);
	keyring_client_ring_doorbell(f->client);
	assert_false(bell_rang(f)); /* nothing new since */
	assert_int_equal(submit(f, &b, "b"), 0);
	assert_int_equal(submit(f, &c, "c"), 0);
	assert_false(bell_rang(f)); /* at the end of the round, not before */
	keyring_client_ring_doorbell(f->client);
	keyring_client_ring_doorbell(f->client);
	assert_true(bell_rang(f));
	assert_false(bell_rang(f));
}

static void test_all_slots_taken_and_orphans_come_back(void **state)
{
	static struct asker askers[KEYRING_SLOTS];
	struct fixture *f = *state;
	struct asker late = {0};

	memset(askers, 0, sizeof(askers));
	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < KEYRING_SLOTS; i++)
			assert_int_equal(submit(f, &askers[i], "x"), 0);
		assert_int_equal(submit(f, &late, "x"), -EAGAIN);
		for (unsigned int i = 0; i < KEYRING_SLOTS; i++)
			keyring_client_cancel(f->client, &askers[i].request);
		assert_int_equal(submit(f, &late, "x"), -EAGAIN); /* the keeper still has them all */
		for (unsigned int i = 0; i < KEYRING_SLOTS; i++)
			keeper_echo(f);
		keyring_client_poll(f->client);
	}
	for (unsigned int i = 0; i < KEYRING_SLOTS; i++)
		assert_int_equal(askers[i].done, 0);
}

static void test_cancelled_after_the_answer_came(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < 2 * KEYRING_SLOTS; i++) {
		struct asker a = {0};

		assert_int_equal(submit(f, &a, "x"), 0);
		keeper_echo(f);
		keyring_client_poll(f->client);
		assert_int_equal(a.done, 1);
		keyring_client_cancel(f->client, &a.request);
	}
}

static void test_a_keeper_that_lies(void **state)
{
	struct fixture *f = *state;
	struct asker a = {0};
	uint8_t out[KEYRING_OUTPUT_MAX];
	uint32_t slot;
	size_t n;

	keeper_push(f, 7);             /* never asked */
	keeper_push(f, KEYRING_SLOTS); /* no slot */
	keeper_push(f, UINT32_MAX);
	keyring_client_poll(f->client);
	assert_int_equal(submit(f, &a, "x"), 0);
	slot = keeper_echo(f);
	keeper_push(f, slot); /* twice */
	f->ring->slots[slot].output_len = KEYRING_OUTPUT_MAX + 1;
	keyring_client_poll(f->client);
	assert_int_equal(a.done, 1);
	assert_int_equal(keyring_client_take(f->client, &a.request, out, sizeof(out), &n), -EPROTO);
	for (uint32_t status = 0; status < 6; status++) {
		assert_int_equal(submit(f, &a, "x"), 0);
		slot = keeper_echo(f);
		f->ring->slots[slot].status = status;
		f->ring->slots[slot].input_len = UINT16_MAX;
		keyring_client_poll(f->client);
		assert_int_equal(keyring_client_take(f->client, &a.request, out, sizeof(out), &n),
			status == KEYRING_DONE ? 0 : -EIO);
	}
}

static void test_an_impossible_index_ends_the_ring(void **state)
{
	struct fixture *f = *state;
	struct asker a = {0}, b = {0};

	assert_int_equal(submit(f, &a, "x"), 0);
	atomic_store(&f->ring->responses.head, KEYRING_SLOTS + 1);
	keyring_client_poll(f->client);
	assert_int_equal(a.done, 1);
	assert_int_equal(a.request.state, KEYRING_REQUEST_FAILED);
	assert_int_equal(submit(f, &b, "x"), -ENOTCONN);
}

static void test_requests_of_a_replaced_ring_fail(void **state)
{
	struct fixture *f = *state, old = *f;
	struct asker a = {0}, b = {0}, c = {0};
	uint8_t out[16];
	size_t n;

	assert_int_equal(submit(f, &a, "a"), 0);
	assert_int_equal(submit(f, &b, "b"), 0);
	assert_int_equal(submit(f, &c, "c"), 0);
	keeper_echo(f);
	keyring_client_poll(f->client); /* a's answer waits to be taken */
	b.victim = &c;                  /* whichever is told first ends the other */
	c.victim = &b;
	fixture_open_ring(f);
	assert_int_equal(keyring_client_set_ring(f->client, f->ring_fd, f->request_fd, f->response_fd), 0);
	assert_int_equal(a.done, 1);
	assert_int_equal(b.done + c.done, 1);
	assert_int_equal(keyring_client_take(f->client, &a.request, out, sizeof(out), &n), -EIO);
	fixture_close_ring(&old);
	assert_int_equal(submit(f, &a, "again"), 0);
	keeper_echo(f);
	keyring_client_poll(f->client);
	assert_int_equal(keyring_client_take(f->client, &a.request, out, sizeof(out), &n), 0);
}

static void test_what_cannot_be_asked(void **state)
{
	struct fixture *f = *state;
	uint8_t big[KEYRING_INPUT_MAX + 1] = {0};
	struct asker a = {.request.done = asker_done};
	int small;

	assert_int_equal(
		keyring_client_submit(f->client, &a.request, KEYRING_SIGN, 1, 1, SPAN(big, sizeof(big))), -EMSGSIZE);
	assert_int_equal(shm_create("small", 4096, &small), 0);
	assert_int_equal(keyring_client_set_ring(f->client, small, f->request_fd, f->response_fd), -EINVAL);
	assert_int_equal(submit(f, &a, "x"), -ENOTCONN);
	close(small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answers_go_to_whom_they_belong, setup, teardown),
		cmocka_unit_test_setup_teardown(test_doorbell_only_for_a_sleeping_keeper_and_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_slots_taken_and_orphans_come_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancelled_after_the_answer_came, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_keeper_that_lies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_impossible_index_ends_the_ring, setup, teardown),
		cmocka_unit_test_setup_teardown(test_requests_of_a_replaced_ring_fail, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_cannot_be_asked, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The real program over real rings: started as the supervisor does, used as a worker does. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/shm.h"
#include "ipc/keyring.h"
#include "ipc/message.h"
#include "keys_fixture.h"
#include "program_fixture.h"

#define WAIT_MS 20000

/* a worker's end of a ring */
struct worker_ring {
	struct keyring *ring;
	int fd, request, response;
};

struct keeper {
	pid_t pid;
	int control;
	int device_key;
	EVP_PKEY *key; /* of the certificate that was imported */
	uint64_t key_id;
	char key_id_text[17];
	int sealed;
};

static int memfd_of(BIO *bio)
{
	struct span bytes = fixture_bytes(bio);
	int fd;

	assert_int_equal(shm_create_sealed("file", bytes.data, bytes.len, &fd), 0);
	BIO_free(bio);
	return fd;
}

static int memfd_of_certificate(X509 *certificate)
{
	BIO *bio = fixture_bio();

	PEM_write_bio_X509(bio, certificate);
	return memfd_of(bio);
}

static int memfd_of_key(EVP_PKEY *key, const char *password)
{
	BIO *bio = fixture_bio();

	PEM_write_bio_PKCS8PrivateKey(bio, key, password ? EVP_aes_256_cbc() : NULL, password,
		password ? (int)strlen(password) : 0, NULL, NULL);
	return memfd_of(bio);
}

static int memfd_of_text(const char *text)
{
	BIO *bio = fixture_bio();

	BIO_puts(bio, text);
	return memfd_of(bio);
}

static int temporary_file(void)
{
	char path[] = "/tmp/sluice-test-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

/* runs the importer: its answer, and the sealed key in *sealed (-1: none) */
static json_t *import(struct keeper *k, const char *password, int *sealed, int *status)
{
	X509 *x = fixture_certificate(&(struct fixture_certificate){"web", k->key, .sans = "DNS:web", .to_days = 9});
	int fds[] = {k->device_key, memfd_of_certificate(x), memfd_of_key(k->key, password ? "secret" : NULL),
		memfd_of_text(password ? password : "")};
	size_t n = 1;
	json_t *answer = NULL;
	int control;
	pid_t pid = start_program(SLUICE_KEYS, "--import", &control);

	send_message(control,
		json_pack("{s:s, s:s, s:b}", "message", "import", "name", "web", "password_fd", password != NULL), fds,
		password ? 4 : 3);
	*sealed = -1;
	assert_int_equal(ipc_recv(control, WAIT_MS, &answer, sealed, &n), 0);
	*status = exit_status(pid);
	for (int i = 1; i < 4; i++)
		close(fds[i]);
	close(control);
	X509_free(x);
	return answer;
}

static const char *text_of(const json_t *message, const char *key)
{
	const char *text = json_string_value(json_object_get(message, key));

	return text ? text : "";
}

static void keeper_load(struct keeper *k, const char *name, const char *want)
{
	json_t *answer = NULL;

	send_message(k->control,
		json_pack("{s:s, s:s, s:s}", "message", "load", "name", name, "key_id", k->key_id_text), &k->sealed, 1);
	assert_int_equal(ipc_recv(k->control, WAIT_MS, &answer, NULL, NULL), 0);
	assert_string_equal(text_of(answer, "message"), want);
	assert_string_equal(text_of(answer, "name"), name);
	json_decref(answer);
}

static int keeper_setup(void **state)
{
	struct keeper *k = calloc(1, sizeof(*k));
	json_t *answer;
	int status;

	k->device_key = temporary_file();
	k->key = EVP_RSA_gen(2048);
	answer = import(k, NULL, &k->sealed, &status);
	assert_string_equal(text_of(answer, "message"), "imported");
	snprintf(k->key_id_text, sizeof(k->key_id_text), "%s", text_of(answer, "key_id"));
	k->key_id = strtoull(k->key_id_text, NULL, 16);
	json_decref(answer);
	k->pid = start_program(SLUICE_KEYS, NULL, &k->control);
	send_message(k->control, json_pack("{s:s, s:s}", "message", "start", "instance", "test"), &k->device_key, 1);
	assert_int_equal(ipc_recv(k->control, WAIT_MS, &answer, NULL, NULL), 0);
	assert_string_equal(text_of(answer, "message"), "engine");
	assert_int_equal(*text_of(answer, "reason") == 0, strstr(text_of(answer, "engine"), "from 5 waiting") != NULL);
	json_decref(answer);
	*state = k;
	return 0;
}

static int keeper_teardown(void **state)
{
	struct keeper *k = *state;

	if (k->pid > 0) {
		kill(k->pid, SIGKILL);
		exit_status(k->pid);
	}
	cleanup_close(&k->control);
	cleanup_close(&k->device_key);
	cleanup_close(&k->sealed);
	EVP_PKEY_free(k->key);
	free(k);
	return 0;
}

/* --- the worker's side ------------------------------------------------------------------------------------------- */

static struct worker_ring ring_open(struct keeper *k, int worker)
{
	struct worker_ring w = {
		.request = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .response = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	void *map;

	assert_int_equal(shm_create("ring", sizeof(struct keyring), &w.fd), 0);
	assert_int_equal(shm_map(w.fd, true, sizeof(struct keyring), &map, NULL), 0);
	w.ring = map;
	send_message(k->control, json_pack("{s:s, s:i}", "message", "ring", "worker", worker),
		(int[]){w.fd, w.request, w.response}, 3);
	return w;
}

static void ring_close(struct worker_ring *w)
{
	shm_unmap(w->ring, sizeof(*w->ring));
	close(w->fd);
	close(w->request);
	close(w->response);
}

static void ring_knock(struct worker_ring *w)
{
	uint64_t one = 1;

	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load(&w->ring->keeper_sleeping))
		assert_int_equal(write(w->request, &one, sizeof(one)), sizeof(one));
}

static void ring_push(struct worker_ring *w, uint32_t slot)
{
	uint32_t head = atomic_load(&w->ring->requests.head);

	w->ring->requests.slots[head % KEYRING_SLOTS] = slot;
	atomic_store(&w->ring->requests.head, head + 1);
}

static void ring_ask(
	struct worker_ring *w, uint32_t slot, uint64_t key_id, uint16_t op, uint16_t algorithm, struct span in)
{
	struct keyring_slot *s = &w->ring->slots[slot];

	*s = (struct keyring_slot){.key_id = key_id, .op = op, .algorithm = algorithm, .input_len = in.len};
	memcpy(s->input, in.data, MIN(in.len, sizeof(s->input)));
	ring_push(w, slot);
	ring_knock(w);
}

/* the next slot answered; -1 when none comes in time */
static int ring_take(struct worker_ring *w, int timeout_ms)
{
	uint64_t end = clock_now_ns() + timeout_ms * NSEC_PER_MSEC, n;
	uint32_t tail = atomic_load(&w->ring->responses.tail);

	while (atomic_load(&w->ring->responses.head) == tail) {
		struct pollfd p = {.fd = w->response, .events = POLLIN};

		if (clock_now_ns() > end)
			return -1;
		if (poll(&p, 1, 100) > 0 && read(w->response, &n, sizeof(n)) < 0)
			return -1;
	}
	atomic_store(&w->ring->responses.tail, tail + 1);
	return (int)w->ring->responses.slots[tail % KEYRING_SLOTS];
}

static const uint8_t digest[32] = {1, 2, 3};

static void ring_sign(struct worker_ring *w, struct keeper *k, uint32_t slot)
{
	_cleanup_crypto_(EVP_PKEY_CTX) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(k->key, NULL);
	struct keyring_slot *s = &w->ring->slots[slot];

	ring_ask(w, slot, k->key_id, KEYRING_SIGN, 0x0804, SPAN(digest, sizeof(digest)));
	assert_int_equal(ring_take(w, WAIT_MS), slot);
	assert_int_equal(s->status, KEYRING_DONE);
	EVP_PKEY_verify_init(ctx);
	EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING);
	EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST);
	EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256());
	assert_int_equal(EVP_PKEY_verify(ctx, s->output, s->output_len, digest, sizeof(digest)), 1);
}

/* --- tests ------------------------------------------------------------------------------------------------------- */

static void test_e5_import_load_sign_stop(void **state)
{
	struct keeper *k = *state;
	struct worker_ring w;

	keeper_load(k, "web", "loaded");
	w = ring_open(k, 0);
	for (uint32_t i = 0; i < 20; i++)
		ring_sign(&w, k, (i * 57) % KEYRING_SLOTS);
	send_message(k->control, json_pack("{s:s, s:i}", "message", "unring", "worker", 0), NULL, 0);
	send_message(k->control, json_pack("{s:s}", "message", "stop"), NULL, 0);
	assert_int_equal(exit_status(k->pid), 0);
	k->pid = 0;
	ring_close(&w);
}

static void test_e2_import_with_password_and_refusal(void **state)
{
	struct keeper *k = *state;
	int sealed, status;
	json_t *answer = import(k, "secret\n", &sealed, &status);

	assert_string_equal(text_of(answer, "message"), "imported");
	assert_string_equal(text_of(answer, "key_id"), k->key_id_text);
	assert_int_equal(status, 0);
	assert_true(sealed >= 0);
	close(sealed);
	json_decref(answer);
	answer = import(k, "wrong", &sealed, &status);
	assert_string_equal(text_of(answer, "message"), "import_error");
	assert_non_null(strstr(text_of(answer, "error"), "password"));
	assert_int_equal(status, 1);
	assert_int_equal(sealed, -1);
	json_decref(answer);
}

static void test_a_key_opens_under_its_own_name_only(void **state)
{
	struct keeper *k = *state;
	struct worker_ring w = ring_open(k, 0);

	keeper_load(k, "other", "load_error");
	ring_ask(&w, 5, k->key_id, KEYRING_SIGN, 0x0804, SPAN(digest, sizeof(digest)));
	assert_int_equal(ring_take(&w, WAIT_MS), 5);
	assert_int_equal(w.ring->slots[5].status, KEYRING_NO_KEY);
	keeper_load(k, "web", "loaded");
	keeper_load(k, "web", "loaded");
	ring_sign(&w, k, 6);
	send_message(k->control, json_pack("{s:s, s:s}", "message", "unload", "key_id", k->key_id_text), NULL, 0);
	for (int i = 0; i < 100; i++) {
		ring_ask(&w, 7, k->key_id, KEYRING_SIGN, 0x0804, SPAN(digest, sizeof(digest)));
		assert_int_equal(ring_take(&w, WAIT_MS), 7);
		if (w.ring->slots[7].status == KEYRING_NO_KEY)
			break;
	}
	assert_int_equal(w.ring->slots[7].status, KEYRING_NO_KEY);
	ring_close(&w);
}

static void test_rsa_key_exchange_through_the_ring(void **state)
{
	struct keeper *k = *state;
	struct worker_ring w = ring_open(k, 3);
	uint8_t block[256], ciphertext[256];
	_cleanup_crypto_(EVP_PKEY_CTX) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(k->key, NULL);
	size_t len = sizeof(ciphertext);

	keeper_load(k, "web", "loaded");
	memset(block, 7, sizeof(block));
	block[0] = block[256 - 49] = 0;
	block[1] = 2;
	block[256 - 48] = block[256 - 47] = 3;
	EVP_PKEY_encrypt_init(ctx);
	EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING);
	assert_int_equal(EVP_PKEY_encrypt(ctx, ciphertext, &len, block, sizeof(block)), 1);
	for (uint16_t version = 0x0302; version <= 0x0303; version++) {
		ring_ask(&w, 9, k->key_id, KEYRING_RSA_DECRYPT, version, SPAN(ciphertext, len));
		assert_int_equal(ring_take(&w, WAIT_MS), 9);
		assert_int_equal(w.ring->slots[9].status, KEYRING_DONE);
		assert_int_equal(w.ring->slots[9].output_len, 48);
		assert_int_equal(memcmp(w.ring->slots[9].output, block + 256 - 48, 48) == 0, version == 0x0303);
	}
	ring_close(&w);
}

static void test_a_hostile_ring_harms_only_itself(void **state)
{
	struct keeper *k = *state;
	struct worker_ring bad = ring_open(k, 0), good = ring_open(k, 1);
	struct keyring_slot *s = &bad.ring->slots[1];

	keeper_load(k, "web", "loaded");
	/* slots that are none, lengths that are none, operations that are none */
	ring_push(&bad, KEYRING_SLOTS);
	ring_push(&bad, UINT32_MAX);
	ring_ask(&bad, 1, k->key_id, KEYRING_SIGN, 0x0804, SPAN(digest, sizeof(digest)));
	assert_int_equal(ring_take(&bad, WAIT_MS), 1);
	assert_int_equal(s->status, KEYRING_DONE);
	ring_ask(&bad, 1, k->key_id, 77, 0x0804, SPAN(digest, sizeof(digest)));
	assert_int_equal(ring_take(&bad, WAIT_MS), 1);
	assert_int_equal(s->status, KEYRING_BAD_REQUEST);
	s->input_len = KEYRING_INPUT_MAX + 1;
	ring_push(&bad, 1);
	ring_knock(&bad);
	assert_int_equal(ring_take(&bad, WAIT_MS), 1);
	assert_int_equal(s->status, KEYRING_BAD_REQUEST);
	ring_sign(&good, k, 2);
	/* a queue longer than the ring; answers never taken, then a tail that is nonsense */
	atomic_fetch_add(&bad.ring->requests.head, 1u << 20);
	ring_knock(&bad);
	ring_sign(&good, k, 3);
	atomic_store(&bad.ring->responses.tail, 12345);
	ring_ask(&bad, 1, k->key_id, KEYRING_SIGN, 0x0804, SPAN(digest, sizeof(digest)));
	ring_sign(&good, k, 4);
	/* the worker dies */
	ring_close(&bad);
	ring_sign(&good, k, 5);
	ring_close(&good);
}

static void test_a_doorbell_that_blocks_does_not_hold_the_keeper(void **state)
{
	struct keeper *k = *state;
	struct worker_ring bad = ring_open(k, 0), good = ring_open(k, 1);
	struct pollfd rung = {.fd = bad.response, .events = POLLIN};
	uint64_t full = UINT64_MAX - 1, n;

	keeper_load(k, "web", "loaded");
	ring_sign(&bad, k, 0);
	/* the answer may have been seen before the bell, or with the bell taken */
	if (poll(&rung, 1, 500) > 0)
		assert_int_equal(read(bad.response, &n, sizeof(n)), sizeof(n));
	assert_int_equal(fcntl(bad.response, F_SETFL, 0), 0);
	assert_int_equal(write(bad.response, &full, sizeof(full)), sizeof(full));
	ring_ask(&bad, 1, k->key_id, KEYRING_SIGN, 0x0804, SPAN(digest, sizeof(digest)));
	for (uint32_t i = 0; i < 10; i++)
		ring_sign(&good, k, i);
	ring_close(&bad);
	ring_close(&good);
}

static void test_every_ring_gets_its_turn(void **state)
{
	struct keeper *k = *state;
	struct worker_ring busy = ring_open(k, 0), calm = ring_open(k, 1);

	keeper_load(k, "web", "loaded");
	for (uint32_t i = 0; i < KEYRING_SLOTS; i++)
		ring_ask(&busy, i, k->key_id, KEYRING_SIGN, 0x0804, SPAN(digest, sizeof(digest)));
	ring_sign(&calm, k, 0);
	assert_true(atomic_load(&busy.ring->requests.tail) < KEYRING_SLOTS / 2);
	for (uint32_t i = 0; i < KEYRING_SLOTS; i++)
		assert_int_equal(ring_take(&busy, WAIT_MS), i);
	ring_close(&busy);
	ring_close(&calm);
}

#define MANY 64
#define BUDGET 8 /* requests of one ring in a turn (KEEPER_BUDGET) */

/* How many of the busy ring's requests had been taken when the calm ring's only one was answered; all of them were
 * there before the keeper looked. */
static uint32_t taken_before_the_calm_one(struct keeper *k, struct worker_ring *busy, struct worker_ring *calm)
{
	uint32_t before = atomic_load(&busy->ring->requests.tail), taken;
	int status;

	assert_int_equal(kill(k->pid, SIGSTOP), 0);
	assert_int_equal(waitpid(k->pid, &status, WUNTRACED), k->pid);
	for (uint32_t i = 0; i < MANY; i++)
		ring_ask(busy, i, k->key_id, KEYRING_SIGN, 0x0804, SPAN(digest, sizeof(digest)));
	ring_ask(calm, 0, k->key_id, KEYRING_SIGN, 0x0804, SPAN(digest, sizeof(digest)));
	kill(k->pid, SIGCONT);
	assert_int_equal(ring_take(calm, WAIT_MS), 0);
	taken = atomic_load(&busy->ring->requests.tail) - before;
	for (uint32_t i = 0; i < MANY; i++)
		assert_true(ring_take(busy, WAIT_MS) >= 0);
	return taken;
}

/* whichever the keeper got to know first; the least of several tries, as this program may be late to look */
static void test_one_request_beside_many_is_answered_in_the_first_turn(void **state)
{
	struct keeper *k = *state;

	keeper_load(k, "web", "loaded");
	for (int busy_first = 0; busy_first < 2; busy_first++) {
		struct worker_ring rings[2] = {ring_open(k, 0), ring_open(k, 1)};
		struct worker_ring *busy = &rings[!busy_first], *calm = &rings[busy_first];
		uint32_t least = MANY;

		ring_sign(&rings[0], k, 0); /* both are known */
		ring_sign(&rings[1], k, 0);
		for (int i = 0; i < 20 && least > BUDGET; i++)
			least = MIN(least, taken_before_the_calm_one(k, busy, calm));
		assert_true(least <= BUDGET);
		ring_close(&rings[0]);
		ring_close(&rings[1]);
	}
}

static void test_a_ring_that_can_shrink_is_refused(void **state)
{
	struct keeper *k = *state;
	int fd = memfd_create("open", MFD_CLOEXEC), bell = eventfd(0, EFD_CLOEXEC);
	struct worker_ring good;

	assert_int_equal(ftruncate(fd, sizeof(struct keyring)), 0);
	send_message(k->control, json_pack("{s:s, s:i}", "message", "ring", "worker", 5), (int[]){fd, bell, bell}, 3);
	close(fd);
	close(bell);
	good = ring_open(k, 0);
	keeper_load(k, "web", "loaded");
	ring_sign(&good, k, 0);
	ring_close(&good);
}

static void test_headless_the_keeper_goes_on(void **state)
{
	struct keeper *k = *state;
	struct worker_ring w = ring_open(k, 0);

	keeper_load(k, "web", "loaded");
	cleanup_close(&k->control);
	for (uint32_t i = 0; i < 5; i++) {
		poll(NULL, 0, 20);
		ring_sign(&w, k, i);
	}
	ring_close(&w);
}

static void test_the_keeper_is_confined(void **state)
{
	struct keeper *k = *state;
	char path[64], line[256];
	bool filtered = false, bound = false;
	FILE *status;

	keeper_load(k, "web", "loaded"); /* started up */
	snprintf(path, sizeof(path), "/proc/%d/status", (int)k->pid);
	status = fopen(path, "r");
	assert_non_null(status);
	while (fgets(line, sizeof(line), status)) {
		filtered |= !strcmp(line, "Seccomp:\t2\n");
		bound |= !strcmp(line, "NoNewPrivs:\t1\n");
	}
	fclose(status);
	assert_true(filtered && bound);
}

#define KEEPER_TEST(f) cmocka_unit_test_setup_teardown(f, keeper_setup, keeper_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		KEEPER_TEST(test_e5_import_load_sign_stop),
		KEEPER_TEST(test_e2_import_with_password_and_refusal),
		KEEPER_TEST(test_a_key_opens_under_its_own_name_only),
		KEEPER_TEST(test_rsa_key_exchange_through_the_ring),
		KEEPER_TEST(test_a_hostile_ring_harms_only_itself),
		KEEPER_TEST(test_a_doorbell_that_blocks_does_not_hold_the_keeper),
		KEEPER_TEST(test_every_ring_gets_its_turn),
		KEEPER_TEST(test_one_request_beside_many_is_answered_in_the_first_turn),
		KEEPER_TEST(test_a_ring_that_can_shrink_is_refused),
		KEEPER_TEST(test_headless_the_keeper_goes_on),
		KEEPER_TEST(test_the_keeper_is_confined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

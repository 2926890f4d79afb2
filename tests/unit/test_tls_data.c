/* SPDX-License-Identifier: Apache-2.0 */
/* Plaintext through two connections: bulk, back-pressure, parking, closing; and what an idle pair costs. */
#include "tls_fixture.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#define BULK (1u << 20)

static struct fake_certificate rsa;

static int make_certificates(void **state)
{
	fake_certificate_make(&rsa, "rsa", "rsa", "www.example.org");
	return 0;
}

static int clear_certificates(void **state)
{
	fake_certificate_clear(&rsa);
	return 0;
}

static void pair_establish(struct pair *pair, uint16_t version)
{
	pair_init(pair, &rsa);
	pair->accept.protocol_min = pair->accept.protocol_max = version;
	pair_open(pair);
	pair_handshake(pair);
	assert_int_equal(pair->a.status, TLS_OK);
	assert_int_equal(pair->c.status, TLS_OK);
}

/* --- bulk -----------------------------------------------------------------------------------------------------------
 */

/* one direction of a transfer: a pattern that shows any byte out of place */
struct stream {
	struct peer *from, *to;
	size_t sent, received;
};

static uint8_t pattern(size_t at)
{
	return at * 2654435761u >> 16;
}

static void stream_send(struct stream *s)
{
	uint8_t data[50000];
	size_t len = MIN(BULK - s->sent, sizeof(data)), n;
	enum tls_status status;

	for (size_t i = 0; i < len; i++)
		data[i] = pattern(s->sent + i);
	status = tls_write(s->from->conn, data, len, &n);
	assert_true(status == TLS_OK || status == TLS_WANT_WRITE);
	if (status == TLS_WANT_WRITE)
		assert_int_equal(n, 0);
	s->sent += n;
}

static void stream_receive(struct stream *s)
{
	uint8_t data[7000];
	enum tls_status status;
	size_t n;

	while ((status = tls_read(s->to->conn, data, sizeof(data), &n)) == TLS_OK) {
		for (size_t i = 0; i < n; i++)
			if (data[i] != pattern(s->received + i))
				fail_msg("byte %zu differs", s->received + i);
		s->received += n;
	}
	assert_int_equal(status, TLS_WANT_READ);
}

/* room: what each output takes per round */
static void run_bulk(uint16_t version, size_t chunk, size_t room)
{
	struct pair pair;
	struct stream streams[2];
	size_t rounds = 0;

	pair_establish(&pair, version);
	pair.chunk = chunk;
	streams[0] = (struct stream){.from = &pair.a, .to = &pair.c};
	streams[1] = (struct stream){.from = &pair.c, .to = &pair.a};
	while (streams[0].received < BULK || streams[1].received < BULK) {
		for (int i = 0; i < 2; i++) {
			streams[i].from->room = room;
			stream_send(&streams[i]);
			peer_deliver(&pair, streams[i].from, streams[i].to);
			stream_receive(&streams[i]);
		}
		assert_true(rounds++ < 20000);
	}
	if (room != SIZE_MAX)
		assert_true(pair.a.refused > 0 && pair.c.refused > 0);
	pair_clear(&pair);
}

static void test_a_megabyte_both_ways(void **state)
{
	for (uint16_t version = 0x0301; version <= 0x0304; version++) {
		run_bulk(version, SIZE_MAX, SIZE_MAX);
		run_bulk(version, 1499, SIZE_MAX);
	}
}

static void test_a_megabyte_both_ways_under_back_pressure(void **state)
{
	for (uint16_t version = 0x0301; version <= 0x0304; version++)
		run_bulk(version, 40000, 20000);
}

/* --- output refused
 * --------------------------------------------------------------------------------------------------- */

static void test_refused_output_in_the_handshake(void **state)
{
	for (uint16_t version = 0x0301; version <= 0x0304; version++) {
		struct pair pair;

		pair_init(&pair, &rsa);
		pair.accept.protocol_max = version;
		pair_open(&pair);
		for (unsigned int round = 0; pair.a.status != TLS_OK || pair.c.status != TLS_OK; round++) {
			pair.c.room = round % 4 == 1 ? 4000 : 0;
			pair.a.room = round % 4 == 3 ? 4000 : 0;
			pair_handshake(&pair);
			assert_true(round < 100);
			assert_true(pair.a.status != TLS_FAILED && pair.c.status != TLS_FAILED);
		}
		assert_true(pair.a.refused && pair.c.refused);
		pair_clear(&pair);
	}
}

/* TLS 1.3: they wait for the first write, or are sent by themselves, once, as soon as there is room */
static void test_tickets_go_with_data_or_alone(void **state)
{
	struct pair pair;
	size_t before, n, alone;

	pair_establish(&pair, 0x0304);
	before = pair.a.out_len;
	pair.a.room = 0;
	assert_int_equal(tls_send_tickets(pair.a.conn), TLS_WANT_WRITE);
	pair.a.room = SIZE_MAX;
	assert_int_equal(tls_send_tickets(pair.a.conn), TLS_OK);
	alone = pair.a.out_len - before;
	assert_true(alone > 100);
	assert_int_equal(tls_send_tickets(pair.a.conn), TLS_OK);
	assert_int_equal(pair.a.out_len, before + alone);
	pair_clear(&pair);

	pair_establish(&pair, 0x0304);
	before = pair.a.out_len;
	assert_int_equal(tls_write(pair.a.conn, (const uint8_t *)"x", 1, &n), TLS_OK);
	assert_int_equal(pair.a.out_len, before + alone + 5 + 1 + 1 + 16);
	assert_int_equal(tls_send_tickets(pair.a.conn), TLS_OK);
	assert_int_equal(pair.a.out_len, before + alone + 5 + 1 + 1 + 16);
	pair_clear(&pair);

	pair_establish(&pair, 0x0303);
	before = pair.a.out_len;
	assert_int_equal(tls_send_tickets(pair.a.conn), TLS_OK);
	assert_int_equal(pair.a.out_len, before);
	pair_clear(&pair);
}

/* --- input
 * ------------------------------------------------------------------------------------------------------------ */

static void test_feed_and_park(void **state)
{
	static const uint8_t text[] = "some plaintext";
	uint8_t buf[100], *copy;
	struct pair pair;
	size_t n, half;

	pair_establish(&pair, 0x0303);
	assert_int_equal(tls_write(pair.a.conn, text, sizeof(text), &n), TLS_OK);
	half = pair.a.out_len / 2;
	copy = malloc(half);
	memcpy(copy, pair.a.out, half);
	assert_int_equal(tls_conn_feed(pair.c.conn, copy, half), 0);
	assert_int_equal(tls_conn_pending_input(pair.c.conn), half);
	assert_int_equal(tls_conn_feed(pair.c.conn, copy, half), -EBUSY); /* not parked */
	assert_int_equal(tls_conn_park(pair.c.conn), 0);
	assert_int_equal(tls_conn_park(pair.c.conn), 0);
	free(copy);
	assert_int_equal(tls_conn_feed(pair.c.conn, pair.a.out + half, pair.a.out_len - half), 0);
	assert_int_equal(tls_conn_pending_input(pair.c.conn), pair.a.out_len);
	assert_int_equal(tls_read(pair.c.conn, buf, sizeof(buf), &n), TLS_OK);
	assert_int_equal(n, sizeof(text));
	assert_memory_equal(buf, text, n);
	assert_int_equal(tls_conn_pending_input(pair.c.conn), 0);
	assert_int_equal(tls_read(pair.c.conn, buf, sizeof(buf), &n), TLS_WANT_READ);
	assert_int_equal(n, 0);
	pair_clear(&pair);
}

static void test_parked_input_is_bounded(void **state)
{
	static uint8_t junk[65536];
	struct pair pair;
	int err = 0;

	pair_establish(&pair, 0x0304);
	for (int i = 0; i < 32 && !err; i++) {
		err = tls_conn_feed(pair.c.conn, junk, sizeof(junk));
		if (!err)
			err = tls_conn_park(pair.c.conn);
	}
	assert_int_equal(err, -ENOBUFS);
	assert_in_range(tls_conn_pending_input(pair.c.conn), (1u << 20) - sizeof(junk), 1u << 20);
	pair_clear(&pair);
}

static void test_a_changed_record_is_a_protocol_error(void **state)
{
	uint8_t buf[100];
	struct pair pair;
	size_t n;

	pair_establish(&pair, 0x0304);
	pair.a.out_len = 0;
	assert_int_equal(tls_write(pair.a.conn, buf, 10, &n), TLS_OK);
	pair.a.out[pair.a.out_len - 1] ^= 1;
	peer_deliver(&pair, &pair.a, &pair.c);
	assert_int_equal(tls_read(pair.c.conn, buf, sizeof(buf), &n), TLS_FAILED);
	assert_int_equal(tls_conn_error(pair.c.conn), TLS_ERROR_PROTOCOL);
	peer_deliver(&pair, &pair.c, &pair.a); /* and says so */
	assert_int_equal(tls_read(pair.a.conn, buf, sizeof(buf), &n), TLS_FAILED);
	assert_int_equal(tls_conn_error(pair.a.conn), TLS_ERROR_ALERT);
	assert_int_equal(tls_conn_alert_received(pair.a.conn), 20);
	assert_int_equal(tls_write(pair.a.conn, buf, 10, &n), TLS_FAILED);
	pair_clear(&pair);
}

/* --- closing
 * ------------------------------------------------------------------------------------------------------------ */

static void assert_moves(struct pair *pair, struct peer *from, struct peer *to)
{
	uint8_t buf[100];
	size_t n;

	assert_int_equal(tls_write(from->conn, (const uint8_t *)"text", 4, &n), TLS_OK);
	while (peer_deliver(pair, from, to))
		;
	for (size_t got = 0; got < 4; got += n)
		assert_int_equal(tls_read(to->conn, buf, sizeof(buf), &n), TLS_OK);
}

static void test_half_close(void **state)
{
	for (uint16_t version = 0x0301; version <= 0x0304; version++) {
		uint8_t buf[100];
		struct pair pair;
		size_t n;

		pair_establish(&pair, version);
		assert_moves(&pair, &pair.a, &pair.c);
		assert_int_equal(tls_close(pair.c.conn), TLS_OK);
		n = pair.c.out_len;
		assert_int_equal(tls_close(pair.c.conn), TLS_OK); /* once */
		assert_int_equal(pair.c.out_len, n);
		peer_deliver(&pair, &pair.c, &pair.a);
		assert_int_equal(tls_read(pair.a.conn, buf, sizeof(buf), &n), TLS_CLOSED);
		assert_int_equal(tls_read(pair.a.conn, buf, sizeof(buf), &n), TLS_CLOSED);
		assert_moves(&pair, &pair.a, &pair.c); /* the other direction goes on */
		assert_int_equal(tls_close(pair.a.conn), TLS_OK);
		peer_deliver(&pair, &pair.a, &pair.c);
		assert_int_equal(tls_read(pair.c.conn, buf, sizeof(buf), &n), TLS_CLOSED);
		assert_int_equal(tls_conn_error(pair.a.conn), TLS_ERROR_NONE);
		assert_int_equal(tls_conn_error(pair.c.conn), TLS_ERROR_NONE);
		pair_clear(&pair);
	}
}

static void test_close_waits_for_room_and_for_the_record_before_it(void **state)
{
	uint8_t buf[100] = {0};
	struct pair pair;
	size_t n;

	pair_establish(&pair, 0x0303);
	pair.a.room = 0;
	assert_int_equal(tls_write(pair.a.conn, buf, 10, &n), TLS_WANT_WRITE);
	assert_int_equal(n, 0);
	assert_int_equal(tls_close(pair.a.conn), TLS_WANT_WRITE);
	pair.a.room = SIZE_MAX;
	assert_int_equal(tls_close(pair.a.conn), TLS_WANT_WRITE);
	assert_int_equal(tls_write(pair.a.conn, buf, 10, &n), TLS_OK);
	assert_int_equal(n, 10);
	pair.a.room = 0;
	assert_int_equal(tls_close(pair.a.conn), TLS_WANT_WRITE);
	pair.a.room = SIZE_MAX;
	assert_int_equal(tls_close(pair.a.conn), TLS_OK);
	peer_deliver(&pair, &pair.a, &pair.c);
	assert_int_equal(tls_read(pair.c.conn, buf, sizeof(buf), &n), TLS_OK);
	assert_int_equal(tls_read(pair.c.conn, buf, sizeof(buf), &n), TLS_CLOSED);
	pair_clear(&pair);
}

static void test_alert_in_a_session(void **state)
{
	uint8_t buf[100];
	struct pair pair;
	size_t n;

	pair_establish(&pair, 0x0304);
	tls_send_alert(pair.c.conn, 49);
	peer_deliver(&pair, &pair.c, &pair.a);
	assert_int_equal(tls_read(pair.a.conn, buf, sizeof(buf), &n), TLS_FAILED);
	assert_int_equal(tls_conn_error(pair.a.conn), TLS_ERROR_ALERT);
	assert_int_equal(tls_conn_alert_received(pair.a.conn), 49);
	pair_clear(&pair);
}

/* --- memory
 * ------------------------------------------------------------------------------------------------------------- */

#define IDLE_PAIRS 200
#define IDLE_MAX 8192     /* bytes of a session's two legs */
#define IDLE_CBC_MAX 9216 /* the engine keeps two HMAC states for each direction of a CBC suite */

/* the session's two legs are an acceptor's and a connector's connection: a pair here */
static size_t idle_pair_size(uint16_t version)
{
	static struct peer peers[IDLE_PAIRS][2];
	struct mallinfo2 before, after;
	struct pair pair;

	pair_establish(&pair, version);
	pair_close(&pair);
	pair_open(&pair); /* whatever is made at the first connection is there */
	pair_handshake(&pair);
	pair_close(&pair);
	before = mallinfo2();
	for (int i = 0; i < IDLE_PAIRS; i++) {
		uint8_t buf[64] = {0};
		size_t n;

		pair_open(&pair);
		pair_handshake(&pair);
		assert_int_equal(tls_write(pair.a.conn, buf, sizeof(buf), &n), TLS_OK);
		while (peer_deliver(&pair, &pair.a, &pair.c))
			;
		while (tls_read(pair.c.conn, buf, sizeof(buf), &n) == TLS_OK)
			;
		peers[i][0] = pair.a;
		peers[i][1] = pair.c;
		free(pair.a.out);
		free(pair.c.out);
		pair.a.out = pair.c.out = NULL;
	}
	after = mallinfo2();
	for (int i = 0; i < IDLE_PAIRS; i++) {
		tls_conn_free(&peers[i][0].conn);
		tls_conn_free(&peers[i][1].conn);
	}
	pair.a.conn = pair.c.conn = NULL;
	pair_clear(&pair);
	return (after.uordblks + after.hblkhd - before.uordblks - before.hblkhd) / IDLE_PAIRS;
}

static void test_memory_of_an_idle_pair(void **state)
{
#ifdef SLUICE_SANITIZED
	skip(); /* the sanitizer's allocator does not count */
#endif
	for (uint16_t version = 0x0301; version <= 0x0304; version++) {
		size_t size = idle_pair_size(version);

		print_message("version %04x: %zu bytes\n", version, size);
		assert_true(size <= (version >= 0x0303 ? IDLE_MAX : IDLE_CBC_MAX));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_megabyte_both_ways),
		cmocka_unit_test(test_a_megabyte_both_ways_under_back_pressure),
		cmocka_unit_test(test_refused_output_in_the_handshake),
		cmocka_unit_test(test_tickets_go_with_data_or_alone),
		cmocka_unit_test(test_feed_and_park),
		cmocka_unit_test(test_parked_input_is_bounded),
		cmocka_unit_test(test_a_changed_record_is_a_protocol_error),
		cmocka_unit_test(test_half_close),
		cmocka_unit_test(test_close_waits_for_room_and_for_the_record_before_it),
		cmocka_unit_test(test_alert_in_a_session),
		cmocka_unit_test(test_memory_of_an_idle_pair),
	};

	return cmocka_run_group_tests(tests, make_certificates, clear_certificates);
}

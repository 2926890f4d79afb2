/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/common.h"
#include "ipc/message.h"

#define KERNEL_FDS_MAX 253 /* SCM_MAX_FD */

struct pair {
	int fd[2];
};

static int pair_setup(void **state)
{
	struct pair *pair = calloc(1, sizeof(*pair));

	*state = pair;
	return ipc_pair(pair->fd);
}

static int pair_teardown(void **state)
{
	struct pair *pair = *state;

	cleanup_close(&pair->fd[0]);
	cleanup_close(&pair->fd[1]);
	free(pair);
	return 0;
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void send_raw(int fd, const void *bytes, size_t len, const int *fds, size_t n)
{
	struct iovec iov = {(void *)bytes, len};
	char control[CMSG_SPACE(sizeof(int) * KERNEL_FDS_MAX)] = {0};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n) {
		struct cmsghdr *c;

		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n);
		c = CMSG_FIRSTHDR(&msg);
		*c = (struct cmsghdr){
			.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int) * n)};
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n);
	}
	assert_int_equal(sendmsg(fd, &msg, 0), len);
}

static void test_message_and_descriptors_arrive(void **state)
{
	struct pair *pair = *state;
	json_t *in = json_pack("{s:s, s:i}", "command", "status", "n", 7), *out = NULL;
	int pipe_fds[2], got[4];
	size_t n_got = ARRAY_SIZE(got);
	char byte;

	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(ipc_send(pair->fd[0], in, pipe_fds, 2), 0);
	assert_int_equal(ipc_recv(pair->fd[1], 1000, &out, got, &n_got), 0);
	assert_true(json_equal(in, out));
	assert_int_equal(n_got, 2);
	assert_int_equal(fcntl(got[0], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(write(got[1], "x", 1), 1);
	assert_int_equal(read(pipe_fds[0], &byte, 1), 1);
	json_decref(in);
	json_decref(out);
	for (int i = 0; i < 2; i++) {
		close(got[i]);
		close(pipe_fds[i]);
	}
}

static void test_surplus_descriptors_are_closed(void **state)
{
	struct pair *pair = *state;
	json_t *in = json_pack("{}"), *out = NULL;
	int fds[] = {0, 0, 0}, got[1], before = open_fds();
	size_t n_got = 1;

	assert_int_equal(ipc_send(pair->fd[0], in, fds, 3), 0);
	assert_int_equal(ipc_recv(pair->fd[1], 1000, &out, got, &n_got), 0);
	assert_int_equal(n_got, 1);
	assert_int_equal(open_fds(), before + 1);
	close(got[0]);
	json_decref(out);
	assert_int_equal(ipc_send(pair->fd[0], in, fds, 3), 0);
	assert_int_equal(ipc_recv(pair->fd[1], 1000, &out, NULL, NULL), 0);
	assert_int_equal(open_fds(), before);
	json_decref(out);
	json_decref(in);
}

static void test_too_many_descriptors_end_the_stream(void **state)
{
	struct pair *pair = *state;
	int fds[KERNEL_FDS_MAX] = {0}, got[IPC_FDS_MAX], before = open_fds();
	size_t n_got = ARRAY_SIZE(got);
	json_t *out = NULL;

	send_raw(pair->fd[0], "\2\0\0\0{}", 6, fds, ARRAY_SIZE(fds));
	assert_int_equal(ipc_recv(pair->fd[1], 1000, &out, got, &n_got), -EPROTO);
	assert_int_equal(n_got, 0);
	assert_int_equal(open_fds(), before);
}

static void test_descriptors_within_a_frame_do_not_leak(void **state)
{
	struct pair *pair = *state;
	int fds[] = {0, 0}, before = open_fds();
	json_t *out = NULL;

	send_raw(pair->fd[0], "\2\0\0\0{", 5, NULL, 0);
	send_raw(pair->fd[0], "}", 1, fds, 2);
	assert_int_equal(ipc_recv(pair->fd[1], 1000, &out, NULL, NULL), 0);
	assert_int_equal(open_fds(), before);
	json_decref(out);
}

static void test_bad_frames_are_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {{"\0\0\0\0", 4}, {"\1\0\0\4", 4}, {"\2\0\0\0[]", 6}, {"\3\0\0\0{}x", 7}, {"\4\0\0\0{\"a\"", 8},
		{"\2\0", 2}, {"\5\0\0\0{}", 6}, {"\15\0\0\0{\"a\":1,\"a\":2}", 17}};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_t *out = NULL;
		int fd[2];

		assert_int_equal(ipc_pair(fd), 0);
		assert_int_equal(send(fd[0], bad[i].bytes, bad[i].len, 0), bad[i].len);
		close(fd[0]);
		assert_int_equal(ipc_recv(fd[1], 1000, &out, NULL, NULL), -EPROTO);
		assert_null(out);
		close(fd[1]);
	}
	(void)state;
}

static void test_timeout_and_end(void **state)
{
	struct pair *pair = *state;
	json_t *out = NULL, *in = json_pack("{}");

	assert_int_equal(ipc_recv(pair->fd[1], 0, &out, NULL, NULL), -ETIMEDOUT);
	assert_int_equal(ipc_recv(pair->fd[1], 20, &out, NULL, NULL), -ETIMEDOUT);
	cleanup_close(&pair->fd[0]);
	assert_int_equal(ipc_recv(pair->fd[1], -1, &out, NULL, NULL), -ECONNRESET);
	assert_int_equal(ipc_send(pair->fd[1], in, NULL, 0), -EPIPE);
	json_decref(in);
}

static void *send_large(void *arg)
{
	struct pair *pair = arg;
	size_t len = 4 << 20;
	char *text = malloc(len + 1);
	json_t *in;

	memset(text, 'a', len);
	text[len] = 0;
	in = json_pack("{s:s}", "text", text);
	for (int i = 0; i < 3; i++)
		assert_int_equal(ipc_send(pair->fd[0], in, NULL, 0), 0);
	json_decref(in);
	free(text);
	return NULL;
}

static void test_large_messages_through_a_non_blocking_socket(void **state)
{
	struct pair *pair = *state;
	pthread_t thread;

	for (int i = 0; i < 2; i++)
		assert_int_equal(fcntl(pair->fd[i], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(pthread_create(&thread, NULL, send_large, pair), 0);
	for (int i = 0; i < 3; i++) {
		json_t *out = NULL;

		assert_int_equal(ipc_recv(pair->fd[1], 5000, &out, NULL, NULL), 0);
		assert_int_equal(json_string_length(json_object_get(out, "text")), 4 << 20);
		json_decref(out);
	}
	pthread_join(thread, NULL);
}

/* --- without waiting -------------------------------------------------------------------------------------------- */

static void test_receiver_takes_a_frame_byte_by_byte(void **state)
{
	struct pair *pair = *state;
	struct ipc_receiver receiver = {0};
	json_t *in = json_pack("{s:s}", "command", "status"), *out = NULL;
	int fds[] = {0, 0}, got[4], before = open_fds();
	size_t len, n_got = ARRAY_SIZE(got);
	char *frame;

	assert_int_equal(ipc_encode(in, &frame, &len), 0);
	assert_int_equal(ipc_receive(&receiver, pair->fd[1], &out, got, &n_got), -EAGAIN);
	for (size_t i = 0; i < len; i++) {
		send_raw(pair->fd[0], frame + i, 1, fds, i ? 0 : ARRAY_SIZE(fds));
		n_got = ARRAY_SIZE(got);
		assert_int_equal(ipc_receive(&receiver, pair->fd[1], &out, got, &n_got), i + 1 < len ? -EAGAIN : 0);
	}
	assert_true(json_equal(in, out));
	assert_int_equal(n_got, 2);
	close(got[0]);
	close(got[1]);
	ipc_receiver_clear(&receiver);
	assert_int_equal(open_fds(), before);
	free(frame);
	json_decref(in);
	json_decref(out);
}

static void test_receiver_tells_two_frames_apart(void **state)
{
	struct pair *pair = *state;
	struct ipc_receiver receiver = {0};
	json_t *out = NULL;

	send_raw(pair->fd[0], "\2\0\0\0{}\2\0\0\0{}\2\0", 14, NULL, 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ipc_receive(&receiver, pair->fd[1], &out, NULL, NULL), 0);
		json_decref(out);
	}
	assert_int_equal(ipc_receive(&receiver, pair->fd[1], &out, NULL, NULL), -EAGAIN);
	cleanup_close(&pair->fd[0]);
	assert_int_equal(ipc_receive(&receiver, pair->fd[1], &out, NULL, NULL), -EPROTO);
	ipc_receiver_clear(&receiver);
}

static void test_receiver_closes_descriptors_of_half_a_frame(void **state)
{
	struct pair *pair = *state;
	struct ipc_receiver receiver = {0};
	int fds[] = {0, 0}, before = open_fds();
	json_t *out = NULL;

	send_raw(pair->fd[0], "\2\0\0\0{", 5, fds, ARRAY_SIZE(fds));
	assert_int_equal(ipc_receive(&receiver, pair->fd[1], &out, NULL, NULL), -EAGAIN);
	assert_int_equal(open_fds(), before + 2);
	ipc_receiver_clear(&receiver);
	assert_int_equal(open_fds(), before);
}

static void test_receiver_refuses_garbage(void **state)
{
	struct pair *pair = *state;
	struct ipc_receiver receiver = {0};
	json_t *out = NULL;

	send_raw(pair->fd[0], "GET / HTTP/1.1", 14, NULL, 0);
	assert_int_equal(ipc_receive(&receiver, pair->fd[1], &out, NULL, NULL), -EPROTO);
	ipc_receiver_clear(&receiver);
}

static void test_send_within_gives_up_on_who_does_not_read(void **state)
{
	struct pair *pair = *state;
	json_t *message = json_pack("{s:s}", "text", "0123456789012345678901234567890123456789");
	int err = 0;

	for (int i = 0; i < 100000 && !err; i++)
		err = ipc_send_within(pair->fd[0], message, NULL, 0, 20);
	assert_int_equal(err, -ETIMEDOUT);
	json_decref(message);
}

#define PAIR_TEST(f) cmocka_unit_test_setup_teardown(f, pair_setup, pair_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAIR_TEST(test_message_and_descriptors_arrive),
		PAIR_TEST(test_surplus_descriptors_are_closed),
		PAIR_TEST(test_too_many_descriptors_end_the_stream),
		PAIR_TEST(test_descriptors_within_a_frame_do_not_leak),
		PAIR_TEST(test_bad_frames_are_refused),
		PAIR_TEST(test_timeout_and_end),
		PAIR_TEST(test_large_messages_through_a_non_blocking_socket),
		PAIR_TEST(test_receiver_takes_a_frame_byte_by_byte),
		PAIR_TEST(test_receiver_tells_two_frames_apart),
		PAIR_TEST(test_receiver_closes_descriptors_of_half_a_frame),
		PAIR_TEST(test_receiver_refuses_garbage),
		PAIR_TEST(test_send_within_gives_up_on_who_does_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

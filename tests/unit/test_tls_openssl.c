/* SPDX-License-Identifier: Apache-2.0 */
/* Both legs against OpenSSL's own client and server on loopback: interoperability, client certificates (D6),
 * renegotiation (D7), key update and HelloRetryRequest (D5). Skipped where the openssl program is missing. */
#include "tls_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#define STEP_MS 20
#define STEPS_MAX 500

static struct fake_certificate rsa, ec;
static char dir[] = "/tmp/test_tls_openssl.XXXXXX";

/* --- the openssl program ------------------------------------------------------------------------------------------ */

struct program {
	pid_t pid;
	int in, out; /* our ends of its standard input and output */
};

static void program_start(struct program *program, char *const argv[])
{
	int in[2], out[2];

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	program->pid = fork();
	assert_true(program->pid >= 0);
	if (!program->pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(out[1], 2);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	program->in = in[1];
	program->out = out[0];
	fcntl(program->out, F_SETFL, O_NONBLOCK);
}

static void program_stop(struct program *program)
{
	kill(program->pid, SIGKILL);
	waitpid(program->pid, NULL, 0);
	close(program->in);
	close(program->out);
}

/* waits until its output has text; all of it so far in buf */
static bool program_says(struct program *program, char *buf, size_t size, const char *text)
{
	size_t len = strlen(buf);

	for (int i = 0; i < STEPS_MAX; i++) {
		struct pollfd poll_fd = {.fd = program->out, .events = POLLIN};
		ssize_t n;

		if (strstr(buf, text))
			return true;
		poll(&poll_fd, 1, STEP_MS);
		n = read(program->out, buf + len, size - 1 - len);
		if (!n)
			return false;
		if (n > 0)
			buf[len += n] = 0;
	}
	return false;
}

/* --- one connection of ours over a socket ---------------------------------------------------------------------------
 */

struct leg {
	struct pair pair;
	struct peer *peer; /* pair.a or pair.c */
	int fd;
	bool ended;
	char text[8192]; /* plaintext received */
	size_t text_len;
};

static void leg_send(struct leg *leg)
{
	struct peer *peer = leg->peer;

	if (!peer->out_len)
		return;
	if (send(leg->fd, peer->out, peer->out_len, MSG_NOSIGNAL) < 0)
		leg->ended = true;
	peer->out_len = 0;
}

static enum tls_status leg_read(struct leg *leg)
{
	enum tls_status status;
	size_t n;

	do {
		status = tls_read(leg->peer->conn, (uint8_t *)leg->text + leg->text_len,
			sizeof(leg->text) - 1 - leg->text_len, &n);
		leg->text_len += n;
		leg->text[leg->text_len] = 0;
	} while (status == TLS_OK);
	return status;
}

/* one round: what came in, the engine, what goes out. The status of the handshake, then that of reading. */
static enum tls_status leg_step(struct leg *leg)
{
	struct pollfd poll_fd = {.fd = leg->fd, .events = POLLIN};
	enum tls_status status;
	uint8_t buf[4096];
	ssize_t n;

	if (!leg->ended && leg->peer->status != TLS_WANT_KEY && poll(&poll_fd, 1, STEP_MS) > 0) {
		n = recv(leg->fd, buf, sizeof(buf), MSG_DONTWAIT);
		leg->ended = n == 0;
		if (n > 0)
			assert_int_equal(tls_conn_feed(leg->peer->conn, buf, n), 0);
	}
	status = leg->peer->status = tls_handshake(leg->peer->conn);
	if (status == TLS_OK)
		status = leg_read(leg);
	assert_int_equal(tls_conn_park(leg->peer->conn), 0);
	leg_send(leg);
	tls_runtime_ring_doorbell(leg->pair.runtime);
	fake_keeper_run(&leg->pair.keeper);
	tls_runtime_poll_keys(leg->pair.runtime);
	return status;
}

static bool leg_handshake(struct leg *leg)
{
	for (int i = 0; i < STEPS_MAX && leg->peer->status != TLS_OK; i++)
		if (leg_step(leg) == TLS_FAILED || (leg->ended && leg->peer->status != TLS_OK))
			return false;
	return leg->peer->status == TLS_OK;
}

static bool leg_hears(struct leg *leg, const char *text)
{
	for (int i = 0; i < STEPS_MAX; i++) {
		if (strstr(leg->text, text))
			return true;
		if (leg_step(leg) == TLS_FAILED)
			return false;
	}
	return false;
}

/* the status with which reading ends */
static enum tls_status leg_end(struct leg *leg)
{
	enum tls_status status = TLS_WANT_READ;

	for (int i = 0; i < STEPS_MAX && status != TLS_FAILED && status != TLS_CLOSED && !leg->ended; i++)
		status = leg_step(leg);
	return status;
}

static void leg_say(struct leg *leg, const char *text)
{
	size_t n;

	assert_int_equal(tls_write(leg->peer->conn, (const uint8_t *)text, strlen(text), &n), TLS_OK);
	leg_send(leg);
}

static void leg_clear(struct leg *leg)
{
	close(leg->fd);
	leg->fd = -1;
	pair_clear(&leg->pair);
}

/* --- our acceptor, openssl s_client ---------------------------------------------------------------------------------
 */

static int listen_on_loopback(char *address, size_t size)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	snprintf(address, size, "127.0.0.1:%u", ntohs(sin.sin_port));
	return fd;
}

/* options: up to six more words for s_client */
static void accept_client(
	struct leg *leg, struct program *client, const struct fake_certificate *cert, char *const options[])
{
	char address[32], *argv[16] = {"openssl", "s_client", "-connect", address};
	int listener = listen_on_loopback(address, sizeof(address)), n = 4;
	struct pollfd poll_fd = {.fd = listener, .events = POLLIN};

	for (int i = 0; options[i]; i++)
		argv[n++] = options[i];
	*leg = (struct leg){.peer = &leg->pair.a};
	pair_init(&leg->pair, cert);
	pair_open(&leg->pair);
	program_start(client, argv);
	assert_int_equal(poll(&poll_fd, 1, STEP_MS * STEPS_MAX), 1);
	leg->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(leg->fd >= 0);
	close(listener);
}

static char seclevel[] = "DEFAULT@SECLEVEL=0";

static void test_clients_of_every_version(void **state)
{
	static char *const options[][5] = {
		{"-tls1", "-cipher", seclevel, NULL}, {"-tls1_1", "-cipher", seclevel, NULL}, {"-tls1_2", NULL},
		{"-tls1_3", NULL}, {"-tls1_2", "-cipher", "AES128-GCM-SHA256", NULL},
		{"-tls1_2", "-cipher", "AES256-SHA", NULL}, {"-tls1_3", "-groups", "P-384", NULL},
		{"-tls1_3", "-groups", "P-521:P-256", NULL}, /* HelloRetryRequest */
	};
	static const char *const versions[] = {
		"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3", "TLSv1.2", "TLSv1.2", "TLSv1.3", "TLSv1.3"};
	static const char *const groups[] = {"X25519", "X25519", "X25519", "X25519", "", "", "P-384", "P-256"};

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		struct program client;
		struct tls_facts facts;
		char out[65536] = "";
		struct leg leg;

		accept_client(&leg, &client, &rsa, options[i]);
		assert_true(leg_handshake(&leg));
		tls_conn_facts(leg.peer->conn, &facts);
		assert_string_equal(facts.version_name, versions[i]);
		assert_string_equal(facts.group, groups[i]);
		leg_say(&leg, "hello from the acceptor\n");
		assert_true(program_says(&client, out, sizeof(out), "hello from the acceptor"));
		assert_int_equal(write(client.in, "hello from s_client\n", 20), 20);
		assert_true(leg_hears(&leg, "hello from s_client"));
		program_stop(&client);
		leg_clear(&leg);
	}
}

static void test_d5_key_update_by_the_client(void **state)
{
	static char *const options[] = {"-tls1_3", NULL};
	struct program client;
	char out[65536] = "";
	struct leg leg;

	accept_client(&leg, &client, &ec, options);
	assert_true(leg_handshake(&leg));
	leg_say(&leg, "ready\n");
	assert_true(program_says(&client, out, sizeof(out), "ready"));
	assert_int_equal(write(client.in, "K\n", 2), 2); /* and asks for ours */
	assert_true(program_says(&client, out, sizeof(out), "KEYUPDATE"));
	assert_int_equal(write(client.in, "after the update\n", 17), 17);
	assert_true(leg_hears(&leg, "after the update"));
	leg_say(&leg, "and back\n");
	assert_true(program_says(&client, out, sizeof(out), "and back"));
	program_stop(&client);
	leg_clear(&leg);
}

static void test_d7_renegotiation_by_a_client_is_refused(void **state)
{
	static char *const options[] = {"-tls1_2", NULL};
	struct program client;
	char out[65536] = "";
	struct leg leg;

	accept_client(&leg, &client, &rsa, options);
	assert_true(leg_handshake(&leg));
	leg_say(&leg, "ready\n");
	assert_true(program_says(&client, out, sizeof(out), "ready"));
	assert_int_equal(write(client.in, "R\n", 2), 2);
	assert_int_equal(leg_end(&leg), TLS_FAILED);
	assert_int_equal(tls_conn_error(leg.peer->conn), TLS_ERROR_RENEGOTIATION);
	program_stop(&client);
	leg_clear(&leg);
}

/* OpenSSL's clients tell it in the clear, although the handshake is encrypted by then */
static void test_client_that_distrusts_us_says_so(void **state)
{
	static char *const options[][3] = {
		{"-tls1_2", "-verify_return_error", NULL}, {"-tls1_3", "-verify_return_error", NULL}};

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		struct program client;
		struct leg leg;

		accept_client(&leg, &client, &rsa, options[i]);
		assert_false(leg_handshake(&leg));
		assert_int_equal(tls_conn_error(leg.peer->conn), TLS_ERROR_ALERT);
		assert_int_equal(tls_conn_alert_received(leg.peer->conn), 48);
		assert_string_equal(tls_conn_error_text(leg.peer->conn), "TLSV1_ALERT_UNKNOWN_CA");
		program_stop(&client);
		leg_clear(&leg);
	}
}

/* --- our connector, openssl s_server
 * ---------------------------------------------------------------------------------- */

static void write_pem(const char *path, const struct fake_certificate *cert)
{
	const uint8_t *at = cert->der;
	X509 *x509 = d2i_X509(NULL, &at, cert->leaf.len);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(PEM_write_X509(file, x509));
	assert_true(PEM_write_PrivateKey(file, cert->key, NULL, NULL, 0, NULL, NULL));
	fclose(file);
	X509_free(x509);
}

static int connect_to(unsigned int port)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	return fd;
}

/* a server that took a free port, and says which: "ACCEPT 0.0.0.0:1234" */
static unsigned int server_start(struct program *server, char *const options[])
{
	char path[64], out[65536] = "", *at;
	char *argv[20] = {"openssl", "s_server", "-4", "-accept", "127.0.0.1:0", "-cert", path, "-key", path};
	int n = 9;

	snprintf(path, sizeof(path), "%s/server.pem", dir);
	for (int i = 0; options[i]; i++)
		argv[n++] = options[i];
	program_start(server, argv);
	assert_true(program_says(server, out, sizeof(out), "ACCEPT"));
	assert_true(program_says(server, out, sizeof(out), "\n"));
	at = strrchr(strstr(out, "ACCEPT"), ':');
	assert_non_null(at);
	return atoi(at + 1);
}

static void leg_connect(struct leg *leg, unsigned int port, bool pin_other)
{
	*leg = (struct leg){.peer = &leg->pair.c};
	pair_init(&leg->pair, &rsa);
	leg->pair.connect.pin = true;
	leg->pair.connect.n_certificates = 1;
	leg->pair.connect.certificates = pin_other ? &ec.tls : &rsa.tls;
	leg->pair.options.session_cache_key = 5;
	pair_open(&leg->pair);
	leg->fd = connect_to(port);
}

static void test_servers_of_every_version(void **state)
{
	static char *const options[][6] = {
		{"-rev", "-tls1", "-cipher", seclevel, NULL}, {"-rev", "-tls1_1", "-cipher", seclevel, NULL},
		{"-rev", "-tls1_2", NULL}, {"-rev", "-tls1_3", NULL},
		{"-rev", "-tls1_2", "-cipher", "AES128-SHA256:AES256-SHA", NULL},
		{"-rev", "-tls1_3", "-groups", "P-256", NULL}, /* HelloRetryRequest */
	};
	static const char *const versions[] = {"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3", "TLSv1.2", "TLSv1.3"};

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		struct program server;
		unsigned int port = server_start(&server, options[i]);
		struct tls_facts facts;
		struct leg leg;

		leg_connect(&leg, port, false);
		for (int round = 0; round < 2; round++) {
			assert_true(leg_handshake(&leg));
			tls_conn_facts(leg.peer->conn, &facts);
			assert_string_equal(facts.version_name, versions[i]);
			assert_int_equal(facts.resumed, round);
			leg_say(&leg, "abc\n");
			assert_true(leg_hears(&leg, "cba\n"));
			assert_int_equal(tls_close(leg.peer->conn), TLS_OK);
			leg_send(&leg);
			leg_end(&leg);
			assert_int_equal(tls_conn_error(leg.peer->conn), TLS_ERROR_NONE);
			if (round)
				break;
			close(leg.fd);
			pair_close(&leg.pair);
			pair_open(&leg.pair);
			leg.fd = connect_to(port);
			leg.ended = false;
			leg.text_len = 0;
			leg.text[0] = 0;
		}
		program_stop(&server);
		leg_clear(&leg);
	}
}

static void test_d9_drift_of_a_real_server(void **state)
{
	static char *const options[] = {"-rev", NULL};
	struct program server;
	struct leg leg;

	leg_connect(&leg, server_start(&server, options), true);
	assert_false(leg_handshake(&leg));
	assert_int_equal(tls_conn_error(leg.peer->conn), TLS_ERROR_CERTIFICATE_DRIFT);
	program_stop(&server);
	leg_clear(&leg);
}

static void test_d6_server_only_asks_for_a_client_certificate(void **state)
{
	static char *const options[][5] = {
		{"-rev", "-tls1_2", "-verify", "1", NULL}, {"-rev", "-tls1_3", "-verify", "1", NULL}};

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		struct program server;
		struct leg leg;

		leg_connect(&leg, server_start(&server, options[i]), false);
		assert_true(leg_handshake(&leg));
		leg_say(&leg, "abc\n");
		assert_true(leg_hears(&leg, "cba\n"));
		program_stop(&server);
		leg_clear(&leg);
	}
}

static void test_d6_server_requires_a_client_certificate(void **state)
{
	static char *const options[][7] = {
		{"-rev", "-tls1", "-cipher", seclevel, "-Verify", "1", NULL},
		{"-rev", "-tls1_2", "-Verify", "1", NULL},
		{"-rev", "-tls1_3", "-Verify", "1", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		struct program server;
		struct leg leg;

		leg_connect(&leg, server_start(&server, options[i]), false);
		leg_handshake(&leg);
		assert_int_equal(leg_end(&leg), TLS_FAILED); /* TLS 1.3: after our handshake */
		assert_int_equal(tls_conn_error(leg.peer->conn), TLS_ERROR_CLIENT_CERTIFICATE);
		assert_true(tls_conn_alert_received(leg.peer->conn) > 0);
		program_stop(&server);
		leg_clear(&leg);
	}
}

static void test_server_without_a_suite_in_common(void **state)
{
	static char *const options[] = {"-rev", "-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA256", NULL};
	struct program server;
	struct leg leg;

	leg_connect(&leg, server_start(&server, options), false);
	assert_false(leg_handshake(&leg));
	assert_int_equal(tls_conn_error(leg.peer->conn), TLS_ERROR_NO_SHARED_CIPHER);
	assert_int_equal(tls_conn_alert_received(leg.peer->conn), 40);
	program_stop(&server);
	leg_clear(&leg);
}

/* without -rev the server takes commands: 'r' asks for a renegotiation */
static void test_d7_renegotiation_by_the_server_is_refused(void **state)
{
	static char *const options[] = {"-tls1_2", NULL};
	struct program server;
	struct leg leg;

	leg_connect(&leg, server_start(&server, options), false);
	assert_true(leg_handshake(&leg));
	assert_int_equal(write(server.in, "hello\n", 6), 6);
	assert_true(leg_hears(&leg, "hello"));
	assert_int_equal(write(server.in, "r\n", 2), 2);
	assert_int_equal(leg_end(&leg), TLS_FAILED);
	assert_int_equal(tls_conn_error(leg.peer->conn), TLS_ERROR_RENEGOTIATION);
	program_stop(&server);
	leg_clear(&leg);
}

static int setup(void **state)
{
	char path[64];

	assert_non_null(mkdtemp(dir));
	fake_certificate_make(&rsa, "rsa", "rsa", "www.example.org");
	fake_certificate_make(&ec, "ec", "p256", "www.example.org");
	snprintf(path, sizeof(path), "%s/server.pem", dir);
	write_pem(path, &rsa);
	return 0;
}

static int teardown(void **state)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/server.pem", dir);
	unlink(path);
	rmdir(dir);
	fake_certificate_clear(&rsa);
	fake_certificate_clear(&ec);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clients_of_every_version),
		cmocka_unit_test(test_d5_key_update_by_the_client),
		cmocka_unit_test(test_d7_renegotiation_by_a_client_is_refused),
		cmocka_unit_test(test_client_that_distrusts_us_says_so),
		cmocka_unit_test(test_servers_of_every_version),
		cmocka_unit_test(test_d9_drift_of_a_real_server),
		cmocka_unit_test(test_d6_server_only_asks_for_a_client_certificate),
		cmocka_unit_test(test_d6_server_requires_a_client_certificate),
		cmocka_unit_test(test_server_without_a_suite_in_common),
		cmocka_unit_test(test_d7_renegotiation_by_the_server_is_refused),
	};

	signal(SIGPIPE, SIG_IGN);
	if (system("openssl version >/dev/null 2>&1")) {
		print_message("skipped: no openssl program\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, setup, teardown);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Load for tests/bench/run: threads with blocking sockets, one TLS connection at a time each.
 *
 *   tls_load full|resumed ADDRESS PORT THREADS SECONDS TLS        handshakes, each with one small request
 *   tls_load latency      ADDRESS PORT THREADS SECONDS TLS RATE   handshakes, RATE a second whatever becomes of them
 *   tls_load bulk         ADDRESS PORT THREADS SECONDS TLS PATH   downloads of PATH, over and over
 *   tls_load requests     ADDRESS PORT THREADS SECONDS TLS PATH   requests for PATH over kept connections
 *   tls_load idle         ADDRESS PORT COUNT   0       TLS        opens COUNT sessions, prints "holding", keeps them
 * open until standard input ends
 *
 * TLS is 1.2, 1.3, 1.2-rsa (RSA key exchange) or 1.2-ecdsa. Prints one JSON object. The request makes sure that both
 * legs of a proxy are up before a handshake counts. Latency is from the moment at which a connection was due, not from
 * when a thread got to it, until the handshake is complete (p50_ms, p99_ms), and until the first byte of the answer to
 * its request is there (answer_p50_ms, answer_p99_ms): a proxy may have all of its server's leg between the two. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 256
#define READ_SIZE (256 * 1024)
#define SERVER_NAME "www.example.test"
#define SAMPLES_MAX 65536 /* of one thread */

static const struct kind {
	const char *name, *suite;
	int version;
} kinds[] = {
	{"1.2", "ECDHE-RSA-AES128-GCM-SHA256", TLS1_2_VERSION},
	{"1.2-rsa", "AES128-GCM-SHA256", TLS1_2_VERSION},
	{"1.2-ecdsa", "ECDHE-ECDSA-AES128-GCM-SHA256", TLS1_2_VERSION},
	{"1.3", "ECDHE-RSA-AES128-GCM-SHA256", TLS1_3_VERSION},
};

/* seconds since a connection was due */
enum sample { SAMPLE_HANDSHAKE, SAMPLE_ANSWER, SAMPLES };

struct load {
	const char *mode, *path;
	struct sockaddr_in server;
	int threads;
	double seconds, rate, started;
	double *samples[THREADS_MAX][SAMPLES];
	size_t n_samples[THREADS_MAX];
	SSL_CTX *context;
	atomic_ulong done, errors, resumed, bytes;
	atomic_int stop;
};

static struct load load;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static int connect_to_server(void)
{
	const struct timeval patience = {.tv_sec = 10};
	const struct linger no_time_wait = {.l_onoff = 1};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &no_time_wait, sizeof(no_time_wait));
	if (connect(fd, (const struct sockaddr *)&load.server, sizeof(load.server)) == 0)
		return fd;
	close(fd);
	return -1;
}

static SSL *open_session(SSL_SESSION *session)
{
	int fd = connect_to_server();
	SSL *ssl;

	if (fd < 0)
		return NULL;
	ssl = SSL_new(load.context);
	SSL_set_fd(ssl, fd);
	SSL_set_tlsext_host_name(ssl, SERVER_NAME);
	if (session)
		SSL_set_session(ssl, session);
	if (SSL_connect(ssl) == 1)
		return ssl;
	ERR_clear_error();
	SSL_free(ssl);
	close(fd);
	return NULL;
}

static void close_session(SSL *ssl)
{
	int fd = SSL_get_fd(ssl);

	/* the session stays resumable only if it was ended properly */
	SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(ssl);
	close(fd);
}

/* one request; answers the bytes received, -1 on failure. With keep-alive only the first piece of the answer is read.
 */
static long exchange(SSL *ssl, const char *path, int to_the_end, char *buffer)
{
	char request[256];
	int n = snprintf(
		request, sizeof(request), "GET %s HTTP/1.%d\r\nHost: " SERVER_NAME "\r\n\r\n", path, !to_the_end);
	long total = 0;

	if (SSL_write(ssl, request, n) != n)
		return -1;
	do {
		n = SSL_read(ssl, buffer, READ_SIZE);
		if (n > 0)
			total += n;
	} while (to_the_end && n > 0 && !load.stop);
	return total ? total : -1;
}

static int one_handshake(SSL_SESSION **session, char *buffer)
{
	SSL *ssl = open_session(*session);
	int ok;

	if (!ssl)
		return -1;
	ok = exchange(ssl, "/", 0, buffer) > 0;
	load.resumed += SSL_session_reused(ssl);
	/* the first one's, or another when that is not taken any more */
	if (ok && !SSL_session_reused(ssl) && !strcmp(load.mode, "resumed")) {
		SSL_SESSION_free(*session);
		*session = SSL_get1_session(ssl);
	}
	close_session(ssl);
	return ok ? 0 : -1;
}

/* length of the whole answer whose beginning this is, 0 while its head is not there */
static long answer_length(char *buffer, long have)
{
	char *end, *length;

	buffer[have] = '\0';
	end = strstr(buffer, "\r\n\r\n");
	length = strcasestr(buffer, "\r\nContent-Length: ");
	return end && length && length < end ? end + 4 - buffer + atol(length + 18) : 0;
}

/* one request over the kept connection, which is opened when there is none or the server has closed it */
static int one_request(SSL **ssl, char *buffer)
{
	char request[256];
	int n = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: " SERVER_NAME "\r\n\r\n", load.path);
	long have = 0, whole = 0;

	if (!*ssl)
		*ssl = open_session(NULL);
	if (!*ssl || SSL_write(*ssl, request, n) != n)
		return -1;
	while (!whole || have < whole) {
		n = SSL_read(*ssl, buffer + have, READ_SIZE - 1 - (int)have);
		if (n <= 0)
			return -1;
		have += n;
		whole = whole ? whole : answer_length(buffer, have);
		if (whole >= READ_SIZE - 1)
			return -1;
	}
	load.bytes += (unsigned long)have;
	return 0;
}

static void request_loop(char *buffer)
{
	SSL *ssl = NULL;
	long served = 0;

	while (!load.stop) {
		if (one_request(&ssl, buffer) == 0) {
			load.done++;
			served++;
			continue;
		}
		load.errors += !served; /* a server closes after so many requests: only the first may not fail */
		served = 0;
		if (ssl)
			close_session(ssl);
		ssl = NULL;
	}
	if (ssl)
		close_session(ssl);
}

static int one_download(char *buffer)
{
	SSL *ssl = open_session(NULL);
	long bytes;

	if (!ssl)
		return -1;
	bytes = exchange(ssl, load.path, 1, buffer);
	close_session(ssl);
	if (bytes < 0)
		return -1;
	load.bytes += bytes;
	return 0;
}

static void sleep_until(double when)
{
	double left = when - now();

	if (left > 0)
		usleep((useconds_t)(left * 1e6));
}

/* 0 when it was answered; only then it has samples */
static int one_measured(int number, double due, char *buffer)
{
	SSL *ssl = open_session(NULL);
	double handshake = now() - due;
	int ok;

	if (!ssl)
		return -1;
	ok = exchange(ssl, "/", 0, buffer) > 0;
	if (ok) {
		load.samples[number][SAMPLE_HANDSHAKE][load.n_samples[number]] = handshake;
		load.samples[number][SAMPLE_ANSWER][load.n_samples[number]++] = now() - due;
	}
	close_session(ssl);
	return ok ? 0 : -1;
}

/* thread `number` takes every THREADS-th connection */
static void latency_loop(int number, char *buffer)
{
	for (long turn = number; !load.stop && load.n_samples[number] < SAMPLES_MAX; turn += load.threads) {
		double due = load.started + (double)turn / load.rate;

		sleep_until(due);
		if (load.stop)
			return;
		if (one_measured(number, due, buffer))
			load.errors++;
		else
			load.done++;
	}
}

static int make_room_for_samples(int number)
{
	for (enum sample what = 0; what < SAMPLES; what++)
		if (!(load.samples[number][what] = malloc(SAMPLES_MAX * sizeof(double))))
			return -1;
	return 0;
}

static void *work(void *argument)
{
	SSL_SESSION *session = NULL;
	char *buffer = malloc(READ_SIZE);
	int bulk = !strcmp(load.mode, "bulk"), number = (int)(intptr_t)argument;

	if (buffer && !strcmp(load.mode, "latency") && !make_room_for_samples(number)) {
		latency_loop(number, buffer);
		load.stop = 1;
	}
	if (buffer && !strcmp(load.mode, "requests"))
		request_loop(buffer);
	while (buffer && !load.stop) {
		if (bulk ? one_download(buffer) : one_handshake(&session, buffer))
			load.errors++;
		else
			load.done++;
	}
	SSL_SESSION_free(session);
	free(buffer);
	return NULL;
}

static void run_threads(void)
{
	pthread_t threads[THREADS_MAX];

	for (int i = 0; i < load.threads; i++)
		pthread_create(&threads[i], NULL, work, (void *)(intptr_t)i);
	usleep((useconds_t)(load.seconds * 1e6));
	load.stop = 1;
	for (int i = 0; i < load.threads; i++)
		pthread_join(threads[i], NULL);
}

static void hold_sessions(int count)
{
	char *buffer = malloc(READ_SIZE);

	for (int i = 0; buffer && i < count; i++) {
		SSL *ssl = open_session(NULL);

		if (ssl && exchange(ssl, "/", 0, buffer) > 0)
			load.done++;
		else
			load.errors++;
	}
	printf("holding %lu\n", load.done);
	fflush(stdout);
	while (getchar() != EOF)
		;
	free(buffer);
}

static int compare_samples(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* milliseconds below which that share of all connections took */
static void print_latency(enum sample what, const char *prefix)
{
	size_t n = 0;
	double *all;

	for (int i = 0; i < load.threads; i++)
		n += load.n_samples[i];
	all = malloc((n + 1) * sizeof(double));
	n = 0;
	for (int i = 0; all && i < load.threads; i++) {
		if (load.n_samples[i])
			memcpy(all + n, load.samples[i][what], load.n_samples[i] * sizeof(double));
		n += load.n_samples[i];
	}
	if (n) {
		qsort(all, n, sizeof(double), compare_samples);
		printf("\"%sp50_ms\": %.3f, \"%sp99_ms\": %.3f, ", prefix, all[n / 2] * 1e3, prefix,
			all[n * 99 / 100] * 1e3);
	}
	free(all);
}

static void print_result(double seconds)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	printf("{");
	if (!strcmp(load.mode, "latency")) {
		print_latency(SAMPLE_HANDSHAKE, "");
		print_latency(SAMPLE_ANSWER, "answer_");
	}
	printf("\"done\": %lu, \"errors\": %lu, \"resumed\": %lu, \"bytes\": %lu, \"seconds\": %.3f, \"cpu_seconds\": "
	       "%.3f}\n",
		load.done, load.errors, load.resumed, load.bytes, seconds,
		usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
			(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
}

int main(int argc, char **argv)
{
	const struct kind *kind = kinds;
	double started;

	while (argc > 6 && kind < kinds + sizeof(kinds) / sizeof(*kinds) && strcmp(kind->name, argv[6]))
		kind++;
	if (argc < 7 || kind == kinds + sizeof(kinds) / sizeof(*kinds)) {
		fprintf(stderr, "usage: tls_load full|resumed|latency|bulk|requests|idle ADDRESS PORT THREADS SECONDS "
				"1.2|1.2-rsa|1.2-ecdsa|1.3 [PATH|RATE]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	load.mode = argv[1];
	load.server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(atoi(argv[3]))};
	load.threads = atoi(argv[4]);
	load.seconds = atof(argv[5]);
	load.path = argc > 7 ? argv[7] : "/";
	load.context = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_min_proto_version(load.context, kind->version);
	SSL_CTX_set_max_proto_version(load.context, kind->version);
	SSL_CTX_set1_groups_list(load.context, "X25519:P-256");
	SSL_CTX_set_cipher_list(load.context, kind->suite);
	SSL_CTX_set_ciphersuites(load.context, "TLS_AES_128_GCM_SHA256");
	SSL_CTX_set_session_cache_mode(load.context, SSL_SESS_CACHE_OFF);
	if (inet_pton(AF_INET, argv[2], &load.server.sin_addr) != 1)
		return 2;
	load.rate = strcmp(load.mode, "latency") ? 0 : atof(load.path);
	if (!strcmp(load.mode, "latency") && load.rate <= 0)
		return 2;
	started = load.started = now();
	if (!strcmp(load.mode, "idle"))
		hold_sessions(load.threads);
	else if (load.threads <= THREADS_MAX)
		run_threads();
	print_result(now() - started);
	return 0;
}

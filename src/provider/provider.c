/* SPDX-License-Identifier: Apache-2.0 */
/* A key provider that runs a command for each key: docs/key-provider.md. One child per request, so that a slow command
 * keeps nobody else waiting; all of them run as this program's own user. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/log.h"
#include "provider/main.h"

#define HEADER_MAX 4096
#define KEY_MAX (64u << 10)
#define PATIENCE_S 9 /* Sluice's is 10 */
#define REQUESTS_MAX 16

static const char usage[] =
	"usage: sluice-key-provider SOCKET COMMAND [ARGUMENT...]\n"
	"\n"
	"Listens on the Unix socket SOCKET (key_provider_socket of Sluice's configuration) and answers each request "
	"for a\n"
	"private key with what COMMAND prints: PEM or DER, without a password. COMMAND gets two more arguments, the "
	"name of\n"
	"the certificate and the id of its key (16 hex digits: the beginning of SHA-256 over the public key). An exit "
	"status\n"
	"other than 0, no output, more than 64 KiB or more than 9 s are told to Sluice, which asks again.\n";

static int transfer(int fd, void *data, size_t len, bool out)
{
	for (size_t done = 0; done < len;) {
		ssize_t n =
			out ? write(fd, (char *)data + done, len - done) : read(fd, (char *)data + done, len - done);

		if (n == 0 || (n < 0 && errno != EINTR))
			return -ECONNRESET;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static void answer(int fd, json_t *header, const uint8_t *key, size_t key_len)
{
	char *text = header ? json_dumps(header, JSON_COMPACT) : NULL;
	uint32_t len = text ? htobe32((uint32_t)strlen(text)) : 0;

	if (text && !transfer(fd, &len, sizeof(len), true) && !transfer(fd, text, strlen(text), true) && key_len)
		transfer(fd, (void *)key, key_len, true);
	free(text);
	json_decref(header);
}

static void refuse(int fd, const char *error)
{
	log_warn("%s", error);
	answer(fd, json_pack("{s:b, s:s}", "ok", 0, "error", error), NULL, 0);
}

static json_t *read_request(int fd)
{
	char text[HEADER_MAX];
	uint32_t len;

	if (transfer(fd, &len, sizeof(len), false) || !(len = be32toh(len)) || len > sizeof(text) ||
		transfer(fd, text, len, false))
		return NULL;
	return json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
}

static pid_t command_start(char **argv, int output)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	dup2(output, STDOUT_FILENO);
	execvp(argv[0], argv);
	_exit(127);
}

/* its whole output, into key; bytes, or -errno */
static ssize_t command_run(char **argv, uint8_t *key, size_t size)
{
	int fds[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid = command_start(argv, fds[1]);
	close(fds[1]);
	while (pid > 0 && len < size && ((n = read(fds[0], key + len, size - len)) > 0 || (n < 0 && errno == EINTR)))
		len += n > 0 ? (size_t)n : 0;
	close(fds[0]); /* one that has more to say is ended by it */
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -ECHILD;
	if (len == size)
		return -EFBIG;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? (ssize_t)len : -EIO;
}

/* names are Sluice's own, but this may be root's command: nothing that a shell or an option parser could trip over */
static bool word_ok(const char *word)
{
	return word && *word && strlen(word) < 64 && *word != '-' &&
	       !word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")];
}

/* the command ends with us */
static void on_alarm(int signal)
{
	(void)signal;
	kill(0, SIGKILL);
}

/* in a child: never returns */
static void __attribute__((noreturn)) serve(int fd, int argc, char **argv)
{
	static uint8_t key[KEY_MAX + 1];
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	char **words = calloc((size_t)argc + 3, sizeof(*words));
	json_t *request;
	ssize_t n;

	setpgid(0, 0);
	signal(SIGCHLD, SIG_DFL);
	signal(SIGALRM, on_alarm);
	alarm(PATIENCE_S); /* whatever happens */
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	request = read_request(fd);
	if (!words || json_integer_value(json_object_get(request, "version")) != 1 ||
		!word_ok(json_string_value(json_object_get(request, "certificate"))) ||
		!word_ok(json_string_value(json_object_get(request, "key_id")))) {
		refuse(fd, "malformed request");
		_exit(1);
	}
	memcpy(words, argv, (size_t)argc * sizeof(*words));
	words[argc] = (char *)json_string_value(json_object_get(request, "certificate"));
	words[argc + 1] = (char *)json_string_value(json_object_get(request, "key_id"));
	n = command_run(words, key, sizeof(key));
	if (n > 0)
		answer(fd, json_pack("{s:b, s:I}", "ok", 1, "key_bytes", (json_int_t)n), key, (size_t)n);
	else
		refuse(fd, n == -EFBIG ? "the command printed more than 64 KiB" : "the command gave no key");
	explicit_bzero(key, sizeof(key));
	_exit(n <= 0);
}

static int provider_listen(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
		return fd < 0 ? -errno : -ENAMETOOLONG;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	unlink(path);
	umask(0177); /* who may connect is who owns the socket, and root: sluiced */
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, REQUESTS_MAX) < 0)
		return -errno;
	return fd;
}

int provider_main(int argc, char **argv)
{
	int fd, n;
	pid_t pid;

	if (argc == 2 && !strcmp(argv[1], "--help"))
		return fputs(usage, stdout) < 0;
	if (argc < 3) {
		fputs(usage, stderr);
		return 2;
	}
	log_set_name("sluice-key-provider");
	signal(SIGCHLD, SIG_IGN);
	fd = provider_listen(argv[1]);
	if (fd < 0)
		return log_err_r(fd, "cannot listen on %s", argv[1]), 1;
	while ((n = accept4(fd, NULL, NULL, SOCK_CLOEXEC)) >= 0 || errno == EINTR) {
		if (n < 0)
			continue;
		pid = fork();
		if (!pid)
			serve(n, argc - 2, argv + 2);
		close(n);
	}
	return log_err_r(-errno, "cannot accept"), 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Test rig: src/dataplane as a command interpreter on standard input, one line of answer each ("ok ..." or "error N"),
 * with relays as workers that run under the privileges of a real one. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/common.h"
#include "base/log.h"
#include "dataplane/state.h"
#include "relay.h"
#include "stats/stats.h"

#define NOBODY 65534

static struct instance instance;
static struct dataplane *dp;
static pid_t workers[FLOW_WORKERS_MAX];

/* an ordinary user with CAP_NET_RAW alone: enough for IP_TRANSPARENT and ports below 1024 in `inspect` */
static int drop_privileges(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}, {0}};

	data[0].effective = data[0].permitted = 1u << CAP_NET_RAW;
	if (prctl(PR_SET_KEEPCAPS, 1) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
		setresuid(NOBODY, NOBODY, NOBODY) < 0)
		return -errno;
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static _Noreturn void worker_main(int listener, int ring, unsigned int slot)
{
	struct wire_heartbeat *beats = mmap(NULL, FLOW_WORKERS_MAX * sizeof(*beats), PROT_READ | PROT_WRITE, MAP_SHARED,
		dataplane_heartbeat_fd(dp), 0);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (beats == MAP_FAILED || setns(dataplane_inspect_netns_fd(dp), CLONE_NEWNET) < 0 || drop_privileges() < 0)
		_exit(1);
	beats[slot].ns = 0;
	relay_run(listener, ring, &beats[slot]);
}

static int listen_in_inspect(unsigned int slot)
{
	_cleanup_close_ int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int listener;

	if (setns(dataplane_inspect_netns_fd(dp), CLONE_NEWNET) < 0)
		return -errno;
	listener = relay_listen(slot);
	if (setns(home, CLONE_NEWNET) < 0)
		abort();
	return listener;
}

static int start_worker(unsigned int slot)
{
	int listener = listen_in_inspect(slot);
	_cleanup_close_ int ring = dataplane_new_events(dp, slot);

	if (listener < 0 || ring < 0)
		return MIN(listener, ring);
	workers[slot] = fork();
	if (!workers[slot])
		worker_main(listener, ring, slot);
	return dataplane_add_listener(dp, slot, listener);
}

static int do_open(const char *argument)
{
	return dataplane_open(&dp, &instance);
}

static int do_close(const char *argument)
{
	dataplane_close(&dp);
	return 0;
}

static int do_teardown(const char *argument)
{
	return dataplane_teardown(&instance);
}

static int read_config(const char *path, struct config **config)
{
	struct config_problems problems = {0};
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[65536];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	int err = n < 0 ? -errno : config_parse(text, n, config, &problems);

	for (size_t i = 0; i < problems.n; i++)
		log_err("%s:%u: %s", path, problems.items[i].line, problems.items[i].message);
	config_problems_clear(&problems);
	return err;
}

static int do_apply(const char *argument)
{
	struct config *config = NULL;
	unsigned int version;
	char path[256];
	int err;

	if (sscanf(argument, "%255s %u", path, &version) != 2)
		return -EINVAL;
	err = read_config(path, &config);
	if (err)
		return err;
	err = dataplane_apply(dp, config, version);
	config_unref(&config);
	return err;
}

/* BASE COUNT */
static int do_workers(const char *argument)
{
	unsigned int base, count;
	int err = 0;

	if (sscanf(argument, "%u %u", &base, &count) != 2)
		return -EINVAL;
	for (unsigned int slot = base; slot < base + count && !err; slot++)
		err = workers[slot] ? 0 : start_worker(slot);
	usleep(50000); /* the first beat */
	return err ? err : dataplane_set_workers(dp, base, count);
}

/* SLOT SIGNAL */
static int do_signal(const char *argument)
{
	unsigned int slot;
	int signal_number;

	if (sscanf(argument, "%u %d", &slot, &signal_number) != 2 || slot >= FLOW_WORKERS_MAX || !workers[slot])
		return -EINVAL;
	if (kill(workers[slot], signal_number) < 0)
		return -errno;
	if (signal_number == SIGKILL) {
		waitpid(workers[slot], NULL, 0);
		workers[slot] = 0;
	}
	return 0;
}

static int do_remove_listener(const char *argument)
{
	return dataplane_remove_listener(dp, atoi(argument));
}

/* answers with every counter that is not 0 */
static int do_counters(const char *argument)
{
	uint64_t values[WIRE_COUNTERS];
	int err = dataplane_read_counters(dp, values, ARRAY_SIZE(values));

	for (unsigned int i = 0; i < WIRE_COUNTERS && !err; i++)
		if (values[i])
			printf("%s=%lu ", counter_info[i].name, values[i]);
	printf("flows=%lu aliases=%lu ", (unsigned long)dp->control->flows, (unsigned long)dp->control->aliases);
	return err;
}

static int do_reap(const char *argument)
{
	struct dataplane_reap reap;
	int err = dataplane_reap(dp, atoi(argument), &reap);

	printf("flows=%u removed=%u ", reap.flows, reap.removed);
	return err;
}

static int do_max_flows(const char *argument)
{
	dp->control->max_flows = atoi(argument);
	return 0;
}

static const struct {
	const char *name;
	int (*fn)(const char *argument);
	bool needs_open;
} commands[] = {
	{"open", do_open, false},
	{"close", do_close, false},
	{"teardown", do_teardown, false},
	{"apply", do_apply, true},
	{"workers", do_workers, true},
	{"signal", do_signal, true},
	{"remove_listener", do_remove_listener, true},
	{"counters", do_counters, true},
	{"reap", do_reap, true},
	{"max_flows", do_max_flows, true},
};

static int run(const char *line)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		size_t n = strlen(commands[i].name);

		if (strncmp(line, commands[i].name, n) || (line[n] && line[n] != ' '))
			continue;
		return commands[i].needs_open && !dp ? -EBADF : commands[i].fn(line[n] ? line + n + 1 : "");
	}
	return -EINVAL;
}

int main(int argc, char **argv)
{
	char line[512];

	if (argc != 2 || instance_init(&instance, argv[1]))
		return 2;
	log_set_name("wire_driver");
	signal(SIGPIPE, SIG_IGN);
	while (fgets(line, sizeof(line), stdin)) {
		int err;

		line[strcspn(line, "\n")] = '\0';
		err = run(line);
		if (err)
			printf("error %d\n", -err);
		else
			printf("ok\n");
		fflush(stdout);
	}
	for (unsigned int slot = 0; slot < FLOW_WORKERS_MAX; slot++)
		if (workers[slot] && kill(workers[slot], SIGKILL) == 0)
			waitpid(workers[slot], NULL, 0);
	dataplane_close(&dp);
	return 0;
}

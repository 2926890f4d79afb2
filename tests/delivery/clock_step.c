/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded into processes under test: a wall clock that is off by what the file $CLOCK_STEP_FILE holds, one int64_t of
 * nanoseconds. The machine's own clock stays as it is. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *offset_ns;

__attribute__((constructor)) static void clock_step_begin(void)
{
	const char *path = getenv("CLOCK_STEP_FILE");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*offset_ns), PROT_READ, MAP_SHARED, fd, 0);

	if (map != MAP_FAILED)
		offset_ns = map;
	if (fd >= 0)
		close(fd);
}

int clock_gettime(clockid_t id, struct timespec *at)
{
	int r = (int)syscall(SYS_clock_gettime, id, at);

	if (!r && offset_ns && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
		int64_t ns = at->tv_sec * 1000000000ll + at->tv_nsec + *offset_ns;

		at->tv_sec = ns / 1000000000;
		at->tv_nsec = ns % 1000000000;
	}
	return r;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	at->tv_sec = now.tv_sec;
	at->tv_usec = now.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *out)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (out)
		*out = now.tv_sec;
	return now.tv_sec;
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Named network namespaces under /run/netns, compatible with `ip netns`. For single-threaded callers: entering moves
 * the calling thread, and every way out of the scope moves it back. */

/* descriptor of the namespace, created if it does not exist (*created then is 1); or -errno, logged */
int netns_ensure(const char *name, int *created);
/* descriptor, or -errno (-ENOENT: no such namespace) */
int netns_open(const char *name);
/* idempotent; the namespace itself lives on while processes are in it */
int netns_delete(const char *name);

/* 0 with *home a descriptor of the namespace that was left, or -errno with *home -1 */
int netns_enter(int netns_fd, int *home);
/* back home; aborts when it cannot, as nothing after it would act on the right system */
void netns_return(int *home);
#define _cleanup_netns_ _cleanup_(netns_return)

struct netns_sysctl {
	const char *path, *value; /* below /proc/sys/net/ */
};
/* in the current namespace; ends with a NULL path. A file that this kernel lacks is passed over. */
int netns_write_sysctls(const struct netns_sysctl *sysctls);
int netns_write_sysctl(const char *path, const char *value);

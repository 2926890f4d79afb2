/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/links.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include "base/common.h"
#include "base/log.h"
#include "dataplane/netns.h"
#include "dataplane/rtnl.h"
#include "dataplane/state.h"

bool dataplane_port_is_held(const struct dataplane *dp, int index)
{
	for (size_t i = 0; i < ARRAY_SIZE(dp->held_ports); i++)
		if (dp->held_ports[i] == index)
			return true;
	return false;
}

/* false: there is no place left */
static bool note_held(struct dataplane *dp, int index, bool hold)
{
	for (size_t i = 0; i < ARRAY_SIZE(dp->held_ports); i++) {
		if (dp->held_ports[i] != (hold ? 0 : index))
			continue;
		dp->held_ports[i] = hold ? index : 0;
		return true;
	}
	return !hold;
}

int dataplane_hold_port(struct dataplane *dp, const char *port, bool hold)
{
	_cleanup_netns_ int home = -1;
	struct rtnl_link link;
	int err = netns_enter(dp->wire_netns, &home);

	if (!err)
		err = rtnl_link_get(port, &link);
	if (err)
		return err;
	if (!hold || !dataplane_port_is_held(dp, link.index))
		err = note_held(dp, link.index, hold) ? 0 : -ENOSPC;
	if (!err)
		err = rtnl_link_set_flags(link.index, hold ? 0 : IFF_UP, IFF_UP);
	return err ? log_err_r(err, "cannot take port %s %s", port, hold ? "down" : "up") : 0;
}

int dataplane_watch_links(struct dataplane *dp)
{
	const struct sockaddr_nl groups = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	_cleanup_netns_ int home = -1;
	_cleanup_close_ int fd = -1;
	int err = netns_enter(dp->wire_netns, &home);

	if (err)
		return err;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&groups, sizeof(groups)) < 0)
		return log_err_r(-errno, "cannot watch the links of the ports");
	return TAKE_FD(fd);
}

void dataplane_drain_links(int fd)
{
	char message[8192];

	/* ENOBUFS says that messages were lost: whoever asks looks at every link anyway */
	while (recv(fd, message, sizeof(message), 0) > 0 || errno == ENOBUFS || errno == EINTR)
		;
}

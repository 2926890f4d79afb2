/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/rtnl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/common.h"

#define RTNL_BUFFER 8192 /* MNL_SOCKET_BUFFER_SIZE is not a constant */

struct rtnl_request {
	union {
		char bytes[2048];
		struct nlmsghdr header;
	};
};

static void rtnl_socket_close(struct mnl_socket **socket)
{
	if (*socket)
		mnl_socket_close(*socket);
}

/* family header of that size, zeroed */
static void *rtnl_begin(struct rtnl_request *request, uint16_t type, uint16_t flags, size_t head)
{
	memset(request, 0, sizeof(*request));
	mnl_nlmsg_put_header(request->bytes);
	request->header.nlmsg_type = type;
	request->header.nlmsg_flags = NLM_F_REQUEST | flags;
	request->header.nlmsg_seq = 1;
	return mnl_nlmsg_put_extra_header(&request->header, head);
}

/* sends, and hands every answer to fn until the acknowledgement or the end of the dump */
static int rtnl_talk(struct rtnl_request *request, mnl_cb_t fn, void *data)
{
	_cleanup_(rtnl_socket_close) struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	char buffer[RTNL_BUFFER];
	int result = MNL_CB_OK;

	if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
		mnl_socket_sendto(socket, request, request->header.nlmsg_len) < 0)
		return -errno;
	while (result == MNL_CB_OK) {
		ssize_t n = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));

		if (n < 0)
			return -errno;
		result = mnl_cb_run(buffer, n, request->header.nlmsg_seq, mnl_socket_get_portid(socket), fn, data);
	}
	return result < 0 ? -errno : 0;
}

static int rtnl_do(struct rtnl_request *request)
{
	request->header.nlmsg_flags |= NLM_F_ACK;
	return rtnl_talk(request, NULL, NULL);
}

/* as rtnl_do(), for what may be there already (or no more) */
static int rtnl_do_unless(struct rtnl_request *request, int harmless)
{
	int err = rtnl_do(request);

	return err == harmless ? 0 : err;
}

static int rtnl_link_info_is(const struct nlattr *info, const char *kind)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, info) if (mnl_attr_get_type(attr) == IFLA_INFO_KIND) return !strcmp(
		mnl_attr_get_str(attr), kind);
	return 0;
}

static void rtnl_link_parse(const struct nlmsghdr *message, struct rtnl_link *link)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr;

	memset(link, 0, sizeof(*link));
	link->index = info->ifi_index;
	link->flags = info->ifi_flags;
	mnl_attr_for_each(attr, message, sizeof(*info))
	{
		switch (mnl_attr_get_type(attr)) {
		case IFLA_IFNAME:
			snprintf(link->name, sizeof(link->name), "%s", mnl_attr_get_str(attr));
			break;
		case IFLA_MTU:
			link->mtu = mnl_attr_get_u32(attr);
			break;
		case IFLA_ADDRESS:
			if (mnl_attr_get_payload_len(attr) == sizeof(link->mac))
				memcpy(link->mac, mnl_attr_get_payload(attr), sizeof(link->mac));
			break;
		case IFLA_LINKINFO:
			link->veth = rtnl_link_info_is(attr, "veth");
			break;
		case IFLA_NUM_RX_QUEUES:
			link->rx_queues = mnl_attr_get_u32(attr);
			break;
		case IFLA_NUM_TX_QUEUES:
			link->tx_queues = mnl_attr_get_u32(attr);
			break;
		case IFLA_STATS64: /* later kernels append: the buffer's own alignment is 4 */
			memcpy(&link->stats, mnl_attr_get_payload(attr),
				MIN(sizeof(link->stats), mnl_attr_get_payload_len(attr)));
			break;
		}
	}
}

struct rtnl_each {
	rtnl_link_fn *fn;
	void *data;
	int result;
};

static int rtnl_each_message(const struct nlmsghdr *message, void *data)
{
	struct rtnl_each *each = data;
	struct rtnl_link link;

	rtnl_link_parse(message, &link);
	if (!each->result)
		each->result = each->fn(&link, each->data);
	return MNL_CB_OK;
}

int rtnl_link_each(rtnl_link_fn *fn, void *data)
{
	struct rtnl_each each = {.fn = fn, .data = data};
	struct rtnl_request request;
	int err;

	rtnl_begin(&request, RTM_GETLINK, NLM_F_DUMP, sizeof(struct ifinfomsg));
	err = rtnl_talk(&request, rtnl_each_message, &each);
	return err ? err : each.result;
}

static int rtnl_copy_link(const struct rtnl_link *link, void *data)
{
	*(struct rtnl_link *)data = *link;
	return 0;
}

struct rtnl_addresses {
	int index;
	struct rtnl_addresses_found *out;
};

static int rtnl_address_message(const struct nlmsghdr *message, void *data)
{
	const struct ifaddrmsg *address = mnl_nlmsg_get_payload(message);
	const struct rtnl_addresses *search = data;
	const struct nlattr *attr;

	if (address->ifa_index != (unsigned int)search->index || search->out->n++)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, message, sizeof(*address))
	{
		size_t bytes = address->ifa_family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);

		if (mnl_attr_get_type(attr) == IFA_ADDRESS && mnl_attr_get_payload_len(attr) == bytes)
			inet_ntop(address->ifa_family, mnl_attr_get_payload(attr), search->out->first,
				sizeof(search->out->first));
	}
	return MNL_CB_OK;
}

int rtnl_link_addresses(int index, struct rtnl_addresses_found *out)
{
	struct rtnl_addresses search = {.index = index, .out = out};
	struct rtnl_request request;

	memset(out, 0, sizeof(*out));
	rtnl_begin(&request, RTM_GETADDR, NLM_F_DUMP, sizeof(struct ifaddrmsg));
	return rtnl_talk(&request, rtnl_address_message, &search);
}

int rtnl_link_get(const char *name, struct rtnl_link *out)
{
	struct rtnl_each each = {.fn = rtnl_copy_link, .data = out};
	struct rtnl_request request;

	if (strlen(name) >= IFNAMSIZ)
		return -ENODEV;
	rtnl_begin(&request, RTM_GETLINK, NLM_F_ACK, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(&request.header, IFLA_IFNAME, name);
	return rtnl_talk(&request, rtnl_each_message, &each);
}

static struct ifinfomsg *rtnl_begin_link(struct rtnl_request *request, uint16_t type, int index)
{
	struct ifinfomsg *info = rtnl_begin(request, type, 0, sizeof(*info));

	info->ifi_index = index;
	return info;
}

int rtnl_link_set_flags(int index, unsigned int flags, unsigned int mask)
{
	struct rtnl_request request;
	struct ifinfomsg *info = rtnl_begin_link(&request, RTM_NEWLINK, index);

	info->ifi_flags = flags;
	info->ifi_change = mask;
	return rtnl_do(&request);
}

int rtnl_link_set_mtu(int index, unsigned int mtu)
{
	struct rtnl_request request;

	rtnl_begin_link(&request, RTM_NEWLINK, index);
	mnl_attr_put_u32(&request.header, IFLA_MTU, mtu);
	return rtnl_do(&request);
}

int rtnl_link_move(int index, int netns_fd)
{
	struct rtnl_request request;

	rtnl_begin_link(&request, RTM_NEWLINK, index);
	mnl_attr_put_u32(&request.header, IFLA_NET_NS_FD, netns_fd);
	return rtnl_do(&request);
}

int rtnl_link_delete(int index)
{
	struct rtnl_request request;

	rtnl_begin_link(&request, RTM_DELLINK, index);
	return rtnl_do_unless(&request, -ENODEV);
}

int rtnl_veth_create(const char *name, const char *peer, int peer_netns_fd)
{
	struct rtnl_request request;
	struct nlattr *info, *data, *end;

	rtnl_begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(&request.header, IFLA_IFNAME, name);
	info = mnl_attr_nest_start(&request.header, IFLA_LINKINFO);
	mnl_attr_put_strz(&request.header, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(&request.header, IFLA_INFO_DATA);
	end = mnl_attr_nest_start(&request.header, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(&request.header, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(&request.header, IFLA_IFNAME, peer);
	mnl_attr_put_u32(&request.header, IFLA_NET_NS_FD, peer_netns_fd);
	mnl_attr_nest_end(&request.header, end);
	mnl_attr_nest_end(&request.header, data);
	mnl_attr_nest_end(&request.header, info);
	return rtnl_do(&request);
}

static void rtnl_begin_rule(struct rtnl_request *request, uint16_t type, uint16_t flags, uint32_t pref, uint32_t table)
{
	struct fib_rule_hdr *rule = rtnl_begin(request, type, flags, sizeof(*rule));

	rule->family = AF_INET;
	rule->action = FR_ACT_TO_TBL;
	rule->table = table;
	mnl_attr_put_u32(&request->header, FRA_PRIORITY, pref);
}

int rtnl_rule_add(uint32_t pref, const char *iif, uint32_t table)
{
	struct rtnl_request request;

	rtnl_begin_rule(&request, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, pref, table);
	if (iif)
		mnl_attr_put_strz(&request.header, FRA_IIFNAME, iif);
	return rtnl_do_unless(&request, -EEXIST);
}

int rtnl_rule_delete(uint32_t pref, uint32_t table)
{
	struct rtnl_request request;

	rtnl_begin_rule(&request, RTM_DELRULE, 0, pref, table);
	return rtnl_do_unless(&request, -ENOENT);
}

static struct rtmsg *rtnl_begin_route(struct rtnl_request *request, uint16_t type, uint16_t flags, int index)
{
	struct rtmsg *route = rtnl_begin(request, type, flags, sizeof(*route));

	route->rtm_family = AF_INET;
	route->rtm_protocol = RTPROT_STATIC;
	mnl_attr_put_u32(&request->header, RTA_OIF, index);
	return route;
}

static void rtnl_begin_local(struct rtnl_request *request, uint16_t type, uint16_t flags, int index)
{
	struct rtmsg *route = rtnl_begin_route(request, type, flags, index);

	route->rtm_type = RTN_LOCAL;
	route->rtm_table = RT_TABLE_LOCAL;
	route->rtm_scope = RT_SCOPE_HOST;
}

int rtnl_route_add_local(int index)
{
	struct rtnl_request request;

	rtnl_begin_local(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, index);
	return rtnl_do_unless(&request, -EEXIST);
}

int rtnl_route_delete_local(int index)
{
	struct rtnl_request request;

	rtnl_begin_local(&request, RTM_DELROUTE, 0, index);
	return rtnl_do_unless(&request, -ESRCH);
}

int rtnl_route_add_default(struct in_addr gateway, int index)
{
	struct rtnl_request request;
	struct rtmsg *route = rtnl_begin_route(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, index);

	route->rtm_type = RTN_UNICAST;
	route->rtm_table = RT_TABLE_MAIN;
	route->rtm_scope = RT_SCOPE_UNIVERSE;
	route->rtm_flags = RTNH_F_ONLINK;
	mnl_attr_put_u32(&request.header, RTA_GATEWAY, gateway.s_addr);
	return rtnl_do_unless(&request, -EEXIST);
}

struct rtnl_default {
	int index, found;
};

static int rtnl_default_message(const struct nlmsghdr *message, void *data)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(message);
	struct rtnl_default *search = data;
	const struct nlattr *attr;

	if (route->rtm_dst_len || route->rtm_table != RT_TABLE_MAIN)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, message, sizeof(*route)) if (mnl_attr_get_type(attr) == RTA_OIF &&
							     mnl_attr_get_u32(attr) == (uint32_t)search->index)
		search->found = 1;
	return MNL_CB_OK;
}

int rtnl_route_has_default(int index)
{
	struct rtnl_default search = {.index = index};
	struct rtnl_request request;
	struct rtmsg *route = rtnl_begin(&request, RTM_GETROUTE, NLM_F_DUMP, sizeof(*route));
	int err;

	route->rtm_family = AF_INET;
	err = rtnl_talk(&request, rtnl_default_message, &search);
	return err ? err : search.found;
}

int rtnl_neighbour_add(int index, struct in_addr address, const uint8_t mac[6])
{
	struct rtnl_request request;
	struct ndmsg *neighbour = rtnl_begin(&request, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, sizeof(*neighbour));

	neighbour->ndm_family = AF_INET;
	neighbour->ndm_ifindex = index;
	neighbour->ndm_state = NUD_PERMANENT;
	mnl_attr_put_u32(&request.header, NDA_DST, address.s_addr);
	mnl_attr_put(&request.header, NDA_LLADDR, 6, mac);
	return rtnl_do(&request);
}

static void rtnl_begin_clsact(struct rtnl_request *request, uint16_t type, uint16_t flags, int index)
{
	struct tcmsg *tc = rtnl_begin(request, type, flags, sizeof(*tc));

	tc->tcm_family = AF_UNSPEC;
	tc->tcm_ifindex = index;
	tc->tcm_parent = TC_H_CLSACT;
	tc->tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
	mnl_attr_put_strz(&request->header, TCA_KIND, "clsact");
}

int rtnl_clsact_add(int index)
{
	struct rtnl_request request;

	rtnl_begin_clsact(&request, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, index);
	return rtnl_do_unless(&request, -EEXIST);
}

int rtnl_clsact_delete(int index)
{
	struct rtnl_request request;
	int err;

	rtnl_begin_clsact(&request, RTM_DELQDISC, 0, index);
	err = rtnl_do_unless(&request, -ENOENT);
	return err == -EINVAL ? 0 : err; /* no such qdisc, as some kernels say it */
}

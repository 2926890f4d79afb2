/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/ethtool.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/common.h"

#define FEATURES_MAX 256 /* of a kernel: it has some sixty */

static const char *const feature_names[] = {
#define ETHTOOL_FEATURE(id, name) [ETHTOOL_FEATURE_##id] = name,
	ETHTOOL_FEATURE_LIST
#undef ETHTOOL_FEATURE
};
_Static_assert(ETHTOOL_FEATURES <= 32, "a bit for each feature");

const char *ethtool_feature_name(enum ethtool_feature feature)
{
	return feature_names[feature];
}

/* one interface, asked several things */
struct ethtool {
	int fd;
	char name[IFNAMSIZ];
};

static int ethtool_ask(const struct ethtool *tool, void *request)
{
	struct ifreq ifr = {.ifr_data = request};

	memcpy(ifr.ifr_name, tool->name, sizeof(tool->name));
	return ioctl(tool->fd, SIOCETHTOOL, &ifr) < 0 ? -errno : 0;
}

static int ethtool_open(struct ethtool *tool, const char *name)
{
	if (strlen(name) >= sizeof(tool->name))
		return -ENODEV;
	snprintf(tool->name, sizeof(tool->name), "%s", name);
	tool->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return tool->fd < 0 ? -errno : 0;
}

static void ethtool_close(struct ethtool *tool)
{
	if (tool->fd >= 0)
		close(tool->fd);
}

/* The kernel answers the first request with the size of its bit sets, negative; what follows the sets is not of
 * interest here, but it needs room. */
static void read_link(const struct ethtool *tool, struct ethtool_facts *out)
{
	union {
		struct ethtool_link_settings settings;
		char room[sizeof(struct ethtool_link_settings) + 3 * 127 * sizeof(uint32_t)];
	} link = {.settings.cmd = ETHTOOL_GLINKSETTINGS};
	int8_t words;

	if (ethtool_ask(tool, &link) || link.settings.link_mode_masks_nwords >= 0)
		return;
	words = -link.settings.link_mode_masks_nwords;
	memset(&link, 0, sizeof(link));
	link.settings.cmd = ETHTOOL_GLINKSETTINGS;
	link.settings.link_mode_masks_nwords = words;
	if (ethtool_ask(tool, &link))
		return;
	out->speed_megabits = link.settings.speed == (uint32_t)SPEED_UNKNOWN ? 0 : link.settings.speed;
	out->half_duplex = link.settings.duplex == DUPLEX_HALF;
}

static void read_channels(const struct ethtool *tool, struct ethtool_facts *out)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};

	if (ethtool_ask(tool, &channels))
		return;
	out->rx_queues = channels.combined_count + channels.rx_count;
	out->tx_queues = channels.combined_count + channels.tx_count;
}

/* how many features this kernel has for the interface */
static unsigned int feature_count(const struct ethtool *tool)
{
	struct {
		struct ethtool_sset_info info;
		uint32_t count;
	} request = {.info = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << ETH_SS_FEATURES}};

	if (ethtool_ask(tool, &request) || !request.info.sset_mask)
		return 0;
	return MIN(request.count, (uint32_t)FEATURES_MAX);
}

/* the features of this kernel: their names, and where ours stand among them */
struct feature_places {
	unsigned int n;
	int at[ETHTOOL_FEATURES]; /* -1: there is none of that name */
};

static int find_places(const struct ethtool *tool, struct feature_places *out)
{
	unsigned int n = feature_count(tool);
	_cleanup_free_ struct ethtool_gstrings *names = calloc(1, sizeof(*names) + n * ETH_GSTRING_LEN);

	if (!n || !names)
		return n ? -ENOMEM : -EOPNOTSUPP;
	*names = (struct ethtool_gstrings){.cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_FEATURES, .len = n};
	if (ethtool_ask(tool, names))
		return -EOPNOTSUPP;
	memset(out->at, -1, sizeof(out->at));
	out->n = MIN(n, names->len);
	for (unsigned int i = 0; i < out->n; i++)
		for (unsigned int f = 0; f < ETHTOOL_FEATURES; f++)
			if (!strncmp(
				    (const char *)names->data + i * ETH_GSTRING_LEN, feature_names[f], ETH_GSTRING_LEN))
				out->at[f] = i;
	return 0;
}

static void read_features(const struct ethtool *tool, struct ethtool_facts *out)
{
	union {
		struct ethtool_gfeatures head;
		char room[sizeof(struct ethtool_gfeatures) +
			  FEATURES_MAX / 32 * sizeof(struct ethtool_get_features_block)];
	} set = {.head.cmd = ETHTOOL_GFEATURES};
	struct feature_places places;

	if (find_places(tool, &places))
		return;
	set.head.size = (places.n + 31) / 32;
	if (ethtool_ask(tool, &set))
		return;
	for (unsigned int f = 0; f < ETHTOOL_FEATURES; f++)
		if (places.at[f] >= 0 && (set.head.features[places.at[f] / 32].active >> places.at[f] % 32 & 1))
			out->features |= 1u << f;
}

int ethtool_read(const char *name, struct ethtool_facts *out)
{
	_cleanup_(ethtool_close) struct ethtool tool = {.fd = -1};
	struct ethtool_drvinfo driver = {.cmd = ETHTOOL_GDRVINFO};
	int err = ethtool_open(&tool, name);

	memset(out, 0, sizeof(*out));
	if (!err)
		err = ethtool_ask(&tool, &driver);
	if (err == -ENODEV || tool.fd < 0)
		return err;
	if (!err)
		snprintf(out->driver, sizeof(out->driver), "%.*s", (int)sizeof(driver.driver) - 1, driver.driver);
	read_link(&tool, out);
	read_channels(&tool, out);
	read_features(&tool, out);
	return 0;
}

int ethtool_disable(const char *name, uint32_t features)
{
	_cleanup_(ethtool_close) struct ethtool tool = {.fd = -1};
	union {
		struct ethtool_sfeatures head;
		char room[sizeof(struct ethtool_sfeatures) +
			  FEATURES_MAX / 32 * sizeof(struct ethtool_set_features_block)];
	} set = {.head.cmd = ETHTOOL_SFEATURES};
	struct feature_places places;
	int err = ethtool_open(&tool, name);

	if (err || find_places(&tool, &places))
		return err;
	set.head.size = (places.n + 31) / 32;
	for (unsigned int f = 0; f < ETHTOOL_FEATURES; f++)
		if ((features >> f & 1) && places.at[f] >= 0)
			set.head.features[places.at[f] / 32].valid |= 1u << places.at[f] % 32;
	/* a fixed feature makes the kernel refuse it alone (ETHTOOL_F_UNSUPPORTED), which is no error */
	ethtool_ask(&tool, &set);
	return 0;
}

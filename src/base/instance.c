/* SPDX-License-Identifier: Apache-2.0 */
#include "base/instance.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int instance_init(struct instance *in, const char *name)
{
	size_t len = strlen(name);

	if (!len || len > INSTANCE_NAME_MAX)
		return -EINVAL;
	for (const char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '-' && *c != '_')
			return -EINVAL;
	snprintf(in->name, sizeof(in->name), "%s", name);
	snprintf(in->run_dir, sizeof(in->run_dir), "/run/sluice/%s", name);
	snprintf(in->state_dir, sizeof(in->state_dir), "/var/lib/sluice/%s", name);
	snprintf(in->pin_dir, sizeof(in->pin_dir), "/sys/fs/bpf/sluice/%s", name);
	snprintf(in->control_path, sizeof(in->control_path), "%.80s/control", in->run_dir);
	snprintf(in->log_dir, sizeof(in->log_dir), "%.80s/log", in->state_dir);
	snprintf(in->netns_wire, sizeof(in->netns_wire), "%s-wire", name);
	snprintf(in->netns_inspect, sizeof(in->netns_inspect), "%s-inspect", name);
	return 0;
}

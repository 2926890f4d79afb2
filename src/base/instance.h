/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Every name that an instance leaves in the system derives from --instance NAME (default "sluice"), so several run
 * side by side: namespaces NAME-wire and NAME-inspect (under /run/netns), the directories below, the bpffs pins. */
#define INSTANCE_DEFAULT "sluice"
#define INSTANCE_NAME_MAX 24 /* characters: letters, digits, '-', '_' */

struct instance {
	char name[INSTANCE_NAME_MAX + 1];
	char run_dir[80];   /* /run/sluice/NAME: control socket */
	char state_dir[80]; /* /var/lib/sluice/NAME: configuration versions, certificates, keystore, logs */
	char pin_dir[80];   /* /sys/fs/bpf/sluice/NAME */
	char control_path[96];
	char log_dir[96]; /* state_dir/log */
	char netns_wire[48];
	char netns_inspect[48];
};

/* -EINVAL when the name has other characters, is empty or too long */
int instance_init(struct instance *instance, const char *name);

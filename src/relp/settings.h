/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the supervisor says of the log target at start: the message {"message": "start", ...} with the spool's directory
 * and the credentials' memfds as descriptors, in the order of "credentials". */
#include <jansson.h>

#include "relp/frame.h"
#include "relp/sender.h"

#define SETTINGS_HOSTS_MAX 4
#define SETTINGS_FDS_MAX (1 + SENDER_CREDENTIALS)

struct settings {
	char name[64];
	uint64_t boot;         /* that sluice-log of this supervisor writes */
	uint32_t logs;         /* a bit per enum event_log */
	unsigned int severity; /* RFC 5424's number: less urgent records are not sent */
	unsigned int n_hosts;  /* the first is preferred, the others stand by */
	char hosts[SETTINGS_HOSTS_MAX][256];
	struct sender_settings sender;
	enum frame_format format;
	struct event_masks masks;
	unsigned int enterprise;
	int spool_fd, credential_fds[SENDER_CREDENTIALS]; /* owned; -1: none */
};

/* 0 with fds taken over (each taken is -1 after), or -EPROTO */
int settings_take(struct settings *settings, const json_t *message, int *fds, size_t n_fds);
void settings_free(struct settings *settings);

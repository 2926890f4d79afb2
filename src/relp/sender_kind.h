/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The two kinds of sender, for sender.c. */
#include "relp/sender.h"

struct sender_kind {
	int (*start)(struct sender *sender); /* once */
	void (*end)(struct sender *sender);
	int (*connect)(struct sender *sender, const char *host);
	int (*send)(struct sender *sender, const char *message, size_t len);
	int (*close)(struct sender *sender); /* of a connected one; it is not afterwards, whatever the result */
};
extern const struct sender_kind sender_kind_relp, sender_kind_syslog;

struct sender {
	const struct sender_kind *kind;
	const struct sender_settings *settings;
	void *data; /* the kind's own */
	bool connected;
	char error[SENDER_ERROR_MAX];
};

static inline bool sender_has_tls(const struct sender *sender)
{
	return sender->settings->protocol == SENDER_RELP_TLS || sender->settings->protocol == SENDER_SYSLOG_TLS;
}

static inline const char *sender_peer(const struct sender *sender, const char *host)
{
	return *sender->settings->peer ? sender->settings->peer : host;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "relp/sender.h"

#include <errno.h>

#include "base/common.h"
#include "relp/sender_kind.h"

int sender_new(struct sender **out, const struct sender_settings *settings)
{
	struct sender *sender = calloc(1, sizeof(*sender));
	bool relp = settings->protocol == SENDER_RELP || settings->protocol == SENDER_RELP_TLS;
	int err;

	if (!sender)
		return -ENOMEM;
	sender->kind = relp ? &sender_kind_relp : &sender_kind_syslog;
	sender->settings = settings;
	err = sender->kind->start(sender);
	if (err) {
		free(sender);
		return err;
	}
	*out = sender;
	return 0;
}

void sender_free(struct sender **sender)
{
	if (!*sender)
		return;
	sender_close(*sender);
	(*sender)->kind->end(*sender);
	free(*sender);
	*sender = NULL;
}

int sender_connect(struct sender *sender, const char *host)
{
	int err = sender->kind->connect(sender, host);

	sender->connected = !err;
	return err;
}

bool sender_connected(const struct sender *sender)
{
	return sender->connected;
}

int sender_send(struct sender *sender, const char *message, size_t len)
{
	return sender->kind->send(sender, message, len);
}

int sender_close(struct sender *sender)
{
	if (!sender->connected)
		return -EIO;
	sender->connected = false;
	return sender->kind->close(sender);
}

const char *sender_error(const struct sender *sender)
{
	return sender->error;
}

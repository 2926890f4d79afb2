/* SPDX-License-Identifier: Apache-2.0 */
#include "relp/sender.h"

#include <errno.h>
#include <librelp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/common.h"

struct sender {
	relpEngine_t *engine;
	relpClt_t *client; /* NULL: not connected */
	char host[256], port[8];
	bool troubled; /* librelp has reported an error since it was last cleared */
	char error[SENDER_ERROR_MAX];
};

static struct sender *sender_of_callback; /* librelp's callbacks about the engine know of nothing; one per process */

static void sender_on_error(void *user, char *object, char *text, relpRetVal code)
{
	struct sender *sender = sender_of_callback;

	(void)user;
	(void)object;
	sender->troubled = true;
	snprintf(sender->error, sizeof(sender->error), "%s (librelp %d)", text, code);
}

static void sender_on_generic_error(char *object, char *text, relpRetVal code)
{
	sender_on_error(NULL, object, text, code);
}

/* librelp calls it unasked: 1.11 has no default */
static void sender_on_debug(char *fmt, ...)
{
	(void)fmt;
}

int sender_new(struct sender **out, const char *host, const char *port)
{
	struct sender *sender = calloc(1, sizeof(*sender));

	if (!sender)
		return -ENOMEM;
	snprintf(sender->host, sizeof(sender->host), "%s", host);
	snprintf(sender->port, sizeof(sender->port), "%s", port);
	if (relpEngineConstruct(&sender->engine) != RELP_RET_OK) {
		free(sender);
		return -ENOMEM;
	}
	sender_of_callback = sender;
	relpEngineSetDbgprint(sender->engine, sender_on_debug);
	relpEngineSetOnErr(sender->engine, sender_on_error);
	relpEngineSetOnGenericErr(sender->engine, sender_on_generic_error);
	relpEngineSetEnableCmd(sender->engine, (unsigned char *)"syslog", eRelpCmdState_Required);
	*out = sender;
	return 0;
}

void sender_free(struct sender **sender)
{
	if (!*sender)
		return;
	sender_close(*sender);
	relpEngineDestruct(&(*sender)->engine);
	free(*sender);
	*sender = NULL;
}

static int sender_fail(struct sender *sender, const char *what, relpRetVal code)
{
	if (!sender->troubled)
		snprintf(sender->error, sizeof(sender->error), "%s (librelp %d)", what, code);
	return -EIO;
}

int sender_connect(struct sender *sender)
{
	relpRetVal r = relpEngineCltConstruct(sender->engine, &sender->client);

	sender->troubled = false;
	if (r == RELP_RET_OK)
		r = relpCltSetTimeout(sender->client, SENDER_TIMEOUT_S);
	if (r == RELP_RET_OK)
		r = relpCltSetConnTimeout(sender->client, SENDER_TIMEOUT_S);
	if (r == RELP_RET_OK)
		r = relpCltSetWindowSize(sender->client, SENDER_WINDOW);
	if (r == RELP_RET_OK)
		r = relpCltConnect(
			sender->client, AF_UNSPEC, (unsigned char *)sender->port, (unsigned char *)sender->host);
	if (r == RELP_RET_OK)
		return 0;
	sender_fail(sender, "cannot connect", r);
	if (sender->client)
		relpEngineCltDestruct(sender->engine, &sender->client);
	sender->client = NULL;
	return -EIO;
}

bool sender_connected(const struct sender *sender)
{
	return sender->client != NULL;
}

int sender_send(struct sender *sender, const char *message, size_t len)
{
	relpRetVal r;

	sender->troubled = false;
	r = relpCltSendSyslog(sender->client, (unsigned char *)(uintptr_t)message, len);
	if (r == RELP_RET_OK && !sender->troubled)
		return 0;
	return sender_fail(sender, "cannot send", r);
}

int sender_close(struct sender *sender)
{
	relpRetVal r;

	if (!sender->client)
		return -EIO;
	sender->troubled = false;
	r = relpEngineCltDestruct(sender->engine, &sender->client);
	sender->client = NULL;
	return r == RELP_RET_OK && !sender->troubled ? 0 : sender_fail(sender, "no orderly end of the session", r);
}

const char *sender_error(const struct sender *sender)
{
	return sender->error;
}

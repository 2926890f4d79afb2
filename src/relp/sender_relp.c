/* SPDX-License-Identifier: Apache-2.0 */
/* RELP, over librelp. */
#include "relp/sender_kind.h"

#include <errno.h>
#include <librelp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/common.h"

struct relp {
	relpEngine_t *engine;
	relpClt_t *client;
	bool troubled; /* librelp has reported an error since it was last cleared */
	bool refused;  /* what it said of a certificate: the errors that follow say less */
};

static struct sender *sender_of_callback; /* librelp's callbacks about the engine know of nothing; one per process */

static void relp_on_error(void *user, char *object, char *text, relpRetVal code)
{
	struct sender *sender = sender_of_callback;
	struct relp *relp = sender->data;

	(void)user;
	(void)object;
	relp->troubled = true;
	if (!relp->refused)
		snprintf(sender->error, sizeof(sender->error), "%s (librelp %d)", text, code);
}

static void relp_on_generic_error(char *object, char *text, relpRetVal code)
{
	relp_on_error(NULL, object, text, code);
}

static void relp_on_auth_error(void *user, char *peer, char *text, relpRetVal code)
{
	struct sender *sender = sender_of_callback;
	struct relp *relp = sender->data;

	(void)user;
	(void)code;
	relp->troubled = relp->refused = true;
	snprintf(sender->error, sizeof(sender->error), "the receiver's certificate is not accepted: %s (%s)", text,
		peer && *peer ? peer : "no name");
}

/* librelp calls it unasked: 1.11 has no default */
static void relp_on_debug(char *fmt, ...)
{
	(void)fmt;
}

static int relp_start(struct sender *sender)
{
	struct relp *relp = calloc(1, sizeof(*relp));

	if (!relp)
		return -ENOMEM;
	if (relpEngineConstruct(&relp->engine) != RELP_RET_OK) {
		free(relp);
		return -ENOMEM;
	}
	sender->data = relp;
	sender_of_callback = sender;
	relpEngineSetDbgprint(relp->engine, relp_on_debug);
	relpEngineSetOnErr(relp->engine, relp_on_error);
	relpEngineSetOnGenericErr(relp->engine, relp_on_generic_error);
	relpEngineSetOnAuthErr(relp->engine, relp_on_auth_error);
	relpEngineSetEnableCmd(relp->engine, (unsigned char *)"syslog", eRelpCmdState_Required);
	/* not OpenSSL's: librelp 1.11 spins in it when a connection breaks */
	return relpEngineSetTLSLib(relp->engine, RELP_USE_GNUTLS) == RELP_RET_OK ? 0 : -ENOTSUP;
}

static void relp_end(struct sender *sender)
{
	struct relp *relp = sender->data;

	relpEngineDestruct(&relp->engine);
	free(relp);
	sender->data = NULL;
}

static int relp_fail(struct sender *sender, const char *what, relpRetVal code)
{
	const struct relp *relp = sender->data;

	if (!relp->troubled)
		snprintf(sender->error, sizeof(sender->error), "%s (librelp %d)", what, code);
	return -EIO;
}

/* the receiver must have a certificate of the CA with the name we know it by; ours is shown where there is one */
static relpRetVal relp_set_tls(struct sender *sender, const char *host)
{
	typedef relpRetVal set_fn(relpClt_t * client, char *value);
	static const struct {
		set_fn *set;
		enum sender_credential credential;
	} files[] = {{relpCltSetCACert, SENDER_CA}, {relpCltSetOwnCert, SENDER_CERTIFICATE},
		{relpCltSetPrivKey, SENDER_KEY}};
	const struct sender_settings *settings = sender->settings;
	struct relp *relp = sender->data;
	relpRetVal r = relpCltEnableTLS(relp->client);
	char peer[256];

	for (size_t i = 0; r == RELP_RET_OK && i < ARRAY_SIZE(files); i++)
		if (*settings->credential[files[i].credential])
			r = files[i].set(relp->client, (char *)(uintptr_t)settings->credential[files[i].credential]);
	if (r == RELP_RET_OK)
		r = relpCltSetAuthMode(relp->client, (char *)(uintptr_t)"name");
	snprintf(peer, sizeof(peer), "%s", sender_peer(sender, host));
	return r == RELP_RET_OK ? relpCltAddPermittedPeer(relp->client, peer) : r;
}

static int relp_connect(struct sender *sender, const char *host)
{
	struct relp *relp = sender->data;
	relpRetVal r = relpEngineCltConstruct(relp->engine, &relp->client);
	unsigned char *port = (unsigned char *)(uintptr_t)sender->settings->port;

	relp->troubled = relp->refused = false;
	if (r == RELP_RET_OK)
		r = relpCltSetTimeout(relp->client, SENDER_TIMEOUT_S);
	if (r == RELP_RET_OK)
		r = relpCltSetConnTimeout(relp->client, SENDER_TIMEOUT_S);
	if (r == RELP_RET_OK)
		r = relpCltSetWindowSize(relp->client, SENDER_WINDOW);
	if (r == RELP_RET_OK && sender_has_tls(sender))
		r = relp_set_tls(sender, host);
	if (r == RELP_RET_OK)
		r = relpCltConnect(relp->client, AF_UNSPEC, port, (unsigned char *)(uintptr_t)host);
	if (r == RELP_RET_OK)
		return 0;
	relp_fail(sender, "cannot connect", r);
	if (relp->client)
		relpEngineCltDestruct(relp->engine, &relp->client);
	relp->client = NULL;
	return -EIO;
}

static int relp_send(struct sender *sender, const char *message, size_t len)
{
	struct relp *relp = sender->data;
	relpRetVal r;

	relp->troubled = false;
	r = relpCltSendSyslog(relp->client, (unsigned char *)(uintptr_t)message, len);
	if (r == RELP_RET_OK && !relp->troubled)
		return 0;
	return relp_fail(sender, "cannot send", r);
}

static int relp_close(struct sender *sender)
{
	struct relp *relp = sender->data;
	relpRetVal r;

	relp->troubled = false;
	r = relpEngineCltDestruct(relp->engine, &relp->client);
	relp->client = NULL;
	return r == RELP_RET_OK && !relp->troubled ? 0 : relp_fail(sender, "no orderly end of the session", r);
}

const struct sender_kind sender_kind_relp = {relp_start, relp_end, relp_connect, relp_send, relp_close};

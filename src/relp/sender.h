/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A session with one receiver: RELP over librelp (sender_relp.c; GPL-3-or-later, see docs/logging.md), or syslog in
 * octet-counted frames (sender_syslog.c; RFC 5425 over TLS, RFC 6587 section 3.4.1 without). TLS is GnuTLS's in both.
 * Calls block, with timeouts; librelp's measure their patience by the wall clock: the supervisor watches from outside.
 *
 * What is certain. RELP: librelp tells nobody which messages were acknowledged, but a send returns only when fewer than
 * SENDER_WINDOW of the messages before it were unacknowledged: after a send all but the newest SENDER_WINDOW are
 * certainly received, and after an orderly end of the session all. Syslog has no acknowledgement: there "received"
 * means by the receiver's TCP, with the same rule. What that held when the receiver died is lost; nobody can know it.
 */
#include <stdbool.h>
#include <stddef.h>

#define SENDER_WINDOW 128
#define SENDER_TIMEOUT_S 10 /* without an answer while the window is full, or in connecting */
#define SENDER_ERROR_MAX 256

enum sender_protocol { SENDER_RELP, SENDER_RELP_TLS, SENDER_SYSLOG_TCP, SENDER_SYSLOG_TLS };
enum sender_credential { SENDER_CA, SENDER_CERTIFICATE, SENDER_KEY, SENDER_CREDENTIALS };

struct sender_settings {
	enum sender_protocol protocol;
	char port[8];
	char peer[256];                          /* name that the receiver's certificate must have; empty: the host's */
	char credential[SENDER_CREDENTIALS][64]; /* files of PEM; empty: none. TLS needs at least the CA's */
};

struct sender;
/* settings are borrowed until sender_free() */
int sender_new(struct sender **out, const struct sender_settings *settings);
void sender_free(struct sender **sender);
/* 0, or -EIO with sender_error() */
int sender_connect(struct sender *sender, const char *host);
bool sender_connected(const struct sender *sender);
int sender_send(struct sender *sender, const char *message, size_t len);
/* 0: the receiver has answered for everything; -EIO: nothing more is known than before. Not connected afterwards. */
int sender_close(struct sender *sender);
const char *sender_error(const struct sender *sender);

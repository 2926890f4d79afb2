/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A RELP session with one receiver, over librelp (GPL-3-or-later; see docs/logging.md). Its calls block and measure
 * their patience by the wall clock: the supervisor watches this process from outside.
 *
 * librelp tells nobody which messages were acknowledged. What is known: a send returns only when fewer than WINDOW of
 * the messages before it were unacknowledged, so that after a send all but the newest SENDER_WINDOW are certainly
 * received; and a session that closes in an orderly way has been answered for all it sent, in order. */
#include <stdbool.h>
#include <stddef.h>

#define SENDER_WINDOW 128
#define SENDER_TIMEOUT_S 10 /* without an answer while the window is full, or in connecting */
#define SENDER_ERROR_MAX 256

struct sender;
int sender_new(struct sender **out, const char *host, const char *port);
void sender_free(struct sender **sender);
/* 0, or -EIO with sender_error() */
int sender_connect(struct sender *sender);
bool sender_connected(const struct sender *sender);
int sender_send(struct sender *sender, const char *message, size_t len);
/* 0: the receiver has answered for everything; -EIO: nothing more is known than before. Not connected afterwards. */
int sender_close(struct sender *sender);
const char *sender_error(const struct sender *sender);

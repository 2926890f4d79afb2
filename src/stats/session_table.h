/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The sessions list (H1) in shared memory, one table per worker: a slot lives as long as its session. The worker is
 * the only writer; a reader copies a slot under its sequence number and never disturbs the worker. */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define SESSION_TABLE_SLOTS 65536
#define SESSION_TEXT_MAX 64

struct session_row {
	uint64_t id;         /* one id for every record of the session (G4); printed as 16 hex digits */
	uint64_t started_us; /* wall clock */
	uint64_t bytes[2];   /* plaintext to server, to client */
	struct in_addr client, server;
	uint16_t client_port, server_port;       /* host order */
	uint16_t vlan;                           /* 0 untagged */
	uint16_t version_client, version_server; /* 0x0303 ...; 0 before the handshake */
	uint8_t worker, step;                    /* enum session_step */
	uint8_t inspected, resumed;              /* resumed: bit 0 client leg, bit 1 server leg */
	uint16_t server_id;
	uint16_t group[2], signature[2]; /* client leg, server leg: code points (stats/tls_name.h); 0: none */
	uint32_t handshake_ms[2];
	char ssl_server[SESSION_TEXT_MAX], policy[SESSION_TEXT_MAX], virtual_segment[SESSION_TEXT_MAX];
	char sni[SESSION_TEXT_MAX], cipher_client[40], cipher_server[40], alpn[16], ja4[40];
};

struct session_table; /* a mapping */
int session_table_create(struct session_table **out);
/* fd stays the caller's; -EPROTO: made by a program with another row. A writer may take over a table (its old slots in
 * use stay in use until cleared); there is one writer at a time. */
int session_table_map(struct session_table **out, int fd, bool writable);
void session_table_free(struct session_table **table);
int session_table_fd(const struct session_table *table);

/* writer: a free slot index, or -ENOSPC (the session then runs unlisted, which the caller counts) */
int session_table_take(struct session_table *table);
void session_table_write(struct session_table *table, unsigned int slot, const struct session_row *row);
/* the two byte counts alone, without the copy */
void session_table_write_bytes(struct session_table *table, unsigned int slot, uint64_t to_server, uint64_t to_client);
void session_table_release(struct session_table *table, unsigned int slot);

/* Sessions to be cleared, asked of a worker that has no control socket any more: all, or those that match every key
 * that is given. The worker takes the requests at its heartbeat. */
struct session_clear {
	bool all;
	uint64_t id;                    /* 0: any */
	struct in_addr client;          /* 0: any */
	char server[SESSION_TEXT_MAX];  /* "": any */
	char segment[SESSION_TEXT_MAX]; /* "": any */
	bool fallback;                  /* for layer-2 fallback: so says the close reason */
};
/* -EBUSY: too many wait */
int session_table_ask_clear(struct session_table *table, const struct session_clear *clear);
bool session_table_next_clear(struct session_table *table, struct session_clear *clear); /* the worker */

#define SESSION_TABLE_NAME "sluice-sessions" /* of the memfd */
/* reader: slots in use, as of now; copies up to max rows, newest started first. Returns the number copied;
 * *total (may be NULL) is the number in use. */
unsigned int session_table_read(
	const struct session_table *table, struct session_row *rows, unsigned int max, unsigned int *total);
/* empties a dead worker's table (supervisor) */
void session_table_clear(struct session_table *table);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Remembered bypasses: what could not be decrypted once and is passed for a time (D6). One table per device in shared
 * memory, written by every worker, read and cleared by the supervisor. Bounded: in a full set the one that ends first
 * gives way. An entry is taken by making its sequence odd; who dies meanwhile costs that one entry. */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define BYPASS_TABLE_SETS 128
#define BYPASS_TABLE_WAYS 8
#define BYPASS_TABLE_SLOTS (BYPASS_TABLE_SETS * BYPASS_TABLE_WAYS)

/* whom a bypass is for: compared whole, so that nobody profits from equal hashes. Zeroed before it is filled. */
struct bypass_key {
	struct in_addr server, client;            /* client 0: any */
	uint16_t server_port, vlan, segment, pad; /* where it lives, as in struct flow_context (A5) */
	char ssl_server[64];
	char sni[256]; /* "": none */
	char ja4[40];  /* "": any program */
};

struct bypass_row {
	struct bypass_key key;
	uint64_t learned_us; /* wall clock */
	uint64_t expires_ns; /* clock_now_ns() */
	uint64_t sessions;   /* passed since it was learned */
	uint32_t cause;      /* enum config_undecryptable */
};

struct bypass_table; /* a mapping */
int bypass_table_create(struct bypass_table **out);
/* fd stays the caller's; -EPROTO: made by a program with another row */
int bypass_table_map(struct bypass_table **out, int fd);
void bypass_table_free(struct bypass_table **table);
int bypass_table_fd(const struct bypass_table *table);

/* surely none is in force, as nearly always: then there is no need to make a key */
bool bypass_table_is_empty(const struct bypass_table *table, uint64_t now_ns);
/* *cause of a bypass in force for key; it counts one session more */
bool bypass_table_find(struct bypass_table *table, const struct bypass_key *key, uint64_t now_ns, uint32_t *cause);
/* adds or renews; true when one in force had to give way */
bool bypass_table_learn(struct bypass_table *table, const struct bypass_row *row, uint64_t now_ns);
/* those in force, at most max; returns how many */
unsigned int bypass_table_read(struct bypass_table *table, uint64_t now_ns, struct bypass_row *rows, unsigned int max);
/* ends those of an SSL server, or all (NULL); returns how many */
unsigned int bypass_table_clear(struct bypass_table *table, uint64_t now_ns, const char *ssl_server);

/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions to resume with real servers (D5): a fixed table of small sets; within a set the least recently used goes. */
#include "tls/engine.h"

#include <errno.h>

/* As many tickets of one key as there are handshakes with its server under way at a time; or some find none. */
#define SESSION_CACHE_WAYS 16
#define SESSION_CACHE_SETS 64 /* power of two; 1024 sessions */

struct session_cache {
	uint64_t clock;
	struct session_entry {
		uint64_t key, used;
		SSL_SESSION *session; /* NULL: free */
	} entries[SESSION_CACHE_SETS][SESSION_CACHE_WAYS];
};

int session_cache_new(struct session_cache **out)
{
	struct session_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return -ENOMEM;
	*out = cache;
	return 0;
}

static void session_entry_clear(struct session_entry *entry)
{
	if (entry->session)
		SSL_SESSION_free(entry->session);
	*entry = (struct session_entry){0};
}

void session_cache_free(struct session_cache **cache)
{
	if (!*cache)
		return;
	for (size_t i = 0; i < SESSION_CACHE_SETS; i++)
		for (size_t way = 0; way < SESSION_CACHE_WAYS; way++)
			session_entry_clear(&(*cache)->entries[i][way]);
	free(*cache);
	*cache = NULL;
}

static struct session_entry *session_set(struct session_cache *cache, uint64_t key)
{
	return cache->entries[(key * 0x9e3779b97f4a7c15ull >> 32) & (SESSION_CACHE_SETS - 1)];
}

/* the newest session of the key */
static struct session_entry *session_find(struct session_cache *cache, uint64_t key)
{
	struct session_entry *set = session_set(cache, key), *found = NULL;

	for (size_t way = 0; way < SESSION_CACHE_WAYS; way++)
		if (set[way].session && set[way].key == key && (!found || set[way].used > found->used))
			found = &set[way];
	return found;
}

/* a free entry of the key's set, or the least recently used one (free entries were never used) */
static struct session_entry *session_victim(struct session_cache *cache, uint64_t key)
{
	struct session_entry *set = session_set(cache, key), *victim = &set[0];

	for (size_t way = 1; way < SESSION_CACHE_WAYS; way++)
		if (set[way].used < victim->used)
			victim = &set[way];
	return victim;
}

/* A session that can be used again replaces the one before; TLS 1.3 tickets, good for one connection each, are kept
 * side by side, for connections that open together. */
void session_cache_put(struct session_cache *cache, uint64_t key, SSL_SESSION *session)
{
	struct session_entry *entry = NULL;

	if (!SSL_SESSION_should_be_single_use(session))
		entry = session_find(cache, key);
	if (!entry)
		entry = session_victim(cache, key);
	session_entry_clear(entry);
	*entry = (struct session_entry){.key = key, .used = ++cache->clock, .session = session};
}

/* TLS 1.3 tickets are offered once (RFC 8446 appendix C.4) */
SSL_SESSION *session_cache_get(struct session_cache *cache, uint64_t key)
{
	struct session_entry *entry = session_find(cache, key);
	SSL_SESSION *session;

	if (!entry)
		return NULL;
	entry->used = ++cache->clock;
	session = entry->session;
	SSL_SESSION_up_ref(session);
	if (SSL_SESSION_should_be_single_use(session))
		session_entry_clear(entry);
	return session;
}

void session_cache_drop(struct session_cache *cache, uint64_t key)
{
	struct session_entry *entry;

	while ((entry = session_find(cache, key)))
		session_entry_clear(entry);
}

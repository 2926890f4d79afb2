/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The state directory: configuration versions with their rule files, certificates, sealed keys. Everything is written
 * beside its place and renamed, so a crash leaves the old or the new, never half. */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/instance.h"

struct store {
	int dir_fd; /* the state directory */
};

/* makes the directories (0700; log directory owned by log_uid, log_gid) */
int store_open(struct store *store, const struct instance *instance, uid_t log_uid, gid_t log_gid);
void store_close(struct store *store);
int store_open_log_dir(const struct store *store);
int store_open_spool(const struct store *store);
/* store_keys.c. The device key's file, made empty (0600, owned by the key keeper's user) if there is none; only the
 * keeper reads it */
int store_open_device_key(const struct store *store, uid_t uid, gid_t gid);
/* A change of the device key: the new one's file, the keys sealed with it, and then both at once; or nothing. What a
 * crash cut short is finished or undone by store_recover_keys(), before anything else is done with the store. */
int store_open_new_device_key(const struct store *store, uid_t uid, gid_t gid);
int store_stage_key(const struct store *store, const char *file, int sealed_key_fd);
int store_publish_device_key(const struct store *store); /* -errno: nothing is changed */
int store_discard_device_key(const struct store *store);
int store_recover_keys(const struct store *store);

/* the highest committed version, 0 when there is none */
uint32_t store_newest_version(const struct store *store);
/* writes a version under a temporary name; store_publish_version() makes it the newest, store_discard_version() not */
int store_write_version(
	const struct store *store, uint32_t version, const char *text, size_t len, const int *file_fds, size_t n_files);
int store_publish_version(const struct store *store, uint32_t version);
void store_discard_version(const struct store *store, uint32_t version);
/* removes what commits left that never came to their end; nobody else may be using the store */
void store_clean(const struct store *store);
/* removes all but the newest versions */
void store_prune_versions(const struct store *store, unsigned int keep);
int store_open_version(const struct store *store, uint32_t version);
int store_open_candidate(const struct store *store, uint32_t version); /* written, not published */
/* who made a version and why (history.h): an object; NULL when there is none */
int store_write_version_facts(const struct store *store, uint32_t version, const json_t *facts);
json_t *store_load_version_facts(const struct store *store, uint32_t version);
/* all committed versions, newest first; the caller frees. NULL with *n 0 when there is none */
uint32_t *store_list_versions(const struct store *store, size_t *n);
int store_open_version_file(const struct store *store, uint32_t version, size_t index);

#define STORE_CERTIFICATE_NAME 64 /* with its end */

bool store_certificate_name_ok(const char *name);
bool store_has_certificate(const struct store *store, const char *name);
/* facts as in docs/architecture.md, a new reference; NULL when there is none or it is damaged */
json_t *store_load_certificate(const struct store *store, const char *name);
/* the same for workers: with "previous_leaf" while the certificate that it replaced is in the store (D9) */
json_t *store_load_certificate_in_use(const struct store *store, const char *name);
/* store_facts.c; for log credentials too */
int store_open_key(const struct store *store, const char *name, const json_t *facts);
#define STORE_KEY_FILE 104 /* with its end */
/* the name of its key's file, by which certificates may share one */
int store_key_file(const char *name, const json_t *facts, char file[STORE_KEY_FILE]);
/* sealed_key_fd -1: the key is not kept here */
int store_write_certificate(const struct store *store, const char *name, const json_t *facts, int sealed_key_fd);
/* store_cache.c: compiled filters by a key of what they were compiled from. Opens: a descriptor or -errno; one at a
 * time is written, and kept or discarded; those used last stay */
int store_open_cached(const struct store *store, const char *key);
void store_touch_cached(const struct store *store, const char *key); /* it was of use */
int store_begin_cached(const struct store *store);
int store_keep_cached(const struct store *store, const char *key);
void store_discard_cached(const struct store *store);
/* the graphs' history (daemon/graph.c), one file; read: the bytes read */
int store_write_history(const struct store *store, const void *data, size_t len);
ssize_t store_read_history(const struct store *store, void *data, size_t len);
/* which warnings of expiry were told (daemon/expiry.h), one file; NULL: none, or it is damaged */
int store_write_told(const struct store *store, const json_t *told);
json_t *store_load_told(const struct store *store);
/* names of all certificates: a new array of strings */
json_t *store_list_certificates(const struct store *store);
/* a certificate's sealed key alone: into the state directory, out of it (for all certificates that share the file) */
int store_write_key(const struct store *store, const char *name, const json_t *facts, int sealed_key_fd);
int store_remove_key(const struct store *store, const char *name, const json_t *facts);
/* with its key, unless another certificate has the same key file */
int store_remove_certificate(const struct store *store, const char *name);

/* store_log_credentials.c: what log targets need for TLS: {"name", "ca": PEM, "ca_sha256", "warnings"} and, where they
 * show a certificate, what certificates' facts have. The key is sealed for STORE_LOG_SEALED_AS NAME. */
#define STORE_LOG_SEALED_AS "log:"
/* a new reference; NULL when there is none or it is damaged */
json_t *store_load_log_credentials(const struct store *store, const char *name);
/* an earlier version wrote them, with the key in clear */
bool store_log_credentials_are_open(const json_t *facts);
/* sealed_key_fd -1: no key, one that was there goes; facts learn their key file */
int store_write_log_credentials(const struct store *store, const char *name, json_t *facts, int sealed_key_fd);
/* changes with every import; 0: there is none of this name */
int64_t store_log_credentials_stamp(const struct store *store, const char *name);
int store_remove_log_credentials(const struct store *store, const char *name);
json_t *store_list_log_credentials(const struct store *store); /* names: a new array */

/* every certificate that has a key, sealed here or not, of SSL servers and log targets; -EBADMSG when facts cannot be
 * read */
struct store_key {
	const char *what; /* "certificate", "log credentials" */
	const char *name, *sealed_as;
	const json_t *facts;
	bool of_log_target;
};
typedef void store_key_fn(const struct store_key *key, void *data);
/* fn NULL: whether all can be read is all that is wanted */
int store_each_key(const struct store *store, store_key_fn *fn, void *data);

/* what replacements and imports left that a crash cut short; nobody else may be using the store */
void store_clean_certificates(const struct store *store);
/* E3. NAME_REPLACED, numbered when taken */
int store_replaced_name(const struct store *store, const char *name, char out[STORE_CERTIFICATE_NAME]);
/* Writes everything but the last step: the new key, the old certificate under its new name, the new certificate
 * beside. facts learns its key file and "previous". Then one rename publishes it, or the stage is discarded. */
int store_stage_replacement(
	const struct store *store, const char *name, const char *replaced, json_t *facts, int sealed_key_fd);
int store_publish_replacement(const struct store *store, const char *name);
void store_discard_replacement(const struct store *store, const char *name, const char *replaced, const json_t *facts);

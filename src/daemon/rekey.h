/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Every sealed key under a new device key, all or nothing (E5): those of the state directory are staged beside their
 * places, those in memory are held; publishing puts the new device key and all of them in force with one rename, and
 * what a crash leaves behind that, the next start finishes (store_recover_keys()). Meanwhile no key may come or go
 * (keystore_busy()). */
#include "daemon/supervisor.h"

struct rekey;

/* what there is to seal anew; NULL when the memory is full */
struct rekey *rekey_new(struct supervisor *supervisor);
/* not published: nothing of it stays */
void rekey_free(struct rekey **rekey);

/* the next key: {name, key_id} for the one-shot, a new reference, and its descriptor, the caller's; NULL: no more */
json_t *rekey_next(struct rekey *rekey, int *fd);
/* what the one-shot made of it */
int rekey_take(struct rekey *rekey, int fd);
/* whose key it was that is being waited for, as "certificate web"; borrowed */
const char *rekey_current(const struct rekey *rekey);
unsigned int rekey_count(const struct rekey *rekey);
/* -errno: nothing is changed */
int rekey_publish(struct rekey *rekey);

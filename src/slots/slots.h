/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The appliance's two root slots (J5): which one runs, an upgrade into the other one, the way back. RAUC verifies,
 * writes and keeps the boot loader's variables; here is what is Sluice's own about it: a version is booted only if it
 * takes the configuration in force, and stays only if the appliance is as well after the boot as it was before. Needs
 * root. Texts of errors say what is wrong and what to do. */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define SLOTS_N 2
#define SLOTS_ERROR_MAX 512

struct slot {
	char name[8];       /* "a", "b" */
	char device[128];   /* its partition */
	char version[64];   /* "": never installed by an upgrade */
	char installed[40]; /* when, RFC 3339; "": with the image */
	bool booted;        /* it runs */
	bool next;          /* it boots next */
	bool good;          /* it may be booted */
};

struct slots {
	struct slot slot[SLOTS_N];
	struct slot *booted, *other;
};

/* rauc.c. 0 or -errno with the error's text: -ENOTSUP where this machine is not the appliance */
int slots_read(struct slots *slots, char error[SLOTS_ERROR_MAX]);
/* the same from RAUC's status (JSON); separate, for tests */
int slots_parse(struct slots *slots, const char *text, char error[SLOTS_ERROR_MAX]);
/* {ok, slots: [{slot, version, booted, next, good, installed}], upgrade: {...} while one waits for its first boot,
 * last: how the last one ended}; NULL with the error's text */
json_t *slots_report(char error[SLOTS_ERROR_MAX]);

/* A step of an upgrade; percent -1: not known */
typedef void slots_progress(void *owner, const char *step, int percent);

/* Runs a program of RAUC's; each line of its output goes to on_line, the last one stays in `last`. Its exit status or
 * -errno */
int slots_run(const char *const *argv, void (*on_line)(void *owner, const char *line), void *owner, char last[256]);

/* trial.c: the configuration in force, read by the version in that slot. 0; -EINVAL with what that version says */
int slots_try_configuration(const struct slot *slot, const char *instance, char error[SLOTS_ERROR_MAX]);

/* upgrade.c. before: the supervisor's status, or NULL when none answers. *answer: {ok, from, to, slot}, a new
 * reference. 0, or -errno with the error's text: the slot that runs and the one that boots next are then as before. */
int slots_upgrade(const char *file, const char *instance, const json_t *before, slots_progress *progress, void *owner,
	json_t **answer, char error[SLOTS_ERROR_MAX]);
/* the slot that does not run boots next */
int slots_rollback(const char *instance, const json_t *before, slots_progress *progress, void *owner, json_t **answer,
	char error[SLOTS_ERROR_MAX]);

/* The note about an upgrade that waits for its first boot, and about how the last one ended: on the data partition,
 * which both slots share. NULL when there is none. */
json_t *slots_load_pending(void);
json_t *slots_load_last(void);
int slots_save_pending(const json_t *pending);
/* state: "confirmed", "failed", "withdrawn"; the note becomes the last one's */
int slots_end_pending(const char *state, const char *reason);

/* confirm.c: after each boot. Waits until the appliance is as well as `pending` says it was, 10 minutes at most; then
 * the slot counts as good, or the machine boots the other one. *ended: what became of an upgrade (state, from, to,
 * reason), a new reference, or NULL. */
#define SLOTS_CONFIRM_SECONDS 600 /* emulated machines start slowly */
int slots_confirm(const char *instance, unsigned int wait_s, json_t **ended, char error[SLOTS_ERROR_MAX]);
/* what is not as well as before, NULL when nothing; pure, for tests */
const char *slots_judge(const json_t *before, const json_t *status);

int slots_reboot(void);

/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/keystore.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/common.h"
#include "base/log.h"
#include "daemon/keeper.h"

#define DEVICE_KEY_SIZE 32    /* keys/device_key.h */
#define DEVICE_KEY_WRAPPED 84 /* the same */

struct keystore_job {
	struct child child;
	struct supervisor *supervisor;
	commit_done_fn *done;
	void *owner;
	bool protect, passphrase, answered;
	int pipe_fds[2];
};

static void pipe_close(int fds[2])
{
	for (int i = 0; i < 2; i++) {
		cleanup_close(&fds[i]);
		fds[i] = -1;
	}
}

void keystore_init(struct supervisor *supervisor)
{
	supervisor->keystore.pipe_fds[0] = supervisor->keystore.pipe_fds[1] = -1;
}

static void keystore_end_job(struct supervisor *supervisor)
{
	struct keystore_job *job = supervisor->keystore.job;

	if (!job)
		return;
	child_end(&job->child);
	pipe_close(job->pipe_fds);
	free(job);
	supervisor->keystore.job = NULL;
}

void keystore_free(struct supervisor *supervisor)
{
	keystore_end_job(supervisor);
	pipe_close(supervisor->keystore.pipe_fds);
}

static int keystore_open_file(struct supervisor *supervisor)
{
	uid_t uid;
	gid_t gid;

	role_ids(ROLE_KEEPER, &uid, &gid);
	return store_open_device_key(&supervisor->store, uid, gid);
}

/* tee() leaves what it copies where it is */
static int keystore_copy_pipe(int from)
{
	int copy[2], err = 0;

	if (pipe2(copy, O_CLOEXEC) < 0)
		return -errno;
	if (tee(from, copy[1], DEVICE_KEY_SIZE, SPLICE_F_NONBLOCK) != DEVICE_KEY_SIZE)
		err = -EIO;
	close(copy[1]);
	if (err)
		close(copy[0]);
	return err ? err : copy[0];
}

int keystore_device_key(struct supervisor *supervisor)
{
	int held = supervisor->keystore.pipe_fds[0];

	return held >= 0 ? keystore_copy_pipe(held) : keystore_open_file(supervisor);
}

static bool under_passphrase(const struct supervisor *supervisor)
{
	struct stat st;

	return fstatat(supervisor->store.dir_fd, "device.key", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_size == DEVICE_KEY_WRAPPED;
}

bool keystore_is_locked(const struct supervisor *supervisor)
{
	return supervisor->keystore.pipe_fds[0] < 0 && under_passphrase(supervisor);
}

json_t *keystore_report(struct supervisor *supervisor)
{
	return json_pack("{s:b, s:s, s:s}", "ok", 1, "protection", under_passphrase(supervisor) ? "passphrase" : "file",
		"state", keystore_is_locked(supervisor) ? "locked" : "unlocked");
}

/* --- unlocking and protecting: one at a time, by a one-shot ----------------------------------------------------------
 */

static void job_answer(struct keystore_job *job, json_t *answer)
{
	job->answered = true;
	if (job->done)
		job->done(job->owner, answer);
	else
		json_decref(answer);
}

static void job_fail(struct keystore_job *job, const char *error)
{
	supervisor_record(job->supervisor, EVENT_LOG_AUDIT, "warning", "keystore %s: %s",
		job->protect ? "not protected anew" : "not unlocked", error);
	job_answer(job, json_pack("{s:b, s:s}", "ok", 0, "error", error));
}

static void job_done(struct keystore_job *job)
{
	struct supervisor *supervisor = job->supervisor;

	if (job->protect && store_publish_device_key(&supervisor->store) < 0) {
		job_fail(job, "the state directory cannot be written");
		return;
	}
	pipe_close(supervisor->keystore.pipe_fds);
	memcpy(supervisor->keystore.pipe_fds, job->pipe_fds, sizeof(job->pipe_fds));
	job->pipe_fds[0] = job->pipe_fds[1] = -1;
	supervisor_record(supervisor, EVENT_LOG_AUDIT, "notice", "keystore %s",
		!job->protect     ? "unlocked"
		: job->passphrase ? "protected with a passphrase"
				  : "protected with a file only");
	keeper_give_device_key(supervisor);
	job_answer(job, keystore_report(supervisor));
}

static void job_on_message(struct child *child, const char *name, json_t *message, int *fds, size_t n_fds)
{
	struct keystore_job *job = container_of(child, struct keystore_job, child);

	(void)fds;
	(void)n_fds;
	if (job->answered)
		return;
	if (!strcmp(name, "keystore_done"))
		job_done(job);
	else if (!strcmp(name, "keystore_error"))
		job_fail(job, json_string_value(json_object_get(message, "error")) ?: "no reason given");
}

static void job_on_exit(struct child *child, const char *how)
{
	struct keystore_job *job = container_of(child, struct keystore_job, child);

	(void)how;
	if (!job->answered)
		job_fail(job, "its program has ended unexpectedly");
	job->supervisor->keystore.job = NULL;
	pipe_close(job->pipe_fds);
	free(job);
}

/* device key; with protect: the new file; with a passphrase: it, and the pipe that the key is left in */
static int job_start(struct keystore_job *job, const int *fds)
{
	struct supervisor *supervisor = job->supervisor;
	_cleanup_close_ int device_key = keystore_device_key(supervisor), file = -1;
	int all[4], r;
	size_t n = 0;
	uid_t uid;
	gid_t gid;

	if (device_key < 0)
		return device_key;
	all[n++] = device_key;
	if (job->protect) {
		role_ids(ROLE_KEYSTORE, &uid, &gid);
		file = store_open_new_device_key(&supervisor->store, uid, gid);
		if (file < 0)
			return file;
		all[n++] = file;
	}
	if (job->passphrase) {
		if (pipe2(job->pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0)
			return -errno;
		all[n++] = fds[0];
		all[n++] = job->pipe_fds[1];
	}
	r = child_spawn(
		&job->child, supervisor->loop, ROLE_KEYSTORE, supervisor->bin_dir, -1, job_on_message, job_on_exit);
	if (r < 0)
		return r;
	return child_send(&job->child, job->protect ? "protect" : "unlock",
		json_pack("{s:b}", "passphrase", job->passphrase), all, n);
}

static void job_begin(struct supervisor *supervisor, bool protect, const int *fds, size_t n_fds, const char *refusal,
	commit_done_fn *done, void *owner)
{
	struct keystore_job *job = NULL;

	if (supervisor->keystore.job && supervisor->keystore.job->answered)
		keystore_end_job(supervisor); /* its program is about to end */
	if (!refusal && supervisor->keystore.job)
		refusal = "the keystore is being unlocked or protected already: try again";
	if (!refusal)
		job = calloc(1, sizeof(*job));
	if (!job) {
		done(owner, json_pack("{s:b, s:s}", "ok", 0, "error", refusal ? refusal : "out of memory"));
		return;
	}
	*job = (struct keystore_job){.supervisor = supervisor,
		.done = done,
		.owner = owner,
		.protect = protect,
		.passphrase = n_fds == 1,
		.pipe_fds = {-1, -1}};
	supervisor->keystore.job = job;
	if (job_start(job, fds) >= 0 || child_running(&job->child))
		return; /* answered by its message or its end */
	job_fail(job, "the program for it cannot be started");
	supervisor->keystore.job = NULL;
	pipe_close(job->pipe_fds);
	free(job);
}

void keystore_unlock(struct supervisor *supervisor, const json_t *request, const int *fds, size_t n_fds,
	commit_done_fn *done, void *owner)
{
	const char *refusal = NULL;

	if (n_fds != 1)
		refusal = "malformed request: the passphrase as a descriptor";
	else if (!under_passphrase(supervisor))
		refusal = "the keystore has no passphrase: see \"sluice keystore show\"";
	else if (!keystore_is_locked(supervisor))
		refusal = "the keystore is unlocked already";
	job_begin(supervisor, false, fds, n_fds, refusal, done, owner);
}

void keystore_protect(struct supervisor *supervisor, const json_t *request, const int *fds, size_t n_fds,
	commit_done_fn *done, void *owner)
{
	const char *refusal = NULL;

	if (n_fds > 1)
		refusal = "malformed request: at most the passphrase as a descriptor";
	else if (keystore_is_locked(supervisor))
		refusal = "the keystore is locked: sluice keystore unlock";
	job_begin(supervisor, true, fds, n_fds, refusal, done, owner);
}

void keystore_forget_owner(struct supervisor *supervisor, const void *owner)
{
	if (supervisor->keystore.job && supervisor->keystore.job->owner == owner)
		supervisor->keystore.job->done = NULL;
}

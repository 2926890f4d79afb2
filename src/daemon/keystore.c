/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/keystore.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/system.h"
#include "daemon/keeper.h"
#include "daemon/rekey.h"

#define DEVICE_KEY_SIZE 32 /* keys/device_key.h */
#define TPM_DEVICE "/dev/tpmrm0"
#define JOB_NS (60 * NSEC_PER_SEC)
#define RETRY_MAX_S 60u
#define PROTECT_FDS_MAX 4
#define PCRS 24

/* the first bytes of device.key say which (keys/device_key.h, keys/tpm.h) */
static const struct {
	const char *name, *magic, *told;
} protections[KEYSTORE_PROTECTIONS] = {
	[KEYSTORE_FILE] = {"file", NULL, "protected with a file only"},
	[KEYSTORE_PASSPHRASE] = {"passphrase", "SLDK", "protected with a passphrase"},
	[KEYSTORE_TPM] = {"tpm", "SLTP", "protected by the TPM"},
};

struct keystore_job {
	struct child child;
	struct supervisor *supervisor;
	struct loop_timer patience;
	commit_done_fn *done;
	void *owner;
	enum keystore_protection protection;
	uint32_t pcrs;
	struct rekey *rekey; /* NULL: it only unlocks */
	bool resealing, answered;
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

static void job_free(struct keystore_job *job)
{
	job->supervisor->keystore.job = NULL;
	loop_timer_disarm(job->supervisor->loop, &job->patience);
	child_end(&job->child);
	rekey_free(&job->rekey);
	pipe_close(job->pipe_fds);
	free(job);
}

void keystore_free(struct supervisor *supervisor)
{
	if (supervisor->keystore.job)
		job_free(supervisor->keystore.job);
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

/* --- what there is -------------------------------------------------------------------------------------------------
 */

/* *pcrs: those that a TPM looks at */
static enum keystore_protection keystore_protection(const struct supervisor *supervisor, uint32_t *pcrs)
{
	_cleanup_close_ int fd = openat(supervisor->store.dir_fd, "device.key", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint8_t head[12];
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size <= DEVICE_KEY_SIZE ||
		pread(fd, head, sizeof(head), 0) != sizeof(head))
		return KEYSTORE_FILE;
	if (pcrs)
		*pcrs = (uint32_t)head[8] << 24 | head[9] << 16 | head[10] << 8 | head[11];
	for (unsigned int i = 0; i < KEYSTORE_PROTECTIONS; i++)
		if (protections[i].magic && !memcmp(head, protections[i].magic, 4))
			return (enum keystore_protection)i;
	return KEYSTORE_FILE;
}

bool keystore_is_locked(const struct supervisor *supervisor)
{
	return supervisor->keystore.pipe_fds[0] < 0 && keystore_protection(supervisor, NULL) != KEYSTORE_FILE;
}

void keystore_lock_text(const struct supervisor *supervisor, char *text, size_t size)
{
	const char *problem = supervisor->keystore.problem;

	snprintf(text, size, "keystore locked%s%s", *problem ? ": " : "", problem);
}

const char *keystore_busy(const struct supervisor *supervisor)
{
	const struct keystore_job *job = supervisor->keystore.job;

	return job && job->rekey ? "the keystore is being given another device key: try again when that has ended"
				 : NULL;
}

static json_t *pcrs_report(uint32_t pcrs)
{
	json_t *array = json_array();

	for (int i = 0; i < PCRS; i++)
		if (pcrs & 1u << i)
			json_array_append_new(array, json_integer(i));
	return array;
}

json_t *keystore_report(struct supervisor *supervisor)
{
	uint32_t pcrs = 0;
	enum keystore_protection protection = keystore_protection(supervisor, &pcrs);
	json_t *report = json_pack("{s:b, s:s, s:s}", "ok", 1, "protection", protections[protection].name, "state",
		keystore_is_locked(supervisor) ? "locked" : "unlocked");

	if (protection == KEYSTORE_TPM)
		json_object_set_new(report, "pcrs", pcrs_report(pcrs));
	if (keystore_is_locked(supervisor) && *supervisor->keystore.problem)
		json_object_set_new(report, "problem", json_string(supervisor->keystore.problem));
	return report;
}

/* --- unlocking and protecting: one at a time, by a one-shot ----------------------------------------------------------
 */

static void job_answer(struct keystore_job *job, json_t *answer)
{
	job->answered = true;
	loop_timer_disarm(job->supervisor->loop, &job->patience);
	child_kill(&job->child, SIGKILL);
	if (job->done)
		job->done(job->owner, answer);
	else
		json_decref(answer);
}

/* a TPM that does not open it is asked again: it may come back, or have its PCRs as before after another start */
static void job_note_problem(struct keystore_job *job, const char *error)
{
	struct supervisor *supervisor = job->supervisor;
	unsigned int delay = MIN(1u << MIN(supervisor->keystore.failures, 6u), RETRY_MAX_S);
	bool new = strncmp(supervisor->keystore.problem, error, sizeof(supervisor->keystore.problem) - 1) != 0;

	supervisor->keystore.failures++;
	supervisor->keystore.retry_ns = clock_now_ns() + delay * NSEC_PER_SEC;
	if (!new)
		return;
	snprintf(supervisor->keystore.problem, sizeof(supervisor->keystore.problem), "%s", error);
	supervisor_record(supervisor, EVENT_LOG_SYSTEM, "error",
		"the keystore is locked: %s; no stored private key can be used, and it is tried again", error);
	keeper_load_keys(supervisor);
}

static void job_fail(struct keystore_job *job, const char *error)
{
	struct supervisor *supervisor = job->supervisor;

	if (job->rekey || job->owner)
		supervisor_record(supervisor, EVENT_LOG_AUDIT, "warning", "keystore %s: %s",
			job->rekey ? "not protected anew" : "not unlocked", error);
	if (!job->rekey && job->protection == KEYSTORE_TPM)
		job_note_problem(job, error);
	rekey_free(&job->rekey);
	job_answer(job, json_pack("{s:b, s:s}", "ok", 0, "error", error));
}

/* the device key that is in the job's pipe, or in the file, is the one from now on */
static void job_done(struct keystore_job *job)
{
	struct supervisor *supervisor = job->supervisor;
	json_t *answer;

	pipe_close(supervisor->keystore.pipe_fds);
	memcpy(supervisor->keystore.pipe_fds, job->pipe_fds, sizeof(job->pipe_fds));
	job->pipe_fds[0] = job->pipe_fds[1] = -1;
	supervisor->keystore.failures = 0;
	supervisor->keystore.problem[0] = '\0';
	if (job->rekey)
		supervisor_record(supervisor, EVENT_LOG_AUDIT, "notice",
			"keystore %s, with another device key; %u keys are sealed anew",
			protections[job->protection].told, rekey_count(job->rekey));
	else
		supervisor_record(supervisor, EVENT_LOG_AUDIT, "notice", "keystore unlocked%s",
			job->protection == KEYSTORE_TPM ? " by the TPM" : "");
	keeper_give_device_key(supervisor);
	answer = keystore_report(supervisor);
	if (job->rekey)
		json_object_set_new(answer, "keys_resealed", json_integer(rekey_count(job->rekey)));
	job_answer(job, answer);
}

static void job_publish(struct keystore_job *job)
{
	struct supervisor *supervisor = job->supervisor;

	if (rekey_publish(job->rekey) < 0) {
		job_fail(job, "the state directory cannot be written");
		return;
	}
	supervisor->keystore.epoch++;
	job_done(job);
	rekey_free(&job->rekey);
}

/* the next key to the one-shot, or the end */
static void job_next(struct keystore_job *job)
{
	_cleanup_close_ int fd = -1;
	json_t *message = rekey_next(job->rekey, &fd);

	job->resealing = true;
	if (message)
		child_send(&job->child, "reseal", message, &fd, 1);
	else
		job_publish(job);
}

static void job_fail_key(struct keystore_job *job, const char *error)
{
	char text[300];

	snprintf(text, sizeof(text), "%s: %.180s; nothing is changed", rekey_current(job->rekey), error);
	job_fail(job, text);
}

static void job_on_message(struct child *child, const char *name, json_t *message, int *fds, size_t n_fds)
{
	struct keystore_job *job = container_of(child, struct keystore_job, child);
	const char *error = json_string_value(json_object_get(message, "error")) ?: "no reason given";

	if (job->answered)
		return;
	if (!strcmp(name, "keystore_done") && !job->rekey)
		job_done(job);
	else if (!strcmp(name, "keystore_ready") && job->rekey && fault_at(FAULT_DEVICE_KEY_NEW) < 0)
		job_fail(job, "the state directory cannot be written");
	else if (!strcmp(name, "keystore_ready") && job->rekey)
		job_next(job);
	else if (!strcmp(name, "resealed") && job->rekey && n_fds == 1 && rekey_take(job->rekey, fds[0]) < 0)
		job_fail_key(job, "its key cannot be kept");
	else if (!strcmp(name, "resealed") && job->rekey && n_fds == 1)
		job_next(job);
	else if (!strcmp(name, "keystore_error") && job->resealing)
		job_fail_key(job, error);
	else if (!strcmp(name, "keystore_error"))
		job_fail(job, error);
}

static void job_on_exit(struct child *child, const char *how)
{
	struct keystore_job *job = container_of(child, struct keystore_job, child);

	(void)how;
	if (!job->answered)
		job_fail(job, "its program has ended unexpectedly");
	job_free(job);
}

static void job_on_patience(struct loop_timer *timer)
{
	struct keystore_job *job = container_of(timer, struct keystore_job, patience);

	child_end(&job->child);
	if (!job->answered)
		job_fail(job, "its program does not come to an end");
	job_free(job);
}

/* a socket as a device is: calls wait for the answer */
static int tpm_connect(const char *path)
{
	_cleanup_close_ int fd = system_connect(path);

	if (fd >= 0 && fcntl(fd, F_SETFL, 0) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int tpm_open(const struct supervisor *supervisor, char *error, size_t size)
{
	const struct config *config = supervisor->policy ? supervisor->policy->config : NULL;
	const char *path = config && config->tpm_device ? config->tpm_device : TPM_DEVICE;
	struct stat st;
	int fd;

	if (stat(path, &st) < 0)
		fd = -errno;
	else if (S_ISSOCK(st.st_mode))
		fd = tpm_connect(path);
	else if (!S_ISCHR(st.st_mode))
		fd = -ENODEV;
	else if ((fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY)) < 0)
		fd = -errno;
	if (fd == -ENOENT)
		snprintf(error, size, "there is no TPM at %.100s", path);
	else if (fd < 0)
		snprintf(error, size, "the TPM at %.100s cannot be used: %s", path, strerror(-fd));
	return fd;
}

/* Device key; to protect: the new file; where it is more than a file: what opens it, and the pipe that the key is left
 * in. */
static int job_start(struct keystore_job *job, const int *fds, char *error, size_t size)
{
	struct supervisor *supervisor = job->supervisor;
	_cleanup_close_ int device_key = keystore_device_key(supervisor), file = -1, tpm = -1;
	int all[PROTECT_FDS_MAX], r;
	size_t n = 0;
	uid_t uid;
	gid_t gid;

	if (device_key < 0)
		return device_key;
	all[n++] = device_key;
	if (job->rekey) {
		role_ids(ROLE_KEYSTORE, &uid, &gid);
		file = store_open_new_device_key(&supervisor->store, uid, gid);
		if (file < 0)
			return file;
		all[n++] = file;
	}
	if (job->protection == KEYSTORE_TPM && (tpm = tpm_open(supervisor, error, size)) < 0)
		return tpm;
	if (job->protection != KEYSTORE_FILE) {
		if (pipe2(job->pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0)
			return -errno;
		all[n++] = job->protection == KEYSTORE_TPM ? tpm : fds[0];
		all[n++] = job->pipe_fds[1];
	}
	r = child_spawn(
		&job->child, supervisor->loop, ROLE_KEYSTORE, supervisor->bin_dir, -1, job_on_message, job_on_exit);
	if (r < 0)
		return r;
	loop_timer_arm(supervisor->loop, &job->patience, JOB_NS, job_on_patience);
	return child_send(&job->child, job->rekey ? "protect" : "unlock",
		json_pack("{s:s, s:I}", "protection", protections[job->protection].name, "pcrs", (json_int_t)job->pcrs),
		all, n);
}

/* what an operator asks for, and what is wrong with it */
struct keystore_request {
	bool protect;
	enum keystore_protection protection;
	uint32_t pcrs;
	const int *fds; /* the passphrase */
	const char *refusal;
	commit_done_fn *done;
	void *owner;
};

static void job_begin(struct supervisor *supervisor, const struct keystore_request *request)
{
	const char *refusal = request->refusal;
	char error[200] = "its program cannot be started";
	struct keystore_job *job = NULL;

	if (supervisor->keystore.job && supervisor->keystore.job->answered)
		job_free(supervisor->keystore.job); /* its program is about to end */
	if (!refusal && supervisor->keystore.job)
		refusal = "the keystore is being unlocked or protected already: try again";
	if (!refusal)
		job = calloc(1, sizeof(*job));
	if (!job) {
		if (request->done)
			request->done(request->owner,
				json_pack("{s:b, s:s}", "ok", 0, "error", refusal ? refusal : "out of memory"));
		return;
	}
	*job = (struct keystore_job){.supervisor = supervisor,
		.done = request->done,
		.owner = request->owner,
		.protection = request->protection,
		.pcrs = request->pcrs,
		.rekey = request->protect ? rekey_new(supervisor) : NULL,
		.pipe_fds = {-1, -1}};
	supervisor->keystore.job = job;
	if (job_start(job, request->fds, error, sizeof(error)) >= 0 || child_running(&job->child))
		return; /* answered by its message or its end */
	job_fail(job, error);
	job_free(job);
}

void keystore_unlock(struct supervisor *supervisor, const json_t *json, const int *fds, size_t n_fds,
	commit_done_fn *done, void *owner)
{
	struct keystore_request request = {
		.protection = keystore_protection(supervisor, NULL), .fds = fds, .done = done, .owner = owner};

	if (request.protection == KEYSTORE_FILE)
		request.refusal = "the keystore has no passphrase and no TPM: see \"sluice keystore show\"";
	else if (!keystore_is_locked(supervisor))
		request.refusal = "the keystore is unlocked already";
	else if (request.protection == KEYSTORE_PASSPHRASE && n_fds != 1)
		request.refusal = "malformed request: the passphrase as a descriptor";
	job_begin(supervisor, &request);
}

/* "0,2,7"; false: not that */
static bool parse_pcrs(const char *text, uint32_t *pcrs)
{
	do {
		char *end;
		unsigned long n = isdigit((unsigned char)*text) ? strtoul(text, &end, 10) : PCRS;

		if (n >= PCRS || (*end && *end != ','))
			return false;
		*pcrs |= 1u << n;
		text = *end ? end + 1 : NULL;
	} while (text);
	return true;
}

static const char *protect_read(
	const struct supervisor *supervisor, const json_t *json, size_t n_fds, struct keystore_request *request)
{
	const char *pcrs = json_string_value(json_object_get(json, "pcrs"));

	if (json_is_true(json_object_get(json, "same")))
		request->protection = keystore_protection(supervisor, &request->pcrs);
	else if (json_is_true(json_object_get(json, "tpm")))
		request->protection = KEYSTORE_TPM;
	else
		request->protection = n_fds ? KEYSTORE_PASSPHRASE : KEYSTORE_FILE;
	if (n_fds != (request->protection == KEYSTORE_PASSPHRASE ? 1u : 0u))
		return "malformed request: the passphrase as a descriptor, where one is needed";
	if (pcrs && !parse_pcrs(pcrs, &request->pcrs))
		return "PCRs are numbers from 0 to 23 with commas between them, as 0,2,4,7";
	return NULL;
}

void keystore_protect(struct supervisor *supervisor, const json_t *json, const int *fds, size_t n_fds,
	commit_done_fn *done, void *owner)
{
	struct keystore_request request = {.protect = true, .fds = fds, .done = done, .owner = owner};

	request.refusal = protect_read(supervisor, json, n_fds, &request);
	if (!request.refusal && keystore_is_locked(supervisor))
		request.refusal = "the keystore is locked: sluice keystore unlock";
	if (!request.refusal && (supervisor->commit || supervisor->replace))
		request.refusal = "a commit or a replacement is in progress: try again when it has ended";
	/* a key whose facts cannot be read would be left under the old device key, and lost */
	if (!request.refusal && store_each_key(&supervisor->store, NULL, NULL) < 0)
		request.refusal =
			"a file of certificates/ or log_credentials/ in the state directory is damaged: import "
			"that one again first";
	job_begin(supervisor, &request);
}

void keystore_tick(struct supervisor *supervisor)
{
	/* the configuration says where the TPM is */
	if (!supervisor->policy || supervisor->keystore.job || clock_now_ns() < supervisor->keystore.retry_ns ||
		!keystore_is_locked(supervisor) || keystore_protection(supervisor, NULL) != KEYSTORE_TPM)
		return;
	job_begin(supervisor, &(struct keystore_request){.protection = KEYSTORE_TPM});
}

void keystore_forget_owner(struct supervisor *supervisor, const void *owner)
{
	if (supervisor->keystore.job && supervisor->keystore.job->owner == owner)
		supervisor->keystore.job->done = NULL;
}

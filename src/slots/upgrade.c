/* SPDX-License-Identifier: Apache-2.0 */
/* An upgrade into the slot that does not run, and the way back to it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/common.h"
#include "base/system.h"
#include "slots/slots.h"

#define NOTE_PENDING "/var/lib/sluice/upgrade.json"
#define NOTE_LAST "/var/lib/sluice/upgrade-last.json"
#define NOTE_MAX 65536

/* --- the notes on the data partition ---------------------------------------------------------------------------------
 */

static json_t *note_load(const char *path)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	json_t *note;

	if (access(system_path(path), F_OK) < 0 || system_read_file(path, NOTE_MAX, &text, &len) < 0)
		return NULL;
	note = json_loads(text, 0, NULL);
	if (json_is_object(note))
		return note;
	json_decref(note);
	return NULL;
}

static int note_save(const char *path, const json_t *note)
{
	_cleanup_free_ char *text = json_dumps(note, JSON_INDENT(2));

	return text ? system_write_file(path, 0600, text, strlen(text)) : -ENOMEM;
}

json_t *slots_load_pending(void)
{
	return note_load(NOTE_PENDING);
}

json_t *slots_load_last(void)
{
	return note_load(NOTE_LAST);
}

int slots_save_pending(const json_t *pending)
{
	return note_save(NOTE_PENDING, pending);
}

int slots_end_pending(const char *state, const char *reason)
{
	json_auto_t *note = slots_load_pending();
	int r;

	if (!note)
		return 0;
	json_object_set_new(note, "state", json_string(state));
	json_object_set_new(note, "ended", json_integer(time(NULL)));
	if (reason)
		json_object_set_new(note, "reason", json_string(reason));
	json_object_del(note, "before");
	r = note_save(NOTE_LAST, note);
	if (r >= 0 && unlink(system_path(NOTE_PENDING)) < 0)
		r = -errno;
	return r;
}

/* --- steps -----------------------------------------------------------------------------------------------------------
 */

struct upgrade {
	const char *instance;
	const json_t *before;
	slots_progress *progress;
	void *owner;
	char *error;
	struct slots slots;
	char version[64]; /* what the other slot holds, or shall */
};

static void upgrade_step(struct upgrade *upgrade, const char *step, int percent)
{
	if (upgrade->progress)
		upgrade->progress(upgrade->owner, step, percent);
}

/* RAUC's lines of progress: " 40% Copying image to rootfs.1" */
static void upgrade_on_line(void *owner, const char *line)
{
	int percent, at = 0;

	if (sscanf(line, " %d%% %n", &percent, &at) == 1 && at && percent >= 0 && percent <= 100)
		upgrade_step(owner, line + at, percent);
}

static int upgrade_rauc(struct upgrade *upgrade, const char *const *argv, const char *what)
{
	char last[256];
	int r = slots_run(argv, upgrade_on_line, upgrade, last);

	if (r == 0)
		return 0;
	snprintf(upgrade->error, SLOTS_ERROR_MAX, "%s: %s", what, r < 0 ? strerror(-r) : last);
	return -EIO;
}

/* the file's signature and contents are RAUC's to judge; the version is in it */
static int upgrade_look(struct upgrade *upgrade, const char *file)
{
	const char *const command[] = {"rauc", "info", "--output-format=json", file, NULL};
	const char *const words[] = {"rauc", "info", file, NULL};
	_cleanup_free_ char *text = NULL;
	json_auto_t *info = NULL;
	const char *version;
	size_t len;

	if (access(file, R_OK) < 0) {
		snprintf(upgrade->error, SLOTS_ERROR_MAX, "%s cannot be read: %s", file, strerror(errno));
		return -ENOENT;
	}
	if (system_output(command, NOTE_MAX, &text, &len) < 0) {
		int r = upgrade_rauc(upgrade, words, "this file is no update for this appliance");

		return r < 0 ? r : -EIO;
	}
	info = json_loads(text, 0, NULL);
	version = json_string_value(json_object_get(info, "version"));
	if (!version) {
		snprintf(upgrade->error, SLOTS_ERROR_MAX, "%s does not say which version it is", file);
		return -EINVAL;
	}
	snprintf(upgrade->version, sizeof(upgrade->version), "%s", version);
	return 0;
}

static int upgrade_begin(struct upgrade *upgrade)
{
	json_auto_t *pending = NULL;
	int r = slots_read(&upgrade->slots, upgrade->error);

	if (r < 0)
		return r;
	pending = slots_load_pending();
	if (!pending)
		return 0;
	snprintf(upgrade->error, SLOTS_ERROR_MAX,
		"version %s waits for its first boot: reboot, or take it back with `sluice system rollback`",
		json_string_value(json_object_get(pending, "to")) ?: "?");
	return -EBUSY;
}

/* the last step: the other slot boots next, and the first boot knows what to hold it against */
static int upgrade_arm(struct upgrade *upgrade, const char *kind, json_t **answer)
{
	static const char *const command[] = {"rauc", "status", "mark-active", "other", NULL};
	const struct slot *booted = upgrade->slots.booted, *other = upgrade->slots.other;
	json_auto_t *pending = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I}", "kind", kind, "from",
		booted->version[0] ? booted->version : SLUICE_VERSION, "to", upgrade->version, "from_slot",
		booted->name, "slot", other->name, "began", (json_int_t)time(NULL));
	int r;

	if (upgrade->before)
		json_object_set(pending, "before", (json_t *)upgrade->before);
	r = slots_save_pending(pending);
	if (r < 0) {
		snprintf(upgrade->error, SLOTS_ERROR_MAX, "the data partition cannot be written: %s", strerror(-r));
		return r;
	}
	r = upgrade_rauc(upgrade, command, "the boot loader's choice cannot be written");
	if (r < 0) {
		slots_end_pending("withdrawn", upgrade->error);
		return r;
	}
	json_object_del(pending, "before");
	json_object_set_new(pending, "ok", json_true());
	*answer = json_incref(pending);
	return 0;
}

int slots_upgrade(const char *file, const char *instance, const json_t *before, slots_progress *progress, void *owner,
	json_t **answer, char error[SLOTS_ERROR_MAX])
{
	const char *const install[] = {"rauc", "install", "--progress", file, NULL};
	struct upgrade upgrade = {
		.instance = instance, .before = before, .progress = progress, .owner = owner, .error = error};
	int r = upgrade_begin(&upgrade);

	if (r >= 0) {
		upgrade_step(&upgrade, "verifying the file", -1);
		r = upgrade_look(&upgrade, file);
	}
	if (r >= 0)
		r = upgrade_rauc(&upgrade, install, "the update cannot be installed");
	if (r >= 0)
		r = slots_read(&upgrade.slots, error);
	if (r >= 0) {
		upgrade_step(&upgrade, "asking the new version about the configuration in force", -1);
		r = slots_try_configuration(upgrade.slots.other, instance, error);
	}
	return r < 0 ? r : upgrade_arm(&upgrade, "upgrade", answer);
}

/* an upgrade that has not been booted: the slot that runs boots next again */
static int rollback_withdraw(struct upgrade *upgrade, json_t *pending, json_t **answer)
{
	static const char *const command[] = {"rauc", "status", "mark-active", "booted", NULL};
	int r = upgrade_rauc(upgrade, command, "the boot loader's choice cannot be written");

	if (r >= 0)
		r = slots_end_pending("withdrawn", NULL);
	if (r < 0)
		return r;
	*answer = json_pack("{s:b, s:s, s:O, s:O}", "ok", 1, "kind", "withdrawn", "from",
		json_object_get(pending, "to"), "to", json_object_get(pending, "from"));
	return 0;
}

int slots_rollback(const char *instance, const json_t *before, slots_progress *progress, void *owner, json_t **answer,
	char error[SLOTS_ERROR_MAX])
{
	struct upgrade upgrade = {
		.instance = instance, .before = before, .progress = progress, .owner = owner, .error = error};
	json_auto_t *pending = NULL;
	int r = slots_read(&upgrade.slots, error);

	if (r < 0)
		return r;
	pending = slots_load_pending();
	if (pending && !strcmp(json_string_value(json_object_get(pending, "slot")) ?: "", upgrade.slots.other->name))
		return rollback_withdraw(&upgrade, pending, answer);
	if (!upgrade.slots.other->good) {
		snprintf(error, SLOTS_ERROR_MAX,
			"slot %s holds no version that could be booted: nothing was installed there, or it did not "
			"come up",
			upgrade.slots.other->name);
		return -ENOENT;
	}
	snprintf(upgrade.version, sizeof(upgrade.version), "%s",
		upgrade.slots.other->version[0] ? upgrade.slots.other->version : "of the image");
	upgrade_step(&upgrade, "asking that version about the configuration in force", -1);
	r = slots_try_configuration(upgrade.slots.other, instance, error);
	return r < 0 ? r : upgrade_arm(&upgrade, "rollback", answer);
}

int slots_reboot(void)
{
	static const char *const command[] = {"systemctl", "reboot", NULL};

	return system_run(command);
}

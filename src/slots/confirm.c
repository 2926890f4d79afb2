/* SPDX-License-Identifier: Apache-2.0 */
/* The health check after a boot (J5): a new version stays only where the appliance is as well as it was before. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/log.h"
#include "base/system.h"
#include "slots/slots.h"

#define STATUS_MAX (16u << 20)

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)) ?: "";
}

const char *slots_judge(const json_t *before, const json_t *status)
{
	const json_t *segment;
	size_t i;

	if (!json_is_true(json_object_get(status, "ok")))
		return "the supervisor does not answer";
	if (!before)
		return NULL;
	if (json_integer_value(json_object_get(before, "config_version")) &&
		!json_integer_value(json_object_get(status, "config_version")))
		return "no configuration is in force";
	if (json_object_get(status, "configuration_problem") && !json_object_get(before, "configuration_problem"))
		return "the newest configuration cannot be put in force";
	if (!strcmp(text_of(before, "inspection"), "on") && strcmp(text_of(status, "inspection"), "on") != 0)
		return "SSL inspection does not work";
	json_array_foreach(json_object_get(status, "segments"), i, segment)
	{
		if (!strcmp(text_of(segment, "link_a"), "missing") || !strcmp(text_of(segment, "link_b"), "missing"))
			return "a port is missing";
	}
	return NULL;
}

static json_t *confirm_ask(const char *instance)
{
	const char *const command[] = {"sluice", "--instance", instance, "show", "status", "--json", NULL};
	_cleanup_free_ char *text = NULL;
	size_t len;

	return system_output(command, STATUS_MAX, &text, &len) < 0 ? NULL : json_loads(text, 0, NULL);
}

/* NULL, or what was wrong to the end */
static const char *confirm_wait(const char *instance, unsigned int wait_s, const json_t *before)
{
	uint64_t deadline = clock_now_ns() + wait_s * NSEC_PER_SEC;
	const char *wrong;

	for (;;) {
		json_auto_t *status = confirm_ask(instance);

		wrong = slots_judge(before, status);
		if (!wrong || clock_now_ns() > deadline)
			return wrong;
		sleep(2);
	}
}

static int confirm_rauc(const char *verb, const char *which, char error[SLOTS_ERROR_MAX])
{
	const char *const command[] = {"rauc", "status", verb, which, NULL};
	char last[256];
	int r = slots_run(command, NULL, NULL, last);

	if (r == 0)
		return 0;
	snprintf(error, SLOTS_ERROR_MAX, "rauc status %s %s: %s", verb, which, r < 0 ? strerror(-r) : last);
	return -EIO;
}

static int confirm_end(const char *state, const char *reason, json_t **ended)
{
	int r = slots_end_pending(state, reason);

	*ended = slots_load_last();
	return r;
}

/* back to the slot that was good; this version's note says why */
static int confirm_give_up(json_t *pending, const char *wrong, char error[SLOTS_ERROR_MAX])
{
	int r;

	json_object_set_new(pending, "reason", json_string(wrong));
	slots_save_pending(pending);
	r = confirm_rauc("mark-bad", "booted", error);
	if (r >= 0)
		r = confirm_rauc("mark-active", "other", error);
	if (r < 0)
		return r;
	snprintf(error, SLOTS_ERROR_MAX, "version %s: %s: the machine boots version %s again", text_of(pending, "to"),
		wrong, text_of(pending, "from"));
	slots_reboot();
	return -ECANCELED;
}

/* the boot loader or the check above came back to the old version */
static int confirm_failed(const json_t *pending, json_t **ended, char error[SLOTS_ERROR_MAX])
{
	const char *reason = text_of(pending, "reason");
	int r = confirm_rauc("mark-bad", "other", error);

	if (r >= 0)
		r = confirm_rauc("mark-active", "booted", error);
	if (r >= 0)
		r = confirm_end("failed", reason[0] ? reason : "it did not start", ended);
	return r;
}

int slots_confirm(const char *instance, unsigned int wait_s, json_t **ended, char error[SLOTS_ERROR_MAX])
{
	json_auto_t *pending = NULL;
	const char *wrong = NULL;
	struct slots slots;
	int r = slots_read(&slots, error);

	*ended = NULL;
	if (r < 0)
		return r;
	pending = slots_load_pending();
	if (pending && strcmp(text_of(pending, "slot"), slots.booted->name) != 0)
		r = confirm_failed(pending, ended, error);
	else if (pending)
		wrong = confirm_wait(instance, wait_s, json_object_get(pending, "before"));
	if (wrong)
		return confirm_give_up(pending, wrong, error);
	if (r >= 0)
		r = confirm_rauc("mark-good", "booted", error);
	if (r >= 0 && pending && !*ended)
		r = confirm_end("confirmed", NULL, ended);
	return r;
}

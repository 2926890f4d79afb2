/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/agent.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/common.h"

#define AGENT_PATIENCE 20 /* seconds for one answer */

/* the "return" of a command, a new reference */
static int agent_ask(struct hypervisor *hv, const char *domain, json_t *command, json_t **out)
{
	_cleanup_free_ char *text = json_dumps(command, JSON_COMPACT), *reply = NULL;
	json_auto_t *answer = NULL;
	int r;

	json_decref(command);
	r = text ? hv->ops->agent(hv, domain, text, AGENT_PATIENCE, &reply) : -ENOMEM;
	if (r < 0)
		return r;
	answer = json_loads(reply, 0, NULL);
	*out = json_incref(json_object_get(answer, "return"));
	return *out ? 0 : -EPROTO;
}

int agent_ping(struct hypervisor *hv, const char *domain)
{
	json_auto_t *answer = NULL;

	return agent_ask(hv, domain, json_pack("{s:s}", "execute", "guest-ping"), &answer);
}

static int agent_start(struct hypervisor *hv, const char *domain, const char *const *argv, json_int_t *pid)
{
	json_auto_t *answer = NULL;
	json_t *arguments = json_array();
	int r;

	for (size_t i = 1; argv[i]; i++)
		json_array_append_new(arguments, json_string(argv[i]));
	r = agent_ask(hv, domain,
		json_pack("{s:s, s:{s:s, s:o, s:b}}", "execute", "guest-exec", "arguments", "path", argv[0], "arg",
			arguments, "capture-output", 1),
		&answer);
	*pid = json_integer_value(json_object_get(answer, "pid"));
	return r;
}

/* standard output, then standard error */
static char *agent_output(const json_t *answer)
{
	static const char *const keys[] = {"out-data", "err-data"};
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	for (size_t i = 0; out && i < ARRAY_SIZE(keys); i++) {
		const char *data = json_string_value(json_object_get(answer, keys[i]));
		_cleanup_free_ uint8_t *bytes = NULL;
		size_t n;

		if (data && strlen(data) <= AGENT_OUTPUT_MAX * 2 && base64_decode(data, strlen(data), &bytes, &n) >= 0)
			fwrite(bytes, 1, n, out);
	}
	if (out)
		fclose(out);
	return text;
}

int agent_run(struct hypervisor *hv, const char *domain, const char *const *argv, unsigned int seconds, char **out)
{
	const struct timespec pause = {.tv_nsec = 300000000};
	uint64_t until = clock_now_ns() + (uint64_t)seconds * 1000000000;
	json_int_t pid;
	int r = agent_start(hv, domain, argv, &pid);

	while (r >= 0) {
		json_auto_t *answer = NULL;

		r = agent_ask(hv, domain,
			json_pack("{s:s, s:{s:I}}", "execute", "guest-exec-status", "arguments", "pid", pid), &answer);
		if (r >= 0 && json_is_true(json_object_get(answer, "exited"))) {
			if (out)
				*out = agent_output(answer);
			/* ended by a signal: no exit code */
			return json_object_get(answer, "exitcode")
				       ? (int)json_integer_value(json_object_get(answer, "exitcode"))
				       : 128;
		}
		if (clock_now_ns() > until)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
	return r;
}

json_t *agent_addresses(struct hypervisor *hv, const char *domain)
{
	json_auto_t *answer = NULL;
	json_t *found = json_array(), *interface, *address;
	size_t i, a;

	if (agent_ask(hv, domain, json_pack("{s:s}", "execute", "guest-network-get-interfaces"), &answer) < 0) {
		json_decref(found);
		return NULL;
	}
	json_array_foreach(answer, i, interface)
	{
		const char *name = json_string_value(json_object_get(interface, "name"));

		if (!name || strcmp(name, "lo") == 0)
			continue;
		json_array_foreach(json_object_get(interface, "ip-addresses"), a, address) json_array_append_new(found,
			json_pack("{s:s, s:O, s:O}", "name", name, "address", json_object_get(address, "ip-address"),
				"prefix", json_object_get(address, "prefix")));
	}
	return found;
}

/* --- health ---------------------------------------------------------------------------------------------------------
 */

void health_clear(struct health *health)
{
	json_decref(health->status);
	json_decref(health->slots);
	memset(health, 0, sizeof(*health));
}

/* the JSON that a command of sluice prints; NULL when it failed */
static json_t *ask_sluice(struct hypervisor *hv, const char *domain, const char *a, const char *b)
{
	const char *const argv[] = {"/usr/sbin/sluice", a, b, "--json", NULL};
	_cleanup_free_ char *text = NULL;

	if (agent_run(hv, domain, argv, 60, &text) != 0 || !text)
		return NULL;
	return json_loads(text, JSON_DISABLE_EOF_CHECK, NULL);
}

static void copy_text(const json_t *object, const char *key, char *out, size_t size)
{
	const char *text = json_string_value(json_object_get(object, key));

	snprintf(out, size, "%s", text ? text : "");
}

bool health_look(struct hypervisor *hv, const char *domain, bool settings, struct health *out)
{
	static const char *const done[] = {"/usr/bin/test", "-e", "/data/day0/done", NULL};

	memset(out, 0, sizeof(*out));
	out->agent = agent_ping(hv, domain) >= 0;
	if (!out->agent) {
		snprintf(out->why, sizeof(out->why), "its guest agent does not answer: %.100s", hv->error);
		return false;
	}
	out->day0_done = agent_run(hv, domain, done, 30, NULL) == 0;
	out->status = ask_sluice(hv, domain, "show", "status");
	out->supervisor = out->status;
	copy_text(out->status, "inspection", out->inspection, sizeof(out->inspection));
	copy_text(out->status, "version", out->version, sizeof(out->version));
	if (settings && !out->day0_done)
		snprintf(out->why, sizeof(out->why), "the settings of day 0 are not in force");
	else if (!out->supervisor)
		snprintf(out->why, sizeof(out->why), "its supervisor does not answer");
	else
		return true;
	return false;
}

json_t *health_json(const struct health *health)
{
	json_t *object = json_pack("{s:b, s:b, s:b}", "agent", health->agent, "supervisor", health->supervisor,
		"day0_done", health->day0_done);

	if (*health->inspection)
		json_object_set_new(object, "inspection", json_string(health->inspection));
	if (*health->version)
		json_object_set_new(object, "version", json_string(health->version));
	if (health->status)
		json_object_set(object, "status", health->status);
	if (health->slots)
		json_object_set(object, "slots", health->slots);
	if (*health->why)
		json_object_set_new(object, "why", json_string(health->why));
	return object;
}
